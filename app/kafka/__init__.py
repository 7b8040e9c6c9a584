"""Kafka by aiokafka: the log of a lane, producers, readers of whole topics, and the topics themselves."""
