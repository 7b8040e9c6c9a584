"""Dynamics 365 Finance + Operations, OData V4: orders are written; what happens to them comes back by dual-write."""
