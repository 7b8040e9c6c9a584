"""The commands against a real broker and a real worker: orders in, bad input set aside with its reason, and put back.

The tests share one broker and one worker and run in order; each has orders of its own.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiokafka import AIOKafkaProducer

from app.events.ids import partition_of
from app.events.record import Output
from app.kafka import topic_reader, transactions
from app.kafka.cluster_access import ClusterAccess
from app.resources import ROOT
from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from app.sandbox.local.up import simulated
from tests.commands.console import Console, Said

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
EXAMPLE = json.loads((ROOT / "schemas/examples/order-created.json").read_bytes())
LIMIT_S = 180.0
JSON = [("content-type", b"application/json")]
PARTITIONS = 4
Found = TypeVar("Found")


def eventually(ask: Callable[[], Found | None]) -> Found:
    """The first answer that is one."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if (found := ask()) is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no answer within {LIMIT_S:.0f} s")


class Worker:
    """One `waybill worker` process with its web views; it may be stopped and started with other settings."""

    def __init__(self, bootstrap_servers: str, folder: Path) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
        self.bootstrap_servers, self._log = bootstrap_servers, folder / "worker.log"
        self.set_up = simulated({**clean, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}, free_port())
        self.bare = {**clean, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}
        self.process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self, *roles: str, environment: dict[str, str]) -> None:
        self._port = free_port()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "worker", *roles],
                env={**environment, "WAYBILL_WEB_PORT": str(self._port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: True if self.asked("/ready")[0] == 200 else None)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(120)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def asked(self, path: str) -> tuple[int, str]:
        assert self.running, self._log.read_text(encoding="utf-8")[-3000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def counted(self, name: str, **labels: str) -> float:
        """A counter of /metrics, summed over the labels that are not given."""
        total = 0.0
        for line in self.asked("/metrics")[1].splitlines():
            if line.startswith(name + "{") and all(f'{label}="{value}"' in line for label, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with broker.temporary() as info:
        made = Worker(info.bootstrap_servers, tmp_path_factory.mktemp("worker"))
        yield made
        if made.running:
            made.stop()


@pytest.fixture
def waybill(worker: Worker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    for name in os.environ:
        if name.startswith("WAYBILL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", worker.bootstrap_servers)
    return Console(capsys)


@pytest.fixture
def at_work(worker: Worker) -> Worker:
    if worker.process is None:
        worker.start("orchestrate", "mirror", environment=worker.set_up)
    return worker


def an_order(order_id: str, **changes: Any) -> bytes:
    return json.dumps(EXAMPLE | {"order_id": order_id} | changes).encode()


def send(worker: Worker, *outputs: Output) -> None:
    asyncio.run(transactions.transact(ClusterAccess(worker.bootstrap_servers), outputs))


def to(topic: str, order_id: str | None, value: bytes, **headers: str) -> Output:
    more = [(name, text.encode()) for name, text in headers.items()]
    return Output(topic, order_id.encode() if order_id else None, value, [*JSON, *more])


def shown(waybill: Console, order_id: str) -> dict[str, Any] | None:
    said = waybill("orders", "show", order_id, "--json")
    found: dict[str, Any] | None = said.json if said.code == 0 else None
    return found


def ended(waybill: Console, order_id: str, *states: str) -> dict[str, Any]:
    def ask() -> dict[str, Any] | None:
        found = shown(waybill, order_id)
        return found if found and found["state"] in states else None

    return eventually(ask)


def letter(waybill: Console, key: str) -> dict[str, Any]:
    """The dead letter whose original had this key."""

    def ask() -> dict[str, Any] | None:
        letters: list[dict[str, Any]] = waybill("dead-letters", "list", "--json").json
        return next((found for found in letters if found["key"] == key), None)

    return eventually(ask)


def test_topics_are_made_once_and_are_as_they_should_be(waybill: Console) -> None:
    before = waybill("topics", "check", "--json")
    assert before.code == 1
    assert {drift["setting"] for drift in before.json} == {"topic"}
    made = waybill("topics", "apply", "--json")
    assert "order-created" in made.json
    assert len(made.json) == len(before.json)
    assert waybill("topics", "apply", "--json").json == []
    after = waybill("topics", "check", "--json")
    assert (after.code, after.json) == (0, [])
    assert waybill("topics", "check").out == "The broker's topics are as topics.yaml says\n"


def test_an_empty_ledger_lists_nothing(waybill: Console) -> None:
    assert waybill("orders", "list", "--json").json == []
    assert waybill("dead-letters", "list", "--json").json == []
    said = waybill("orders", "show", "web-1")
    assert (said.code, said.out) == (1, "")
    assert said.err == "waybill: no order web-1 in the ledger\n"


def test_a_file_with_one_wrong_line_sends_none(waybill: Console, worker: Worker, tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_bytes(an_order("none-1") + b"\n" + an_order("none-2", shipping="abc") + b"\n")
    assert waybill("orders", "submit", str(file)).code == 1
    assert asyncio.run(count(worker, "order-created")) == 0


async def count(worker: Worker, topic: str) -> int:
    async with topic_reader.consumer(ClusterAccess(worker.bootstrap_servers)) as reader:
        wanted = await topic_reader.partitions(reader, topic)
        return len([record async for record in topic_reader.read_to_end(reader, wanted)])


def test_what_could_not_be_taken_is_replayed_once_it_can(waybill: Console, worker: Worker) -> None:
    worker.start("orchestrate", environment=worker.bare)
    submitted = waybill("orders", "submit", "-", "--json", stdin=an_order("late-1"))
    assert (submitted.code, submitted.json) == (0, ["late-1"])
    aside = letter(waybill, "late-1")
    assert (aside["code"], aside["role"]) == ("flow-refused", "orchestrate")
    assert "bigcommerce-fno-fno" in aside["detail"]
    assert worker.stop() == 0

    worker.start("orchestrate", "mirror", environment=worker.set_up)
    assert waybill("dead-letters", "replay", aside["id"]).out == "1 replayed\n"
    assert ended(waybill, "late-1", "Validated")["flow"] == "bigcommerce-fno-fno"
    assert waybill("dead-letters", "list", "--json").json == []
    again = waybill("dead-letters", "replay", aside["id"])
    assert again.code == 1
    assert f"no dead letter {aside['id']}" in again.err


@pytest.mark.usefixtures("at_work")
def test_a_good_order_is_submitted_shown_and_listed(waybill: Console, tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_bytes(b"\n".join(an_order(f"good-{n}") for n in range(8)))
    assert waybill("orders", "submit", str(file)).out == "8 orders on order-created\n"
    for n in range(8):
        ended(waybill, f"good-{n}", "Validated")
    order = ended(waybill, "good-0", "Validated")
    assert {"lines", "lineage", "timeline", "flow", "company"} <= set(order)
    assert [entry["event"] for entry in order["timeline"]][:2] == ["order created", "order validated"]
    for_people = waybill("orders", "show", "good-0").out
    assert "good-0: Validated / Assigned" in for_people
    assert "assign-company" in for_people
    listed = waybill("orders", "list", "--json", "--state", "validated").json
    assert {f"good-{n}" for n in range(8)} <= {item["order_id"] for item in listed}
    assert set(listed[0]) == {"order_id", "source_ref", "flow", "state", "reason", "lines", "version"}
    assert "good-0" in waybill("orders", "list").out
    assert waybill("orders", "list", "--json", "--state", "Completed").json == []


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("placed_at", ["2026-01-31T09:30:00Z", None])
def test_an_order_that_exists_is_named_and_not_sent_again(
    waybill: Console, worker: Worker, placed_at: str | None
) -> None:
    """Without a time of its own it has that of its record."""
    ids = [f"twice-{bool(placed_at)}-{number}" for number in (1, 2)]
    first, second = (an_order(order_id, placed_at=placed_at) for order_id in ids)
    assert waybill("orders", "submit", "-", stdin=first).out == "1 order on order-created\n"
    ended(waybill, ids[0], "Validated")
    before = asyncio.run(count(worker, "order-created"))
    both = waybill("orders", "submit", "-", "--json", stdin=first + b"\n" + second)
    assert (both.code, both.json) == (0, [ids[1]])
    assert both.err.startswith(f"{ids[0]} exists already (Validated / ")
    changed = waybill("orders", "submit", "-", stdin=an_order("other") + an_order(ids[0], customer="C-9"))
    assert (changed.code, changed.out) == (1, "")
    assert f"-:1: order {ids[0]} exists with other content; change it by a command" in changed.err
    assert asyncio.run(count(worker, "order-created")) == before + 1


def test_the_view_over_http_is_the_order_of_the_command(waybill: Console, at_work: Worker) -> None:
    order = ended(waybill, "good-0", "Validated")
    status, body = at_work.asked("/orders/good-0")
    assert (status, json.loads(body)) == (200, order)
    assert at_work.asked("/orders/none-1")[0] == 404


@pytest.mark.usefixtures("at_work")
def test_statuses_are_watched_as_they_come(worker: Worker) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", "app", "orders", "watch", "--json"],
        env=worker.bare, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert watching.stdout is not None
    os.set_blocking(watching.stdout.fileno(), False)
    seen, number = b"", 0

    def ask() -> bool | None:
        nonlocal seen, number
        number += 1
        send(worker, to("order-created", f"watched-{number}", an_order(f"watched-{number}")))
        time.sleep(0.3)
        seen += watching.stdout.read() or b""  # type: ignore[union-attr]
        return True if seen.count(b"\n") >= 3 else None

    try:
        eventually(ask)
    finally:
        watching.terminate()
        watching.wait(120)
        watching.stdout.close()
    first = json.loads(seen.splitlines()[0])
    assert first["order_id"].startswith("watched-")
    assert {"at", "event", "state", "reason", "version"} <= set(first)


# ---- bad input: each ends in a named state or in dead-letter, is counted, and stops nothing behind it ----------------


def every_partition(stem: str) -> list[str]:
    """Order ids for all partitions, one each."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < PARTITIONS:
        order_id = f"{stem}-{number}"
        found.setdefault(partition_of(order_id.encode(), PARTITIONS), order_id)
        number += 1
    return list(found.values())


LINE = EXAMPLE["lines"][0]
UNREADABLE: Sequence[tuple[str, bytes, str, str]] = [
    ("malformed-json", b'{"order_id": ', "malformed", "not JSON"),
    ("malformed-avro", b"\x00\x00\x00\x00\x01\xff\xff", "", ""),
    ("unknown-schema", b"\x00\x00\x0f\x42\x40" + b"\x02" * 20, "unknown-schema", "schema id 1000000"),
    ("neither", b"<order/>", "malformed", "neither Avro"),
    ("unknown-flow", an_order("unknown-flow", flow="teleport"), "no-flow", "there is no flow 'teleport'"),
    ("no-number", an_order("no-number", shipping="abc"), "invalid", "shipping"),
    ("not-a-number", an_order("not-a-number").replace(b'"9.9500"', b"NaN"), "", "NaN"),
    ("huge-number", an_order("huge-number", tax="9" * 40), "invalid", "tax"),
    ("other-key", an_order("another"), "invalid", "is not the order id"),
    ("too-large", an_order("too-large", customer="x" * 1_200_000), "too-large", "WAYBILL_RECORD_BYTES_MAX"),
]
REFUSED: Sequence[tuple[str, dict[str, Any], str]] = [
    ("no-lines", {"lines": []}, "the order has no lines"),
    ("negative", {"lines": [LINE | {"quantity": -1}]}, "quantity -1 is not positive"),
    ("zero", {"lines": [LINE | {"quantity": 0}]}, "quantity 0"),
    ("absurd", {"lines": [LINE | {"quantity": 999_999_999}]}, "quantity 999999999"),
    ("currency", {"currency": "QQQ"}, "QQQ"),
    ("totals", {"total": "1.0000"}, "total"),
]


def test_records_that_cannot_be_used_become_dead_letters_with_their_reason(waybill: Console, at_work: Worker) -> None:
    before = at_work.counted("waybill_dead_letters_total", role="orchestrate")
    send(at_work, *(to("order-created", key, value) for key, value, _, _ in UNREADABLE))
    behind = every_partition("behind-unreadable")
    send(at_work, *(to("order-created", order_id, an_order(order_id)) for order_id in behind))
    for order_id in behind:
        ended(waybill, order_id, "Validated")
    for key, value, code, says in UNREADABLE:
        found = letter(waybill, key)
        assert (found["code"], found["bytes"]) == (code or found["code"], len(value)), key
        assert found["code"] in {"malformed", "invalid", "unknown-schema", "no-flow", "too-large"}
        assert says in found["detail"]
        assert found["id"].startswith("order-created/")
        assert shown(waybill, key) is None
        if code:
            assert at_work.counted("waybill_dead_letters_total", role="orchestrate", code=code) >= 1
    assert at_work.counted("waybill_dead_letters_total", role="orchestrate") == before + len(UNREADABLE)


def test_orders_that_a_policy_refuses_are_canceled_with_their_reason(waybill: Console, at_work: Worker) -> None:
    send(at_work, *(to("order-created", f"bad-{name}", an_order(f"bad-{name}", **bad)) for name, bad, _ in REFUSED))
    for name, _, says in REFUSED:
        order = ended(waybill, f"bad-{name}", "Canceled")
        assert order["reason"] == "Validation failed"
        assert says in order["timeline"][-1]["note"], name


def letters_of(waybill: Console, order_id: str) -> list[str]:
    return [each["id"] for each in waybill("dead-letters", "list", "--json").json if each["key"] == order_id]


def test_an_order_that_has_ended_is_forgotten_at_once(waybill: Console, at_work: Worker) -> None:
    order_id, people = "forget-me", EXAMPLE["ship_to"] | {"customer": EXAMPLE["customer"]}
    send(at_work, to("order-created", order_id, an_order(order_id, total="1.0000")))
    ended(waybill, order_id, "Canceled")
    send(at_work, to("order-created", order_id, an_order(order_id, total="2.0000")))
    letter = eventually(lambda: next(iter(letters_of(waybill, order_id)), None))
    before = waybill("orders", "show", order_id, "--json").out
    assert people["street"] in before
    assert waybill("orders", "forget", order_id, stdin=b"n\n").code == 1
    assert waybill("orders", "show", order_id, "--json").out == before
    answer = waybill("orders", "forget", order_id, "--yes", "--actor", "clerk", "--json").json
    gone = {each["topic"]: each["gone_at"] for each in answer["remains"]}
    assert gone["order-created"] < gone["dead-letter"]
    assert gone["order-status"] == gone["dead-letter"], "it names the customer"
    assert "order-assigned" not in gone
    assert answer["dead_letters"] == [letter]
    assert waybill("dead-letters", "discard", letter).code == 0
    after = waybill("orders", "show", order_id, "--json")
    assert after.json["forgotten_at"] == answer["forgotten_at"]
    assert not [text for name, text in people.items() if name != "country" and text in after.out]


def test_an_order_that_is_under_way_or_unknown_is_not_forgotten(waybill: Console, at_work: Worker) -> None:
    send(at_work, to("order-created", "forget-later", an_order("forget-later")))
    ended(waybill, "forget-later", "Validated")
    refused = waybill("orders", "forget", "forget-later", "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert "forget-later is Validated (Assigned) and is still under way" in refused.err
    assert "no order forget-never in the ledger" in waybill("orders", "forget", "forget-never", "--yes").err


def test_five_megabytes_are_refused_at_the_door_or_set_aside(waybill: Console, at_work: Worker) -> None:
    huge = an_order("five-mb", customer="x" * 5_000_000)
    said = waybill("orders", "submit", "-", stdin=huge)
    assert (said.code, "more than 2097152 bytes" in said.err) == (1, True)
    asyncio.run(compressed(at_work, "five-mb", huge))
    found = letter(waybill, "five-mb")
    assert found["code"] == "too-large"
    refused = waybill("dead-letters", "replay", found["id"])
    assert refused.code == 1
    assert "only the beginning was kept" in refused.err
    assert letter(waybill, "five-mb") == found


async def compressed(worker: Worker, key: str, value: bytes) -> None:
    """Small enough for the broker, until somebody unpacks it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=worker.bootstrap_servers, compression_type="gzip", max_request_size=8 << 20
    )
    await producer.start()
    try:
        await producer.send_and_wait("order-created", value, key.encode(), headers=JSON)
    finally:
        await producer.stop()


def test_a_duplicate_order_changes_nothing(waybill: Console, at_work: Worker) -> None:
    def duplicates() -> float:
        return at_work.counted("waybill_records_total", role="orchestrate", outcome="duplicate")

    before = duplicates()
    send(at_work, *(to("order-created", "twice-1", an_order("twice-1")) for _ in range(3)))
    order = ended(waybill, "twice-1", "Validated")
    eventually(lambda: True if duplicates() == before + 2 else None)
    assert shown(waybill, "twice-1") == order
    assert order["version"] == 1
    send(at_work, to("order-created", "twice-1", an_order("twice-1", customer="somebody else")))
    assert letter(waybill, "twice-1")["code"] == "other-content"
    assert shown(waybill, "twice-1") == order


def reported(order_id: str, event: str, **more: Any) -> bytes:
    return json.dumps({"order_id": order_id, "provider": "fno", "event": event, **more}).encode()


def test_the_same_webhook_twice_and_out_of_order(waybill: Console, at_work: Worker) -> None:
    for order_id in ("hook-1", "hook-2"):
        send(at_work, to("order-created", order_id, an_order(order_id)))
        ended(waybill, order_id, "Validated")
    for event in ("order picked", "order picked", "order shipped", "order picked"):
        send(at_work, to("provider-event", "hook-1", reported("hook-1", event), ce_id=f"hook-1 {event}"))
    for event in ("order invoiced", "order shipped", "order picked"):
        send(at_work, to("provider-event", "hook-2", reported("hook-2", event), ce_id=f"hook-2 {event}"))
    order = ended(waybill, "hook-1", "Fulfillment in Process")
    eventually(lambda: True if (shown(waybill, "hook-1") or {})["reason"] == "Packed" else None)
    order = shown(waybill, "hook-1") or {}
    assert [entry["event"] for entry in order["timeline"]].count("order picked") == 1
    early = ended(waybill, "hook-2", "Completed")
    assert early["reason"] == "Fulfilled"


def test_events_of_an_order_that_comes_later_wait_for_it(waybill: Console, at_work: Worker) -> None:
    send(at_work, to("provider-event", "early-1", reported("early-1", "order picked")))
    eventually(lambda: at_work.counted("waybill_records_total", role="orchestrate", outcome="early") or None)
    assert shown(waybill, "early-1") is None
    send(at_work, to("order-created", "early-1", an_order("early-1")))
    assert ended(waybill, "early-1", "Fulfillment in Process")["reason"] == "Picked"


def row(number: str, sequence: int, status: str, **changes: Any) -> bytes:
    after = {
        "dataAreaId": "usmf", "SalesOrderNumber": number, "CurrencyCode": "USD", "SalesOrderOriginCode": "PHONE",
        "InvoiceCustomerAccountNumber": "US-001", "DefaultShippingSiteId": "US", "DefaultShippingWarehouseId": "US-SEA",
        "DeliveryAddressName": "Ana", "DeliveryAddressStreet": "1 Pine St", "DeliveryAddressCity": "Seattle",
        "DeliveryAddressStateId": "WA", "DeliveryAddressZipCode": "98101", "DeliveryAddressCountryRegionId": "USA",
        "OrderTotalAmount": "10", "SalesOrderProcessingStatus": status, "isReadyToSync": True,
        "Lines": [{
            "LineNumber": 1, "ItemNumber": "A", "OrderedSalesQuantity": "1", "SalesPrice": "10", "LineAmount": "10",
            "ShippingSiteId": "US", "ShippingWarehouseId": "US-SEA",
        }],
    }  # fmt: skip
    source = {"origin": "fno", "sequence": sequence, "name": "fno"}
    return json.dumps(
        {"op": "u", "ts_ms": 1_790_000_000_000, "before": None, "after": after | changes, "source": source}
    ).encode()


def test_the_same_row_twice_and_out_of_order(waybill: Console, at_work: Worker) -> None:
    order_id = "fno-usmf-CDC1"
    rows = [row("CDC1", n, status) for n, status in enumerate(("Active", "Confirmed", "Delivered", "Invoiced"), 1)]
    for position in (1, 1, 0, 3, 2, 3, 0):
        send(at_work, to("dualwrite.fno.salesorders", order_id, rows[position]))
    order = ended(waybill, order_id, "Completed")
    events = [entry["event"] for entry in order["timeline"]]
    assert sorted(events) == sorted(set(events))
    assert {"order confirmed", "order validated", "order shipped", "order invoiced"} <= set(events)


def test_rows_that_cannot_be_used(waybill: Console, at_work: Worker) -> None:
    for number, bad in {
        "CDC2": row("CDC2", 1, "Teleported"),
        "CDC3": row("CDC3", 1, "Active", DeliveryAddressCountryRegionId="ATL"),
        "CDC4": b'{"op": "u"}',
    }.items():
        send(at_work, to("dualwrite.fno.salesorders", f"fno-usmf-{number}", bad))
        found = letter(waybill, f"fno-usmf-{number}")
        assert (found["role"], found["detail"] != "") == ("mirror", True)
        assert at_work.counted("waybill_dead_letters_total", role="mirror", code=found["code"]) >= 1
    send(at_work, to("dualwrite.fno.salesorders", "fno-usmf-CDC5", row("CDC5", 1, "Confirmed")))
    ended(waybill, "fno-usmf-CDC5", "Validated")


def test_a_record_without_a_key_finds_its_order_and_one_without_an_order_is_set_aside(
    waybill: Console, at_work: Worker
) -> None:
    send(at_work, to("order-created", None, an_order("keyless-1")), to("order-created", None, b'{"channel": "x"}'))
    ended(waybill, "keyless-1", "Validated")
    letters = eventually(lambda: [found for found in all_letters(waybill) if found["key"] == ""] or None)
    assert "order_id" in letters[0]["detail"]


def all_letters(waybill: Console) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = waybill("dead-letters", "list", "--json").json
    return found


# ---- dead letters, one by one -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_work")
def test_dead_letters_are_listed_by_code_and_shown(waybill: Console) -> None:
    found = letter(waybill, "malformed-json")
    listed = waybill("dead-letters", "list", "--json", "--code", "malformed").json
    assert found in listed
    assert {item["code"] for item in listed} == {"malformed"}
    one = waybill("dead-letters", "show", found["id"], "--json").json
    assert one == found | {"value": '{"order_id": '}
    assert set(found) == {"id", "key", "code", "detail", "role", "at", "records", "bytes", "headers"}
    assert found["headers"] == {"content-type": "application/json"}
    for_people = waybill("dead-letters", "show", found["id"]).out
    assert "malformed" in for_people
    assert found["id"] in waybill("dead-letters", "list").out
    missing = waybill("dead-letters", "show", "order-created/9/9")
    assert (missing.code, missing.out) == (1, "")


@pytest.mark.usefixtures("at_work")
def test_a_replay_of_what_is_still_wrong_comes_back(waybill: Console) -> None:
    found = letter(waybill, "unknown-flow")
    replayed = waybill("dead-letters", "replay", found["id"], "--json")
    assert (replayed.code, replayed.json) == (0, {"replayed": [found["id"]]})
    back = eventually(
        lambda: next((one for one in all_letters(waybill) if one["key"] == "unknown-flow" and one != found), None)
    )
    assert back["id"] != found["id"]
    assert back["code"] == "no-flow"
    assert found["id"] not in {one["id"] for one in all_letters(waybill)}


@pytest.mark.usefixtures("at_work")
def test_dead_letters_are_discarded_all_or_none(waybill: Console) -> None:
    first, second = letter(waybill, "neither")["id"], letter(waybill, "huge-number")["id"]
    refused = waybill("dead-letters", "discard", first, "order-created/9/9")
    assert refused.code == 1
    assert "no dead letter order-created/9/9" in refused.err
    assert first in {one["id"] for one in all_letters(waybill)}
    assert waybill("dead-letters", "discard", first, second, first).out == "2 discarded\n"
    assert not {first, second} & {one["id"] for one in all_letters(waybill)}


def test_an_order_that_a_shop_sent_in_no_usable_form_is_not_replayed(waybill: Console, at_work: Worker) -> None:
    marks = {"code": "unmappable", "detail": "price", "topic": "", "key": "7", "role": "pull"}
    headers = [(f"waybill-dead-{name}", text.encode()) for name, text in marks.items()]
    send(at_work, Output("dead-letter", b"pull/bigcommerce/shop/7", b"{}", headers))
    found = letter(waybill, "7")
    said = waybill("dead-letters", "replay", found["id"], letter(waybill, "no-number")["id"])
    assert said.code == 1
    assert "pull/bigcommerce/shop/7 cannot be replayed: it never was a record of a topic" in said.err
    assert "nothing was written" in said.err
    assert letter(waybill, "no-number")
    discarded = waybill("dead-letters", "discard", found["id"], "--json")
    assert (discarded.code, discarded.json) == (0, {"discarded": [found["id"]]})


def test_the_worker_ran_through_all_of_it(at_work: Worker) -> None:
    assert at_work.asked("/health")[0] == 200
    status, body = at_work.asked("/ready")
    assert (status, json.loads(body)["ready"]) == (200, True)
    assert at_work.stop() == 0


def test_the_status_of_a_broker(waybill: Console, tmp_path: Path) -> None:
    data, port = str(tmp_path / "kafka"), str(free_port())
    started: Said = waybill("broker", "start", "--data", data, "--port", port, "--json")
    try:
        expected = {"running": True, "bootstrap_servers": f"127.0.0.1:{port}"}
        assert started.json == expected
        said = waybill("broker", "status", "--data", data, "--json")
        assert (said.code, said.json) == (0, expected)
        assert f"127.0.0.1:{port}" in waybill("broker", "status", "--data", data).out
    finally:
        stopped = waybill("broker", "stop", "--data", data)
    assert stopped.out == "Stopped\n"
    assert waybill("broker", "status", "--data", data, "--json").code == 1
