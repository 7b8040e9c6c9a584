"""Finance + Operations as a real HTTP server for demos and tests: OData V4, the stages of an order, dual-write rows."""

from app.sandbox.vendors.fno.odata import STATUS_FIELD
from app.sandbox.vendors.fno.rows import MemoryRows, Rows
from app.sandbox.vendors.fno.server import FnoOptions, FnoSimulator, open_simulator, options_of

__all__ = ["STATUS_FIELD", "FnoOptions", "FnoSimulator", "MemoryRows", "Rows", "open_simulator", "options_of"]
