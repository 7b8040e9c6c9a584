"""A record without a key is decoded once: what its owner was read from serves its fold."""

from collections.abc import Mapping

import pytest

from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.events.codec import Codec, Contents
from app.events.record import Record
from app.lanes.role import Role
from tests.agents.source_cluster import Room
from tests.agents.stand_ins import CODEC, as_json
from tests.agents.test_mirror import shown
from tests.dualwrite.rows import ORDERS
from tests.flows.journey import published


class CountingCodec(Codec):
    """A codec that counts the values that it reads."""

    def __init__(self) -> None:
        super().__init__(CODEC.schemas)
        self.reads = 0

    def read(self, record: Record) -> Contents:
        self.reads += 1
        return super().read(record)


STOCK = {"sku": "A", "site": "EU", "warehouse": "EU-HAM", "kind": "set", "quantity": "1"}
COMMAND = {"order_id": "bc-shop-1", "command": "reprocess"}
RECORDS: Mapping[str, Record] = {
    "orchestrate": as_json("order-command", None, COMMAND),
    "mirror": shown("Active", 1)._replace(key=None),
    "source": as_json("stock-change", None, STOCK),
}


def role_with(codec: Codec, name: str) -> Role:
    if name == "orchestrate":
        return Orchestrate(codec, published(), ORDERS)
    return Mirror(codec, ORDERS, enabled=True) if name == "mirror" else Room().role(codec)


def fold(role: Role, record: Record) -> None:
    """As a lane does it: the owner's key first, then the fold of the record under that key."""
    role.fold(record._replace(key=role.owner_key(record)), {}, repeated=False)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_without_a_key_is_decoded_once(name: str) -> None:
    codec = CountingCodec()
    role, record = role_with(codec, name), RECORDS[name]
    fold(role, record)
    assert codec.reads == 1
    fold(role, record._replace(offset=record.offset + 1))
    assert codec.reads == 2


def test_another_record_at_the_same_place_is_another_record() -> None:
    codec = CountingCodec()
    role = role_with(codec, "orchestrate")
    fold(role, RECORDS["orchestrate"])
    other = as_json("order-command", None, COMMAND | {"order_id": "bc-shop-2"})
    assert role.owner_key(other) == b"bc-shop-2"
    assert codec.reads == 2
