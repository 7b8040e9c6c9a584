"""All targets by name."""

from tests.fuzz import definitions, documents, records, replies

_EVERY = (*records.TARGETS, *documents.TARGETS, *replies.TARGETS, *definitions.TARGETS)
TARGETS = {target.name: target for target in _EVERY}
