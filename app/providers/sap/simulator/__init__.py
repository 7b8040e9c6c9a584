"""SAP S/4HANA Cloud as a real HTTP server for demos and tests: OData V2, the life of an order, notifications."""

from app.providers.sap.simulator.server import SapOptions, SapSimulator

__all__ = ["SapOptions", "SapSimulator"]
