"""Dynamics 365 Finance + Operations, OData V4: sales orders are written; what happens to them comes back by dual-write."""
