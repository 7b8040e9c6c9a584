"""Inventory of pools of warehouses: stock, reservations for order lines, and backorders (lines that wait). Pure."""
