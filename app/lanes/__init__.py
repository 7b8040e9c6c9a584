"""The exactly-once engine: a lane folds the records of one partition and commits outputs, state and position together.

Neither Kafka nor Faust is known here: a lane writes to a port (`lane_log`), which `app/kafka` and the tests implement.
"""
