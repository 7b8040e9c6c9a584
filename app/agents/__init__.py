"""One role a file, each named by its verb: decode a record, call the core, say what to write. Nothing here knows
Faust or Kafka."""
