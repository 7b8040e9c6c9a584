"""Queries: views of orders, stock and sourcing, made of what the ledgers say; and the audit of all topics."""
