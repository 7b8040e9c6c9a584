"""Applies our rows at F+O: plans what a row means there, writes it over OData, and answers the effect that asked for it."""
