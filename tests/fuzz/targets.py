"""All targets by name."""

from tests.fuzz import definitions, records, replies

TARGETS = {target.name: target for target in (*records.TARGETS, *replies.TARGETS, *definitions.TARGETS)}
