"""The intake of webhooks on a real worker and broker: what is refused, what is a copy, and a broker that is away.

Signatures are made by hand here, so that sender and receiver cannot agree by sharing a mistake. The tests share one
worker and run in order; each has orders of its own.
"""

import base64
import copy
import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Producer

from app import resources
from app.sandbox.local import broker
from app.sandbox.local.broker import BrokerInfo
from app.sandbox.local.ports import free_port
from app.sandbox.local.up import simulated
from tests.kafka import black_box
from tests.kafka.one_worker import OneWorker
from tests.kafka.processes import wait_for
from tests.repository_copy import run_in

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
EXAMPLE = json.loads((black_box.SCHEMAS / "examples" / "order-created.json").read_text(encoding="utf-8"))
LIMIT_S = 90.0
OWNER = "waybill"
"""Whom Flexe ships for."""
AWAY_LIMIT_S = 60.0
STALE_S = 301
Headers = dict[str, str]


@dataclass
class World:
    """The worker, what can be read outside, and the secrets that both sides of a webhook know."""

    info: BrokerInfo
    worker: OneWorker
    reader: black_box.Reader
    environment: dict[str, str]

    def secret(self, name: str) -> str:
        return self.environment[f"WAYBILL_{name}"]

    def post(self, provider: str, body: bytes, headers: Headers) -> tuple[int, str]:
        """Status and outcome; who is asked to come again is told when."""
        request = urllib.request.Request(f"{self.worker.url}/webhooks/{provider}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                return answer.status, json.load(answer)["outcome"]
        except urllib.error.HTTPError as refused:
            with refused:
                when = refused.headers.get("Retry-After")
                return refused.code if bool(when) is (refused.code == 503) else 0, json.load(refused)["outcome"]

    def order(self, order_id: str) -> None:
        """An order of the shop that Flexe is to ship: two lines. Returns when Flexe is asked."""
        order = copy.deepcopy(EXAMPLE) | {
            "order_id": order_id,
            "origin": "bigcommerce",
            "flow": "bigcommerce-flexe-fno",
        }
        with Producer({"bootstrap.servers": self.info.bootstrap_servers}) as producer:
            producer.produce("order-created", json.dumps(order).encode(), key=order_id.encode())
            assert producer.flush(LIMIT_S) == 0
        wait_for(f"{order_id} is sent", lambda: bool(self.on("fulfillment-requested", order_id)), LIMIT_S)

    def on(self, topic: str, key: str) -> list[black_box.Found]:
        self.reader.more()
        found = {record.offset: record for record in self.reader.found if (record.topic, record.key) == (topic, key)}
        return [found[offset] for offset in sorted(found)]

    def events(self, order_id: str) -> Counter[str]:
        return Counter(record.body["event"] for record in self.on("order-status", order_id) if record.body)

    def counted(self, provider: str) -> Counter[str]:
        outcomes = ("taken", "duplicate", "bad_signature", "stale", "malformed", "unavailable", "ignored")
        name = "waybill_webhooks_total"
        return Counter({o: int(self.worker.counted(name, provider=provider, outcome=o)) for o in outcomes})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    folder = tmp_path_factory.mktemp("webhooks")
    with broker.temporary() as info:
        environment = simulated({**clean, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers}, free_port())
        environment |= {"WAYBILL_FLEXE_OWNER_ID": OWNER, "WAYBILL_BIGCOMMERCE_STORE_HASH": "shop"}
        run_in(resources.ROOT, "app", "topics", "apply", environment=environment)
        worker = OneWorker(resources.ROOT, folder / "worker.log", environment, "orchestrate")
        try:
            with closing(black_box.Reader(info.bootstrap_servers)) as reader:
                yield World(info, worker, reader, environment)
        finally:
            worker.kill()


def signed(body: bytes, key: bytes, webhook_id: str, at: int | None = None) -> Headers:
    """As Standard Webhooks say: HMAC-SHA256 over id, time and body."""
    sent_at = int(time.time()) if at is None else at
    digest = hmac.new(key, f"{webhook_id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": webhook_id, "webhook-timestamp": str(sent_at), "webhook-signature": signature}


def shipment(order_id: str, number: str, **lines: str) -> bytes:
    """`lines`: quantity by line id, with `l` before it."""
    items = [{"line_ref": line[1:], "sku": "any", "quantity": quantity} for line, quantity in lines.items()]
    data = {"id": "FXO-1", "external_id": order_id, "owner_id": OWNER, "shipment": {"id": number, "items": items}}
    return json.dumps({"type": "shipment.shipped", "timestamp": "2026-01-31T12:00:00Z", "data": data}).encode()


def flexe_key(world: World) -> bytes:
    return base64.b64decode(world.secret("FLEXE_WEBHOOK_SECRET").removeprefix("whsec_"))


def of_flexe(world: World, body: bytes, webhook_id: str, at: int | None = None) -> tuple[int, str]:
    return world.post("flexe", body, signed(body, flexe_key(world), webhook_id, at))


def whole(order_id: str, number: str) -> bytes:
    """All that was ordered."""
    return shipment(
        order_id, number, **{f"l{at}": str(line["quantity"]) for at, line in enumerate(EXAMPLE["lines"], 1)}
    )


def shipped(world: World, order_id: str) -> None:
    wait_for(f"{order_id} is shipped", lambda: bool(world.on("order-shipped", order_id)), LIMIT_S)


def test_a_shipment_of_flexe_moves_its_order_once_however_often_it_is_told(world: World) -> None:
    world.order("hook-1")
    part, rest = shipment("hook-1", "S-1", l1="1"), shipment("hook-1", "S-2", **remaining())
    before = world.counted("flexe")
    assert of_flexe(world, part, "msg-1") == (202, "taken")
    assert of_flexe(world, part, "msg-1") == (200, "duplicate")
    assert of_flexe(world, part, "msg-1-again") == (202, "taken"), "another id: Kafka's side knows it by what it says"
    wait_for("both are written", lambda: len(world.on("provider-event", "hook-1")) == 2, LIMIT_S)
    assert len({record.event_id for record in world.on("provider-event", "hook-1")}) == 1
    assert of_flexe(world, rest, "msg-2") == (202, "taken")
    shipped(world, "hook-1")
    assert world.events("hook-1")["order shipped"] == 2, "one for each shipment, none for the copy"
    assert len(world.on("order-shipped", "hook-1")) == 1
    assert world.counted("flexe") - before == Counter(taken=3, duplicate=1)


def remaining() -> dict[str, str]:
    """What is left of the example once one piece of its first line has gone."""
    first, *others = [line["quantity"] for line in EXAMPLE["lines"]]
    left = {"l1": str(int(first) - 1)} if int(first) > 1 else {}
    return left | {f"l{at}": str(quantity) for at, quantity in enumerate(others, 2)}


def test_what_flexe_did_not_sign_now_is_refused_and_counted_and_writes_nothing(world: World) -> None:
    world.order("hook-2")
    body, before = whole("hook-2", "S-3"), world.counted("flexe")
    good = signed(body, flexe_key(world), "msg-3")
    assert world.post("flexe", body, {}) == (401, "bad_signature")
    assert world.post("flexe", body, signed(body, b"another key", "msg-3")) == (401, "bad_signature")
    assert world.post("flexe", body.replace(b"S-3", b"S-4"), good) == (401, "bad_signature")
    assert world.post("flexe", body, good | {"webhook-id": "msg-4"}) == (401, "bad_signature")
    for away_s in (-STALE_S, STALE_S + 30):
        assert of_flexe(world, body, "msg-3", int(time.time()) + away_s) == (401, "stale")
    assert of_flexe(world, b'{"type": "shipment.shipped"}', "msg-5") == (400, "malformed")
    assert world.counted("flexe") - before == Counter(bad_signature=4, stale=2, malformed=1)
    assert of_flexe(world, body, "msg-3") == (202, "taken")
    shipped(world, "hook-2")
    assert len(world.on("provider-event", "hook-2")) == 1
    assert world.secret("FLEXE_WEBHOOK_SECRET").removeprefix("whsec_") not in world.worker.said


def test_a_webhook_of_bigcommerce_asks_the_puller_once(world: World) -> None:
    key, before = world.secret("BIGCOMMERCE_CLIENT_SECRET").encode(), world.counted("bigcommerce")
    told = {"scope": "store/order/created", "store_id": "1", "data": {"type": "order", "id": 250}, "hash": "dd70"}
    body = json.dumps({**told, "created_at": 1_561_479_335, "producer": "stores/shop"}).encode()
    assert world.post("bigcommerce", body, signed(body, b"another", "b-1")) == (401, "bad_signature")
    old = signed(body, key, "b-1", int(time.time()) - STALE_S)
    assert world.post("bigcommerce", body, old) == (401, "stale")
    assert world.post("bigcommerce", body, signed(body, key, "b-1")) == (202, "taken")
    assert world.post("bigcommerce", body, signed(body, key, "b-2")) == (200, "duplicate"), "the same hash and time"
    elsewhere = body.replace(b"stores/shop", b"stores/other")
    assert world.post("bigcommerce", elsewhere, signed(elsewhere, key, "b-3")) == (202, "ignored")
    wait_for("the hint is written", lambda: bool(world.on("pull-requested", "bigcommerce/shop")), LIMIT_S)
    assert len(world.on("pull-requested", "bigcommerce/shop")) == 1
    counted = Counter(taken=1, duplicate=1, bad_signature=1, stale=1, ignored=1)
    assert world.counted("bigcommerce") - before == counted


def test_a_notification_of_sap_asks_the_puller_once(world: World) -> None:
    before = world.counted("sap")
    event: dict[str, Any] = {
        "type": "sap.s4.beh.billingdocument.v1.BillingDocument.Created.v1",
        "specversion": "1.0",
        "source": "/default/sap.s4.beh/DEVCLNT001",
        "id": "db13c94e-c20f-4b2e-8171-6970104721a0",
        "time": "2026-01-31T13:59:15Z",
        "datacontenttype": "application/json",
        "data": {"BillingDocument": "90000000"},
    }
    body, token = json.dumps(event).encode(), world.secret("SAP_WEBHOOK_SECRET")
    good = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents+json"}
    for wrong in ({}, {"Authorization": "Bearer another"}, {"Authorization": f"Basic {token}"}):
        assert world.post("sap", body, wrong) == (401, "bad_signature")
    assert world.post("sap", b'{"specversion": "1.0"}', good) == (400, "malformed")
    assert world.post("sap", body, good) == (202, "taken")
    assert world.post("sap", body, good) == (200, "duplicate")
    wait_for("the hint is written", lambda: bool(world.on("pull-requested", "sap")), LIMIT_S)
    assert len(world.on("pull-requested", "sap")) == 1
    assert world.counted("sap") - before == Counter(taken=1, duplicate=1, bad_signature=3, malformed=1)


def test_nothing_of_faust_answers(world: World) -> None:
    for path in ("/", "/router/", "/table/", "/graph/", "/stats/", "/performance/"):
        assert world.worker.asked(path)[0] == 404


def test_a_page_of_another_name_reads_no_order(world: World) -> None:
    request = urllib.request.Request(f"{world.worker.url}/orders/hook-1", headers={"Host": "orders.example"})
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=LIMIT_S):
        pass
    assert refused.value.code == 421
    refused.value.close()
    assert world.worker.counted("waybill_http_refused_total", cause="foreign_host") == 1


