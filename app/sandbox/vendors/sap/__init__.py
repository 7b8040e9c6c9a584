"""SAP S/4HANA Cloud as a real HTTP server for demos and tests: OData V2, the stages of an order, notifications."""

from app.sandbox.vendors.sap.server import SapOptions, SapSimulator, open_simulator, options_of

__all__ = ["SapOptions", "SapSimulator", "open_simulator", "options_of"]
