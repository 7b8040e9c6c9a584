"""Every order of a world is forgotten in the end: what is compacted names nobody, and `waybill verify` agrees."""

import asyncio
import json
from dataclasses import replace

import pytest
from msgspec import Struct

from app.agents import order_ledger
from app.domain.order import OrderState
from app.domain.personal_data import redact
from app.queries.audit import OUR_ROWS, THEIR_ROWS, LogLimits
from app.queries.audit_verdict import discrepancies
from tests.simulation.auditing import audit, read_orders
from tests.simulation.finale import Finale
from tests.simulation.transaction import KEYS
from tests.simulation.world import World

COMPACTED = ("order-ledger", "mirror-ledger", "source-ledger", "dualwrite.iom.salesorders", "dualwrite.fno.salesorders")
JSON = (("content-type", b"application/json"),)
DISTINCT_CHARS_MIN = 5
"""Shorter texts, such as a region, may be part of anything."""


class ForgettingWorld(World):
    """A world in which every order that has ended is forgotten, twice, as an impatient operator has it."""

    async def finish(self) -> None:
        finale = Finale(self)
        await finale.run()
        self.people = people_in(self.orders_now())
        assert self.people
        assert any(word in self.kept() for word in self.people)
        await self.forget_all(finale)

    async def forget_all(self, finale: Finale) -> None:
        for _ in range(2):
            for order_id, state in self.orders_now().items():
                if state.settled_at:
                    command = json.dumps({"order_id": order_id, "command": "forget", "actor": "operator"}).encode()
                    key = order_id.encode()
                    self.cluster.produce("order-command", self.lane_of(key), key, command, JSON)
            await finale.rest()
        self.verdict = await audit(self.cluster)

    def orders_now(self) -> dict[str, OrderState]:
        entries = {
            key.decode(): order_ledger.decode(KEYS.open("order-ledger", key, value) or b"")
            for key, value in self.cluster.ledger("order-ledger").items()
            if not key.startswith(b"\0")
        }
        return {key: entry for key, entry in entries.items() if isinstance(entry, OrderState)}

    def kept(self) -> bytes:
        """What compaction leaves."""
        return b"\n".join(value for topic in COMPACTED for value in self.cluster.ledger(topic).values())


def people_in(orders: dict[str, OrderState]) -> set[bytes]:
    """The texts of the orders' addresses."""
    texts = set[str]()
    for state in orders.values():
        if state.settled_at:
            texts |= {text for text in removed(state.order.ship_to) if len(text) >= DISTINCT_CHARS_MIN}
    return {text.encode() for text in texts}


def removed(value: Struct) -> set[str]:
    after = redact(value)
    names = value.__struct_fields__
    return {getattr(value, name) for name in names if getattr(value, name) != getattr(after, name)}


@pytest.mark.parametrize("seed", [2, 18])
def test_no_person_is_left_of_orders_that_are_forgotten(seed: int) -> None:
    world = ForgettingWorld(seed)
    world.run()
    assert all(state.forgotten_at for state in world.orders_now().values() if state.settled_at)
    live = [state for state in world.orders_now().values() if not state.settled_at]
    assert not live
    assert not [word for word in world.people if word in world.kept()]
    assert world.verdict.listed == []
    for order in asyncio.run(read_orders(world.cluster)):
        left = [record for record in order.records if record.topic not in (OUR_ROWS, THEIR_ROWS)]
        assert discrepancies(replace(order, records=left), LogLimits()) == [], "once compaction removed the rows"