def test_who_is_not_set_up_is_told_apart(world: World) -> None:
    assert world.post("fno", b"{}", {}) == (404, "unknown")
    assert world.worker.counted("waybill_webhooks_total", provider="unknown", outcome="unknown") == 1


@pytest.mark.timeout(600)
def test_while_the_broker_is_away_senders_are_asked_to_come_again_and_nothing_is_lost(world: World) -> None:
    names = [f"hook-away-{number}" for number in range(3)]
    for name in names:
        world.order(name)
    before = world.counted("flexe")
    assert broker.stop(world.info.data)
    for name in names:
        assert of_flexe(world, whole(name, f"S-{name}"), f"msg-{name}") == (503, "unavailable")
    assert world.counted("flexe") - before == Counter(unavailable=3)
    broker.start(world.info.data, world.info.port)
    for name in names:
        wait_for("the sender is heard", lambda name=name: heard(world, name), AWAY_LIMIT_S)  # type: ignore[misc]
    for name in names:
        shipped(world, name)
        assert of_flexe(world, whole(name, f"S-{name}"), f"msg-{name}") == (200, "duplicate")
    found = world.reader.to_end()
    for name in names:
        assert len({record.event_id for record in found if (record.topic, record.key) == ("provider-event", name)}) == 1
        assert world.events(name)["order shipped"] == 1
        assert len(world.on("order-shipped", name)) == 1


def heard(world: World, name: str) -> bool:
    """The sender tries again: with the same id, at a new time."""
    return of_flexe(world, whole(name, f"S-{name}"), f"msg-{name}")[0] in (200, 202)
