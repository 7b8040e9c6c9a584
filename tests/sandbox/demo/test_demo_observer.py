"""The observer reads what the agents write, with no code of theirs, and is not stopped by what others write."""

from dataclasses import dataclass, field, replace

from app.events.codec import load
from app.events.model import Event, OrderCreated
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.demo.demo_observer import DemoObserver, Reader, schemas_by_id
from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import COMPLETED, DemoOrder
from tests.flows.journey import an_order

ORDER = an_order(3)


@dataclass
class Record:
    """As aiokafka hands it over."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    partition: int = 2
    offset: int = 5
    timestamp: int = 1_760_000_000_000


def written() -> Record:
    event = Event("order created", "e1", ORDER.order_id, 1, "waybill/pull", "e0", OrderCreated(ORDER))
    value, headers = load().encode(event)
    return Record("order-created", ORDER.order_id.encode(), value, headers)


async def record(*records: Record) -> Case:
    observer = DemoObserver(ClusterAccess("127.0.0.1:1"), ["order-created"], Reader(schemas_by_id()))
    observer.expect([DemoOrder(ORDER.order_id, "1", 1, COMPLETED, {})])
    for record in records:
        observer.take(record)
    await observer.close()
    return observer.cases[ORDER.order_id]


async def test_avro_is_read_with_the_published_schemas() -> None:
    (found,) = (await record(written())).records
    assert (found.topic, found.partition, found.offset) == ("order-created", 2, 5)
    assert (found.event_id, found.type, found.source, found.cause) == ("e1", "order created", "waybill/pull", "e0")
    order = found.body["order"]
    assert (order["order_id"], order["company"], order["state"]) == (ORDER.order_id, None, "New")
    assert [str(line["quantity"]) for line in order["lines"]] == ["2.0000"] * 3


async def test_json_is_read_as_json_and_named_by_its_place() -> None:
    (found,) = (await record(Record("dualwrite.fno.salesorders", ORDER.order_id.encode(), b'{"op": "c"}'))).records
    assert found.body == {"op": "c"}
    assert found.event_id == "dualwrite.fno.salesorders/2/5"


async def test_records_of_others_and_tombstones_are_passed_over() -> None:
    key = ORDER.order_id.encode()
    others = [Record("order-created", name, b"\x00\x00\x00\x00\x01") for name in (None, b"", b"\xff", b"bc-demo-9")]
    assert (await record(*others, Record("order-created", key, None))).records == []


async def test_values_that_cannot_be_read_stop_nothing() -> None:
    key = ORDER.order_id.encode()
    avro = written().value or b""
    unknown_schema, cut = b"\x00\x00\x0f\x42\x40" + avro[5:], avro[:-7]
    odd = [b"", b"{", b"\xff", b"[1]", b"\x00", unknown_schema, cut, b"\x00\x00\x00\x00\x01" + b"\xff" * 40]
    strange = [replace(Record("order-created", key, value), offset=at) for at, value in enumerate(odd)]
    found = await record(*strange, replace(written(), offset=len(odd)))
    assert [bool(record.body) for record in found.records] == [False] * len(odd) + [True]


async def test_dead_letters_find_their_order() -> None:
    marks = [("waybill-dead-code", b"invalid"), ("waybill-dead-detail", b"why"), ("waybill-dead-role", b"orchestrate")]
    by_key = Record("dead-letter", b"order-created/0/1", b"{", [*marks, ("waybill-dead-key", ORDER.order_id.encode())])
    pulled = Record("dead-letter", b"pull/bigcommerce/shop/1", b"{}", marks, offset=6)
    elsewhere = Record("dead-letter", b"pull/bigcommerce/other/1", b"{}", marks, offset=7)
    found = (await record(by_key, pulled, elsewhere)).records
    assert [record.body["code"] for record in found] == ["invalid", "invalid"]
    assert found[0].body["detail"] == "why"


async def test_what_a_consumer_reads_again_is_kept_once() -> None:
    again, other = written(), written()
    other.partition = 3
    found = (await record(written(), again, other)).records
    assert [(record.partition, record.offset) for record in found] == [(2, 5), (3, 5)]
