"""Counted in is counted out: each record of an intake topic, whatever it says, is an order, a copy or a dead letter."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.orchestrate import Orchestrate
from app.events.dead_letters import marks_of
from app.events.record import DEAD_LETTER
from app.kafka import topics
from app.lanes.checkpoint import FoldLimits
from app.lanes.lane import Lane
from tests.dualwrite.rows import ORDERS
from tests.flows.journey import published
from tests.fuzz.mutations import variants
from tests.fuzz.records import CODEC, EXAMPLES
from tests.lanes.lane_driver import Driven, World
from tests.lanes.memory_log import MemoryLog

TOPIC = "order-created"
EXAMPLE = EXAMPLES[TOPIC]
SEEDS = (json.dumps(EXAMPLE).encode(),)
VALID = st.sampled_from("abcd").map(lambda name: json.dumps(EXAMPLE | {"order_id": name}).encode())


async def accounted(values: list[bytes]) -> Counter[str]:
    """Fold the records, and return how many of them ended in which way."""
    world = World(1, Orchestrate.inputs)
    for spec in topics.load():
        world.cluster.add(spec.name)
    world.limit(fold=FoldLimits())
    for value in values:
        world.cluster.produce(TOPIC, 0, None, value)
    log = MemoryLog(world.cluster, "orchestrate-0", Orchestrate.ledger, 0)
    role = Orchestrate(CODEC, published(), ORDERS)
    lane = Lane(role, log, 0, 1, world.limits, clock=world.clock, observer=world.seen)
    await lane.open({})
    await Driven(world, lane, log).settle()
    letters = [marks_of(record) for record in world.cluster.read_all(DEAD_LETTER)]
    places = [(mark["topic"], mark["partition"], mark["offset"]) for mark in letters]
    assert len(set(places)) == len(places) == len(world.seen.dead)
    assert {mark["topic"] for mark in letters} <= {TOPIC.encode()}
    assert not any(code.startswith("error") for code in world.seen.dead), letters
    created = [key for key in world.cluster.ledger(Orchestrate.ledger) if not key.startswith(b"\0")]
    return Counter(world.seen.outcomes) + Counter(orders=len(created))


@settings(max_examples=30)
@given(values=st.lists(VALID | variants(SEEDS) | st.binary(max_size=40), max_size=12))
async def test_each_record_is_an_order_a_copy_or_a_dead_letter(values: list[bytes]) -> None:
    ends = await accounted(values)
    orders = ends.pop("orders", 0)
    assert ends.total() == len(values), ends
    assert ends.keys() <= {"applied", "duplicate", "dead-letter"}
    assert ends["applied"] == orders
    assert orders >= len({value for value in values if json_id(value) in set("abcd")})


def json_id(value: bytes) -> object:
    """The order id of a value that nobody damaged; else None."""
    try:
        document = json.loads(value)
    except ValueError:
        return None
    order_id = document.get("order_id") if isinstance(document, dict) else None
    return order_id if isinstance(order_id, str) and document == EXAMPLE | {"order_id": order_id} else None
