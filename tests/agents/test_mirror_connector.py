"""`mirror` behind Debezium: what a connector writes raises what it shows, each once, whatever comes twice or late."""

import json
from typing import Any

from app.agents.mirror import Mirror
from app.events.ids import partition_of
from app.events.model import OrderCreated, ProviderEvent
from app.events.record import DEAD_LETTER, Record
from app.lanes.role import Folded
from tests.agents.stand_ins import CODEC, event_of
from tests.agents.test_mirror import Driven, raised
from tests.dualwrite.rows import ORDERS
from tests.events.connector import DEFAULT_ROW, KEY, LSN, ORDER_ID, ROW, envelope, text, with_schema
from tests.lanes.example_roles import LEDGER
from tests.lanes.lane_driver import World

TOPIC = "dualwrite.fno.salesorders"
COUNTRY = {"DeliveryAddressCountryRegionId": "USA"}


def record(document: Any, offset: int = 0, key: Any = KEY) -> Record:
    value = None if document is None else text(document)
    return Record(TOPIC, 0, offset, 5, None if key is None else text(key), value, ())


def at(lsn: int, status: str = "Confirmed", op: str = "u", **changes: Any) -> dict[str, Any]:
    row = ROW | COUNTRY | {"SalesOrderProcessingStatus": status} | changes
    before, after = (row, None) if op == "d" else (None, row)
    return envelope(op, before=before, after=after, sequence=f'["{LSN}","{lsn}"]')


def fold(driven: Driven, document: Any, offset: int = 0, key: Any = KEY) -> Folded:
    """As the lane does: with the key of the owner."""
    read = record(document, offset, key)
    return driven.fold(read._replace(key=driven.role.owner_key(read)))


def test_the_life_of_a_row() -> None:
    driven = Driven()
    assert raised(fold(driven, at(100, "Active", "r"))) == ["created"]
    assert raised(fold(driven, at(200, "Confirmed"))) == ["order confirmed"]
    changed = fold(driven, at(300, "Confirmed", Email=None))
    (body,) = (event_of(output).body for output in changed.outputs)
    assert isinstance(body, ProviderEvent)
    assert (body.event, dict(body.values)) == ("order changed", {"ship_to.email": ""})
    assert raised(fold(driven, at(400, op="d", Email=None))) == ["order canceled"]
    assert fold(driven, None).outcome == "tombstone"
    assert fold(driven, at(500, "Picked")).outcome == "stale"


def test_the_first_record_with_debeziums_defaults_makes_the_order() -> None:
    folded = fold(Driven(), with_schema(envelope("c", after=DEFAULT_ROW | COUNTRY)))
    assert raised(folded) == ["created", "order confirmed"]
    body = event_of(folded.outputs[0]).body
    assert isinstance(body, OrderCreated)
    assert (body.order.order_id, body.order.total, body.order.lines[0].unit_price) == (ORDER_ID, 2_599_800, 1_299_900)


def test_what_comes_twice_or_late_raises_nothing() -> None:
    driven = Driven()
    changes = [at(99, "Active", "c"), at(100, "Confirmed", Email="new@example.com")]
    for offset, change in enumerate(changes):
        fold(driven, change, offset)
    before = dict(driven.state)
    for offset, change in enumerate([*changes, changes[1]], 2):
        assert (fold(driven, change, offset).outcome, driven.state) == ("stale", before)


def test_a_snapshot_that_is_taken_again_changes_nothing() -> None:
    driven = Driven()
    fold(driven, at(200))
    before = dict(driven.state)
    again = at(0, op="r") | {"source": at(0)["source"] | {"sequence": None, "lsn": None, "snapshot": "incremental"}}
    assert (fold(driven, again).outcome, driven.state) == ("stale", before)


def test_a_replication_origin_does_not_pass_for_an_echo_and_a_column_of_ours_does() -> None:
    driven = Driven()
    fold(driven, at(100))
    echo = fold(driven, at(200, Email="us@example.com", waybill_origin="iom"))
    assert (raised(echo), echo.outcome) == ([], "echo")
    foreign = at(300, Email="them@example.com")
    foreign["source"]["origin"] = "other_node"
    assert raised(fold(driven, foreign)) == ["order changed"]


def test_another_number_is_another_order() -> None:
    """The deletion and the creation that a changed key makes have one place in the log."""
    driven = Driven()
    fold(driven, at(100, "Picked", "c"))
    assert raised(fold(driven, at(200, "Picked", "d"))) == ["order canceled"]
    other = {"SalesOrderNumber": "000003"}
    folded = fold(driven, at(200, "Picked", "c", **other), 3, KEY | other)
    assert raised(folded) == ["created", "order confirmed", "order picked"]
    assert {output.key for output in folded.outputs} == {b"fno-usmf-000003"}


def test_what_is_about_no_order_is_ignored() -> None:
    driven = Driven()
    assert fold(driven, {"ts_ms": 5}, key={"serverName": "fno"}) == Folded(outcome="ignored")
    assert fold(driven, {"ts_ms": 5}, key=None) == Folded(outcome="ignored")
    assert fold(driven, None, key={"id": 7}) == Folded(outcome="tombstone")


def keys() -> list[dict[str, str]]:
    return [KEY | {"SalesOrderNumber": f"{number:06}"} for number in range(12)]


async def test_records_that_a_connector_put_on_any_partition_reach_the_lanes_of_their_orders() -> None:
    world = World(4, (TOPIC,))
    world.limit(fold=world.limits.fold.__class__())
    for topic in ("order-created", "provider-event"):
        world.cluster.add(topic)
    for at_partition, key in enumerate(keys()):
        place = at_partition % 4
        row = ROW | COUNTRY | key
        world.produce(text(key), text(envelope("c", after=row)), topic=TOPIC, partition=place)
        world.produce(text(key), text({"ts_ms": 5}), topic=TOPIC, partition=place)
    world.produce(None, text({"ts_ms": 5}), text(envelope("t")), topic=TOPIC, partition=3)
    lanes = []
    for partition in range(4):
        role: Any = Mirror(CODEC, ORDERS, True)
        role.ledger = LEDGER
        lanes.append(await world.open(role, partition))
    for _ in range(3):
        for lane in lanes:
            await lane.settle()
    created = {record.key: record.partition for record in world.cluster.read_all("order-created")}
    expected = [f"fno-usmf-{key['SalesOrderNumber']}".encode() for key in keys()]
    assert created == {order_id: partition_of(order_id, 4) for order_id in expected}
    assert len(world.cluster.read_all("order-created")) == 12
    letters = world.cluster.read_all(DEAD_LETTER)
    assert [json.loads(letter.value or b"")["op"] for letter in letters] == ["t"]
    assert world.seen.outcomes["ignored"] == 13
