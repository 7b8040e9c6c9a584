"""From the YAML of flows to what the engine runs: the specification, its checks, the compiler, the graph. Pure."""
