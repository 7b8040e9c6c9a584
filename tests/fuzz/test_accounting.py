"""Counted in is counted out: each record of an intake topic, whatever it says, is an order, a copy or a dead letter."""

import json
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.events.dead_letters import marks_of
from app.events.record import DEAD_LETTER
from app.kafka import topics
from app.lanes.checkpoint import FoldLimits
from app.lanes.lane import Lane
from app.lanes.role import Role
from tests.agents.source_cluster import NEAR, Room
from tests.dualwrite.rows import ORDERS
from tests.events.connector import envelope
from tests.flows.journey import published
from tests.fuzz.mutations import variants
from tests.fuzz.records import CODEC, EXAMPLES, ROWS
from tests.lanes.lane_driver import Driven, World
from tests.lanes.memory_log import MemoryLog

CREATED = "order-created"
EXAMPLE = EXAMPLES[CREATED]
VALID = st.sampled_from("abcd").map(lambda name: json.dumps(EXAMPLE | {"order_id": name}).encode())
ROLES: dict[str, Callable[[], Role]] = {
    CREATED: lambda: Orchestrate(CODEC, published(), ORDERS),
    "order-command": lambda: Orchestrate(CODEC, published(), ORDERS),
    "provider-event": lambda: Orchestrate(CODEC, published(), ORDERS),
    "provider-result": lambda: Orchestrate(CODEC, published(), ORDERS),
    "stock-change": lambda: Room().role(CODEC),
    ROWS: lambda: Mirror(CODEC, ORDERS, enabled=True),
}


async def fold(topic: str, values: list[bytes]) -> tuple[Counter[str], int]:
    """Fold the records. Return how many ended in which way, and how many keys the ledger has then."""
    role = ROLES[topic]()
    world = World(1, role.inputs)
    for spec in topics.load():
        world.cluster.add(spec.name)
    world.limit(fold=FoldLimits())
    for value in values:
        world.cluster.produce(topic, 0, None, value)
    log = MemoryLog(world.cluster, f"{role.name}-0", role.ledger, 0)
    lane = Lane(role, log, 0, 1, world.limits, clock=world.clock, observer=world.seen)
    await lane.open({})
    await Driven(world, lane, log).settle()
    letters = [marks_of(record) for record in world.cluster.read_all(DEAD_LETTER)]
    places = {(mark["topic"], mark["partition"], mark["offset"]) for mark in letters}
    assert len(places) == len(letters) == len(world.seen.dead) == world.seen.outcomes.get("dead-letter", 0)
    assert {mark["topic"] for mark in letters} <= {topic.encode()}
    assert not any(code.startswith("error") for code in world.seen.dead), letters
    keys = [key for key in world.cluster.ledger(role.ledger) if not key.startswith(b"\0")]
    return Counter(world.seen.outcomes), len(keys)


@pytest.mark.parametrize("topic", ROLES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
async def test_each_record_is_folded_or_set_aside_once(topic: str, data: st.DataObject) -> None:
    seeds = (json.dumps(EXAMPLES[topic]).encode(), *((json.dumps(envelope()).encode(),) if topic == ROWS else ()))
    values = data.draw(st.lists(variants(seeds) | st.binary(max_size=40), max_size=12))
    ends, _keys = await fold(topic, values)
    assert ends.total() == len(values), ends


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(VALID | variants((json.dumps(EXAMPLE).encode(),)), max_size=12))
async def test_each_record_is_an_order_a_copy_or_a_dead_letter(values: list[bytes]) -> None:
    ends, orders = await fold(CREATED, values)
    assert ends.total() == len(values), ends
    assert ends.keys() <= {"applied", "duplicate", "dead-letter"}
    assert ends["applied"] == orders
    assert orders >= len({value for value in values if json_id(value) in set("abcd")})


CHANGE = EXAMPLES["stock-change"] | {"warehouse": NEAR}
CHANGES = st.integers(1, 9).map(lambda pieces: json.dumps(CHANGE | {"kind": "add", "quantity": pieces}).encode())
ANSWER = EXAMPLES["provider-result"]
ANSWERS = st.sampled_from("abcd").map(lambda name: json.dumps(ANSWER | {"order_id": name}).encode())


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(additions=st.lists(CHANGES, max_size=4), others=st.lists(variants((json.dumps(CHANGE).encode(),)), max_size=8))
async def test_each_stock_change_is_in_the_stock_or_says_why_not(additions: list[bytes], others: list[bytes]) -> None:
    ends, _keys = await fold("stock-change", [*others, *additions])
    assert ends.total() == len(additions) + len(others), ends
    assert ends.keys() <= {"added", "set", "older", "repeated", "no-source", "dead-letter"}
    assert ends["added"] >= len(additions)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(ANSWERS | variants((json.dumps(ANSWER).encode(),)), max_size=12))
async def test_each_answer_waits_for_its_order_or_is_a_dead_letter(values: list[bytes]) -> None:
    ends, _keys = await fold("provider-result", values)
    assert ends.total() == len(values), ends
    assert ends.keys() <= {"early", "duplicate", "dead-letter"}


def json_id(value: bytes) -> object:
    """The order id of a value that nobody damaged; else None."""
    try:
        document = json.loads(value)
    except ValueError:
        return None
    order_id = document.get("order_id") if isinstance(document, dict) else None
    return order_id if isinstance(order_id, str) and document == EXAMPLE | {"order_id": order_id} else None
