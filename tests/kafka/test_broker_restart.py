"""The broker ends twice in mid-demo, by kill -9 and in order, and all happens once. The long form is broker_storm."""

from pathlib import Path

import pytest

from tests.kafka.broker_storm import crash, ride_out, stop

ORDERS = 200


@pytest.mark.kafka
@pytest.mark.timeout(1200)
def test_every_order_completes_once_though_the_broker_goes_away_twice(tmp_path: Path) -> None:
    problems = ride_out(tmp_path, ORDERS, {0.1: crash, 0.5: stop})
    assert problems == [], "\n".join(problems[:20])
