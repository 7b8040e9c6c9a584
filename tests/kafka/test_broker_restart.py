"""The broker ends twice in mid-demo, by kill -9 and in order, and comes back with its data: all happens once anyhow.

Not every Kafka can do that: docs/adr/0021.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.local import broker
from app.local.broker import BrokerInfo
from tests.kafka import courses, outside
from tests.kafka.appearing import CHOSEN, SCENARIOS
from tests.kafka.following import Follower
from tests.kafka.processes import kill, wait_for, waybill

pytestmark = pytest.mark.kafka
EACH = 40
ORDERS = EACH * len(SCENARIOS)
WHOLE_LIMIT_S = 400
START_LIMIT_S = 60.0
STEP_LIMIT_S = 60.0
VERDICT_LIMIT_S = 180.0
"""A demo to which something is missing waits a minute in silence before it says so."""
AWAY_S = 2.0
"""Long enough for every process to miss the broker."""


def stop(info: BrokerInfo) -> None:
    assert broker.stop(info.data)


def crash(info: BrokerInfo) -> None:
    pid = broker.status(info.data).pid
    assert pid is not None
    assert kill(pid, signal.SIGKILL)


def away(info: BrokerInfo, end: Callable[[BrokerInfo], None]) -> None:
    end(info)
    time.sleep(AWAY_S)
    broker.start(info.data, info.port)


@pytest.mark.timeout(WHOLE_LIMIT_S)
def test_every_order_completes_once_though_the_broker_goes_away_twice(tmp_path: Path) -> None:
    with broker.temporary() as info:
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "TMPDIR": str(tmp_path)}
        arguments = ("demo", *CHOSEN, "--count", str(EACH))
        with waybill(tmp_path / "demo.log", environment, *arguments) as demo:
            wait_for("the demo starts", lambda: demo.complete and bool(demo.simulators()), START_LIMIT_S)
            with closing(outside.Reader(info.bootstrap_servers)) as reader:
                follower = Follower(reader, demo, ORDERS)
                follower.until(0.1, STEP_LIMIT_S)
                away(info, crash)
                follower.until(0.5, STEP_LIMIT_S)
                away(info, stop)
                code = follower.finish(VERDICT_LIMIT_S)
                found = reader.to_end()
            said = demo.said
    orders = courses.born(found, follower.effects)
    assert len(orders) == ORDERS, said
    assert outside.problems(found, follower.effects, orders) == []
    assert code == 0, said
