"""The simulated vendors: HTTP servers with their wire, and the process that hosts them."""
