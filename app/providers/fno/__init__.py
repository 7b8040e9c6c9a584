"""Dynamics 365 Finance + Operations over OData V4: sales orders are written here; what happens to them comes by dual-write."""
