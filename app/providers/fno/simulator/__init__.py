"""Finance + Operations as a real HTTP server for demos and tests: OData V4, the life of an order, dual-write rows."""

from app.providers.fno.simulator.odata import STATUS_FIELD
from app.providers.fno.simulator.rows import MemoryRows, Rows
from app.providers.fno.simulator.server import FnoOptions, FnoSimulator

__all__ = ["STATUS_FIELD", "FnoOptions", "FnoSimulator", "MemoryRows", "Rows"]
