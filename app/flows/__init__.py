"""Flows: orchestration as data. A flow is compiled once and then decides, event by event, what an order does next.
Pure."""
