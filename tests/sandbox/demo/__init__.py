"""The judge of the demo: its checks, its orders, its report."""
