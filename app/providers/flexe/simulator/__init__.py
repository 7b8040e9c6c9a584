"""Flexe as a real HTTP server for demos and tests: our 3PL contract, the life of an order, signed webhooks."""

from app.providers.flexe.simulator.server import FlexeOptions, FlexeSimulator

__all__ = ["FlexeOptions", "FlexeSimulator"]
