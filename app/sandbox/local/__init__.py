"""Everything on one machine: Kafka from Python packages, simulators, and who keeps the processes running. For demos,
tests and first steps; production has its own."""
