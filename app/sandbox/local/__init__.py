"""Everything on one machine: a Kafka broker without Docker, the simulators, and a supervisor for the processes.

For demos, tests and first steps; production has its own.
"""
