"""A consumer outside acts as a fulfilment provider over Kafka alone: what it answers and reports happens exactly once.

The provider is a manifest, made by `waybill provider new pigeon --kafka` in a copy of the repository, and a flow.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Producer

from app.sandbox.local import broker
from tests.kafka import black_box
from tests.kafka.external_fulfiller import NAME, ExternalFulfiller, Registry
from tests.kafka.one_worker import OneWorker
from tests.kafka.processes import wait_for
from tests.repository_copy import copy_to, run_in

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
FLOW = """
flow: pigeons
version: 1
title: Orders that pigeons carry
steps:
  - step: validate
    on: order created
    policies: [order-lines-present, quantities-positive]
    emits: order validated
    else: reject
  - step: send
    on: order validated
    provider: pigeon
    action: Send order to fulfillment
    within: 1h
    emits: order sent to fulfillment
    else: hold
  - step: await picking
    wait: order picked
    from: pigeon
    after: order sent to fulfillment
    within: 7d
    else: hold
  - step: await shipment
    wait: order shipped
    from: pigeon
    after: order picked
    within: 14d
    else: hold
"""
END_LIMIT_S = 180.0
ORDERS = [f"web-{number}" for number in range(12)]
SLOW, UNABLE, LATE, SILENT = ORDERS[:4]
HASTY = FLOW.replace("pigeons\n", "hasty-pigeons\n", 1).replace("within: 1h", "within: 2s")
HELD = ("On Hold", "Needs attention")
PACKED = ("Fulfillment in Process", "Packed")
BEGINNING = ["order created", "order validated"]
COURSE = Counter([*BEGINNING, "order sent to fulfillment", "order picked", "order shipped", "order shipped"])
"""Answers and reports are on two topics: they come in any order. One shipment moves a line, the other the order."""


def decide(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """One order is taken only when it is asked for again, one is declined, and of two nothing is said."""
    match request["order"]["order_id"], request["attempt"]:
        case order, 1 if order == SLOW:
            return {"outcome": "retry", "code": "unavailable", "detail": "moulting", "retry_after_ms": 200}
        case order, _ if order == UNABLE:
            return {"outcome": "declined", "code": "invalid", "detail": "too heavy for a pigeon"}
        case order, _ if order in (LATE, SILENT):
            return None
    return {"outcome": "ok", "reference": f"P-{request['order']['order_id']}"}


@dataclass(frozen=True)
class World:
    """What was found outside in the end, and what the provider was asked."""

    found: list[black_box.Found]
    fulfiller: ExternalFulfiller

    def course(self, order_id: str) -> tuple[list[str], tuple[str, str]]:
        """The events of an order, and where they left it."""
        bodies = [record.body for record in self.on("order-status") if record.key == order_id and record.body]
        return [body["event"] for body in bodies], (bodies[-1]["state"], bodies[-1]["reason"])

    def on(self, topic: str) -> list[black_box.Found]:
        return sorted((record for record in self.found if record.topic == topic), key=lambda record: record.offset)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("copy")
    copy_to(root)
    run_in(root, "app", "provider", "new", NAME, "--kafka")
    (root / "app/flows/pigeons.yaml").write_text(FLOW, encoding="utf-8")
    (root / "app/flows/hasty-pigeons.yaml").write_text(HASTY, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    with broker.temporary() as info:
        environment = {**clean, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers}
        run_in(root, "app", "topics", "apply", environment=environment)
        worker = OneWorker(root, root / "worker.log", environment, "orchestrate")
        try:
            with (
                closing(ExternalFulfiller(info.bootstrap_servers, Registry(worker.url), decide)) as fulfiller,
                closing(black_box.Reader(info.bootstrap_servers)) as reader,
            ):
                fly(info.bootstrap_servers, fulfiller, worker)
                wait_for("two orders are not answered in time", lambda: held(reader) >= {LATE, SILENT}, END_LIMIT_S)
                fulfiller.answer(LATE, {"outcome": "ok", "reference": "P-late"})
                tell(fulfiller, LATE)
                wait_for("every order is where it ends", lambda: ended(reader), END_LIMIT_S)
                yield World(reader.to_end(), fulfiller)
        finally:
            worker.kill()


def fly(servers: str, fulfiller: ExternalFulfiller, worker: OneWorker) -> None:
    """Orders come in; the worker is killed once they are asked for, and hears the answers when it is back."""
    with Producer({"bootstrap.servers": servers}) as producer:
        for order_id in ORDERS:
            lines = [{"line_id": line, "sku": f"SKU-{line}", "quantity": "2"} for line in ("1", "2")]
            flow = "hasty-pigeons" if order_id in (LATE, SILENT) else "pigeons"
            order = {"order_id": order_id, "flow": flow, "lines": lines}
            producer.produce("order-created", json.dumps(order).encode())
        assert producer.flush(30) == 0
    fulfiller.read(lambda: len(fulfiller.requests) == len(ORDERS))
    worker.kill()
    for order_id in ORDERS[4:]:
        tell(fulfiller, order_id)
    worker.start()
    fulfiller.read(lambda: any(len(requests) > 1 for requests in fulfiller.requests.values()))
    tell(fulfiller, SLOW)


def tell(fulfiller: ExternalFulfiller, order_id: str) -> None:
    """Picked, and shipped in two parcels: half of line 1, then the rest."""
    parcels = (
        [{"line_id": "1", "quantity": "1"}],
        [{"line_id": "1", "quantity": "1"}, {"line_id": "2", "quantity": "2"}],
    )
    fulfiller.report(order_id, "order picked", f"PL-{order_id}")
    for number, lines in enumerate(parcels, 1):
        fulfiller.report(order_id, "order shipped", f"S-{order_id}-{number}", lines)
    fulfiller.flush()


def held(reader: black_box.Reader) -> set[str]:
    reader.more()
    return {record.key for record in reader.found if record.topic == "order-held"}


def ended(reader: black_box.Reader) -> bool:
    reader.more()
    last = {
        record.key: (record.body["state"], record.body["reason"])
        for record in sorted(reader.found, key=lambda record: record.offset)
        if record.topic == "order-status" and record.body
    }
    return Counter(last.values()) == {PACKED: len(ORDERS) - 2, HELD: 2}


def test_every_order_goes_its_way_once_though_everything_is_said_twice(world: World) -> None:
    for order_id in (*ORDERS[4:], SLOW):
        events, end = world.course(order_id)
        assert (Counter(events), events[:2], end) == (COURSE, BEGINNING, PACKED), order_id
    shipped = Counter(record.key for record in world.on("order-shipped"))
    assert shipped == dict.fromkeys((*ORDERS[4:], SLOW, LATE), 1)
    assert len([record for record in world.on("provider-event") if not record.forwarded]) == 2 * 3 * (len(ORDERS) - 2)


def test_what_the_provider_is_asked_has_one_id_over_all_attempts(world: World) -> None:
    asked = {requests[0]["order"]["order_id"]: requests for requests in world.fulfiller.requests.values()}
    assert len(world.fulfiller.requests) == len(asked) == len(ORDERS)
    assert [request["attempt"] for request in asked[SLOW]] == [1, 2]
    assert {len(requests) for order_id, requests in asked.items() if order_id != SLOW} == {1}


def test_what_is_declined_or_not_answered_stops_the_order_with_its_reason(world: World) -> None:
    held = {record.key: record.body for record in world.on("order-held")}
    assert held.keys() == {UNABLE, LATE, SILENT}
    told = {key: (body["code"], body["detail"]) for key, body in held.items() if body is not None}
    assert told[UNABLE] == ("invalid", "too heavy for a pigeon")
    assert told[SILENT] == ("timeout", "pigeon did not answer 'Send order to fulfillment' within 2 seconds")


def test_an_answer_that_comes_late_sets_its_order_going_again(world: World) -> None:
    events, end = world.course(LATE)
    assert (Counter(events), events[:3], end) == (COURSE + Counter(["order held"]), [*BEGINNING, "order held"], PACKED)


def test_nothing_is_refused_and_no_event_is_written_twice(world: World) -> None:
    assert [str(record.headers) for record in world.on("dead-letter")] == []
    ours = [record for record in world.found if record.headers.get("ce_source", "").startswith("waybill/")]
    # A timer that was fired when the worker was killed is fired again, under the same id.
    assert list(black_box.doubled(record for record in ours if record.topic != "order-command")) == []


def test_answers_in_another_lane_were_passed_on(world: World) -> None:
    """librdkafka puts most orders elsewhere than Kafka's own partitioner does, and JSON came without a key."""
    assert any(record.forwarded for record in world.on("provider-result"))
