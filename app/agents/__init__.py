"""Roles, one a file, each named by its verb: a record is decoded, the core called, its outputs encoded. No Faust and no
Kafka here."""
