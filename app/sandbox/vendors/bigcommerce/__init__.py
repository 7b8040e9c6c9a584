"""BigCommerce's Orders V2 and its webhooks as a real HTTP server for demos and tests. No catalog, no payments."""

from app.sandbox.vendors.bigcommerce.server import BigCommerceOptions, BigCommerceSimulator, open_simulator, options_of

__all__ = ["BigCommerceOptions", "BigCommerceSimulator", "open_simulator", "options_of"]
