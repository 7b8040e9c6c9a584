"""Waybill: Intelligent Order Management as Kafka streams."""
