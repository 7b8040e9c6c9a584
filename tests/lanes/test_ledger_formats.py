"""A ledger that a newer version wrote is refused; and what is stored does not change without another number.

Ledger values are arrays: an older version would not see a field that was added, and would write the value back without
it. So each role's stored types are pinned here. A type that changes gets the next number as `ledger_format` of its
role, and an older process that is given the lane says so and ends, in place of losing the field.
"""

import json
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from app.agents.apply import Apply
from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.order_ledger import Early
from app.agents.perform import Perform
from app.agents.pull import Pull
from app.agents.source import Source
from app.domain.order import OrderState
from app.dualwrite.status_handler import MirrorState
from app.dualwrite.write_plan import ApplyState
from app.errors import LedgerError
from app.inventory.item_stock import ItemStock
from app.inventory.ledger_values import BackorderRuns, ExplainedPlan, PreferenceOverrides, SourcedOrder, WarehouseTotals
from app.lanes.role import Role
from tests.lanes.example_roles import LEDGER, Counting
from tests.lanes.lane_driver import World

STORED_TYPES: dict[type[Role], tuple[Any, ...]] = {
    Orchestrate: (OrderState, Early),
    Source: (ItemStock, SourcedOrder, ExplainedPlan, WarehouseTotals, PreferenceOverrides, BackorderRuns),
    Apply: (ApplyState,),
    Mirror: (MirrorState,),
    Perform: (),
    Pull: (),
}
PINNED = {
    Orchestrate: (1, "a04eb4cb1ddea4df"),
    Source: (1, "6bcb986f5374a996"),
    Apply: (1, "28c791e7e43c11a0"),
    Mirror: (1, "f315eb27dd21b00f"),
    Perform: (1, "4f53cda18c2baa0c"),
    Pull: (1, "4f53cda18c2baa0c"),
}
"""Of each role the number of its ledger's format, and the digest of its stored types."""


class Newer(Counting):
    ledger_format = 2


def without_words(node: Any) -> Any:
    """Return a schema without descriptions: they may change."""
    if isinstance(node, dict):
        return {name: without_words(value) for name, value in node.items() if name != "description"}
    return [without_words(each) for each in node] if isinstance(node, list) else node


def digest(types: tuple[Any, ...]) -> str:
    schemas = [without_words(msgspec.json.schema(each)) for each in types]
    return sha256(json.dumps(schemas, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize("role", STORED_TYPES, ids=lambda role: role.name)
def test_stored_types_change_with_another_number_only(role: type[Role]) -> None:
    assert (role.ledger_format, digest(STORED_TYPES[role])) == PINNED[role], (
        f"what {role.name} stores has changed: raise its ledger_format, show in a test that the former values are"
        " read, and pin both here"
    )


async def test_a_ledger_of_a_newer_version_is_refused_and_stays_as_it_is() -> None:
    world = World()
    world.produce(b"k", b"one")
    await (await world.open(Newer())).settle()
    before = dict(world.cluster.ledger(LEDGER))
    with pytest.raises(LedgerError, match=r"newer version .* \(format 2, this one knows 1\): start that version again"):
        await world.open(Counting())
    assert world.cluster.ledger(LEDGER) == before


async def test_a_ledger_of_an_older_version_is_taken_over_and_gets_the_new_number() -> None:
    world = World()
    world.produce(b"k", b"one")
    await (await world.open(Counting())).settle()
    world.produce(b"k", b"two")
    await (await world.open(Newer())).settle()
    assert world.outputs() == [b"in-a/0/0:1 one", b"in-a/0/1:2 two"]
    with pytest.raises(LedgerError):
        await world.open(Counting())
