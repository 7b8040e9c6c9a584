"""Flexe: fulfillment of orders by its warehouses, over a 3PL contract of our own (docs/providers/flexe.md)."""
