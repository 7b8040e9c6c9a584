"""The broker is stopped twice in mid-demo and comes back on its own data: nothing is lost or done twice.

It is stopped in order: what a single Kafka node may lose when it is killed itself is said in docs/adr/0016.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.runtime import broker
from app.runtime.broker import BrokerInfo
from tests.kafka import courses, outside
from tests.kafka.appearing import CHOSEN, SCENARIOS
from tests.kafka.following import Follower
from tests.kafka.processes import wait_for, waybill

pytestmark = pytest.mark.kafka
EACH = 40
ORDERS = EACH * len(SCENARIOS)
WHOLE_LIMIT_S = 300
START_LIMIT_S = 60.0
STEP_LIMIT_S = 60.0
VERDICT_LIMIT_S = 120.0
"""A demo to which something is missing waits a minute in silence before it says so."""
AWAY_S = 2.0
"""Long enough for every process to miss the broker."""


def away(info: BrokerInfo) -> None:
    assert broker.stop(info.data)
    time.sleep(AWAY_S)
    broker.start(info.data, info.port)


@contextmanager
def held(pid: int) -> Iterator[None]:
    """Stops a worker meanwhile, so that what depends on it waits."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


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
                away(info)
                follower.until(0.5, STEP_LIMIT_S)
                # All that is left may end as soon as the broker is back, before anybody outside has noticed.
                with held(demo.workers()["mirror"]):
                    away(info)
                    follower.ends |= outside.ended(reader.to_end())
                effects = follower.finish(STEP_LIMIT_S)
                found = reader.to_end()
            demo.send(signal.SIGCONT)
            code, said = demo.process.wait(VERDICT_LIMIT_S), demo.said
    orders = courses.born(found, effects)
    assert len(orders) == ORDERS
    assert outside.problems(found, effects, orders) == []
    assert code == 0, said
