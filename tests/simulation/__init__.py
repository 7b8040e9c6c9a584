"""The seeded world: production lanes, roles, clients and provider simulators in virtual time (docs/adr/0012)."""
