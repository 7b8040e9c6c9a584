"""Measures the role that holds the orders: events per second and CPU per event, in memory and on a real broker."""
