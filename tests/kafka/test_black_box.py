"""All of Waybill runs (`waybill up`), and only its outside is looked at: what an independent reader finds of orders."""

import copy
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Producer

from app.sandbox.local import broker
from app.sandbox.local.jars import find_kafka
from app.sandbox.local.jvm import find_java
from tests.kafka import black_box, courses
from tests.kafka.processes import Waybill, wait_for, waybill
from tests.kafka.seeded_orders import SCENARIOS, seed_orders

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
EACH = 20
"""Orders of each scenario; one in twenty has a fault."""
ORDERS = EACH * len(SCENARIOS)
EXAMPLE = json.loads((black_box.SCHEMAS / "examples" / "order-created.json").read_text(encoding="utf-8"))
TOPIC = "order-created"
START_LIMIT_S = 180.0
END_LIMIT_S = 240.0
QUIET_S = 2.0
INTERRUPTED = 130


def orders_of(producer: str, count: int) -> list[dict[str, Any]]:
    """Orders as another system would write them: one line of JSON each, the published example under other ids."""
    found = []
    for number in range(count):
        order = copy.deepcopy(EXAMPLE)
        order["order_id"] = f"{producer}-{number}"
        found.append(order)
    return found


KEYED, KEYLESS, TYPED = orders_of("keyed", 12), orders_of("keyless", 6), orders_of("typed", 2)


@dataclass(frozen=True)
class World:
    """What was found outside in the end. `orders` are all that were given, with what they must go through."""

    found: list[black_box.Found]
    effects: list[black_box.Effect]
    orders: Mapping[str, courses.Course]

    def of(self, producer: str) -> dict[str, courses.Course]:
        return {order: course for order, course in self.orders.items() if order.startswith(producer)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("outside")
    with broker.temporary() as info:
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers,
            "WAYBILL_HOME": str(folder),
        }
        with waybill(folder / "up.log", environment, "up") as up:
            wait_for("everything runs", lambda: up.complete and black_box.answers(up.simulators()), START_LIMIT_S)
            seed_orders(up.simulators(), EACH, "OUT")
            produce(info.bootstrap_servers)
            type_in(info.bootstrap_servers)
            with closing(black_box.Reader(info.bootstrap_servers)) as reader:
                yield look(reader, up)
            assert up.stop() == INTERRUPTED


def produce(servers: str) -> None:
    """With librdkafka and its own partitioner, which is not Kafka's: most orders land in another order's lane."""
    with Producer({"bootstrap.servers": servers}) as producer:
        for order in KEYED:
            producer.produce(TOPIC, json.dumps(order).encode(), key=order["order_id"].encode())
        for order in KEYLESS:
            producer.produce(TOPIC, json.dumps(order).encode())
        assert producer.flush(30) == 0


def type_in(servers: str) -> None:
    """With Kafka's console producer, without a key."""
    command = [str(find_java()), "-Xmx256m", "org.apache.kafka.tools.ConsoleProducer"]
    command += ["--bootstrap-server", servers, "--topic", TOPIC]
    environment = {**os.environ, "CLASSPATH": find_kafka(print).classpath}
    lines = "".join(json.dumps(order) + "\n" for order in TYPED)
    subprocess.run(command, env=environment, input=lines, text=True, check=True, capture_output=True, timeout=60)


def look(reader: black_box.Reader, up: Waybill) -> World:
    """When every order has ended and nothing has moved for a while."""
    others = (*KEYED, *KEYLESS, *TYPED)
    ends: dict[str, tuple[str, str]] = {}
    deadline = time.monotonic() + END_LIMIT_S
    moved = time.monotonic()
    while time.monotonic() < deadline and (len(ends) < ORDERS + len(others) or time.monotonic() < moved + QUIET_S):
        if new := reader.more():
            ends |= black_box.ended(new)
            moved = time.monotonic()
    effects = black_box.journal(up.simulators())
    found = reader.to_end()
    orders = courses.born(found, effects) | {order["order_id"]: courses.BIGCOMMERCE_FNO for order in others}
    return World(found, effects, orders)


def test_every_order_has_the_events_of_its_scenario_once_in_order_with_the_exact_words(world: World) -> None:
    orders = world.of("bc-") | world.of("fno-")
    assert len(orders) == ORDERS
    assert black_box.problems(world.found, world.effects, orders) == []
    ends = black_box.ended(world.found)
    assert sum(ends[order] == black_box.REFUSED for order in orders) == len(SCENARIOS)


@pytest.mark.parametrize(("producer", "orders"), [("keyed", KEYED), ("keyless", KEYLESS), ("typed", TYPED)])
def test_orders_of_other_producers_complete_once(world: World, producer: str, orders: list[dict[str, Any]]) -> None:
    mine = world.of(f"{producer}-")
    assert len(mine) == len(orders)
    assert black_box.problems(world.found, world.effects, mine) == []
    assert all(black_box.ended(world.found)[order] == black_box.COMPLETED for order in mine)


def test_records_in_another_lane_were_passed_on_once(world: World) -> None:
    """Else the test above would show nothing about partitioners."""
    created = [record for record in world.found if record.topic == TOPIC]
    passed_on = [record.key for record in created if record.forwarded]
    assert len(passed_on) == len(set(passed_on))
    assert {order.partition("-")[0] for order in passed_on} >= {"keyed", "keyless"}


def test_no_shop_was_told_about_orders_that_are_not_its_own(world: World) -> None:
    asked_for = [record for record in world.found if record.topic == "channel-update-requested"]
    asked = {record.key for record in asked_for if (record.body or {})["provider"] == "bigcommerce"}
    assert {order.partition("-")[0] for order in asked} == {"bc"}
