"""BigCommerce's Orders V2 as a real HTTP server for demos and tests. Webhooks, catalog and payments are absent."""

from app.providers.bigcommerce.simulator.server import BigCommerceOptions, BigCommerceSimulator

__all__ = ["BigCommerceOptions", "BigCommerceSimulator"]
