"""Flexe as a real HTTP server for demos and tests: our 3PL contract, the stages of an order, signed webhooks."""

from app.sandbox.vendors.flexe.server import FlexeOptions, FlexeSimulator, open_simulator, options_of

__all__ = ["FlexeOptions", "FlexeSimulator", "open_simulator", "options_of"]
