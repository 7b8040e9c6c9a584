"""Dual-write as pure functions: rows, sync gate, field maps, status event handler, what to write to F+O. No I/O.

How this differs from the product, on purpose. The product writes live in one transaction on both sides and rolls both
back; here a change is a record on a topic, so the other side follows later (closest to the product's asynchronous
mode). The product has a map for headers and one for lines; here one record holds an order with all its lines, so
nobody sees half an order. The product orders changes by transaction; here each side counts a version per order. The
product filters headers and lines apart; here an order with a line that may not sync waits as a whole.

Requirements: S3.
"""
