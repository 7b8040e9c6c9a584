"""Stock of pools of warehouses: what is there, what is reserved for which order line, and who waits for more. Pure."""
