"""SAP: what is its own beyond the contract."""
