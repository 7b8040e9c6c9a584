"""Loading of flows: from their YAML to what the engine runs; specification, checks, compiler, graph. Pure."""
