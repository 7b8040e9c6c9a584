"""A worker whose topics are not there says so and ends: nobody would give it anything to read."""

import os
import subprocess
import sys

import pytest

from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from app.worker.process_end import EXIT_LANE_LOST

LIMIT_S = 180.0


@pytest.mark.kafka
def test_a_worker_without_topics_names_them_and_ends() -> None:
    with broker.temporary() as info:
        settings = {"KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "WAYBILL_WEB_PORT": str(free_port())}
        command = [sys.executable, "-m", "app", "worker", "mirror"]
        ended = subprocess.run(command, env=os.environ | settings, timeout=LIMIT_S, capture_output=True, text=True)
    assert ended.returncode == EXIT_LANE_LOST, ended.stderr
    assert "the broker tells nothing of dualwrite.fno.salesorders" in ended.stderr
    assert "`waybill topics apply`" in ended.stderr
