"""BigCommerce's Orders V2 and its webhooks as a real HTTP server for demos and tests. No catalog, no payments."""

from app.providers.bigcommerce.simulator.server import BigCommerceOptions, BigCommerceSimulator

__all__ = ["BigCommerceOptions", "BigCommerceSimulator"]
