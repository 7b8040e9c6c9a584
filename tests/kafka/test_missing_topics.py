"""A worker whose topics are not there says so and ends: nobody would give it anything to read.

One that is there with other settings is named before.
"""

import asyncio
import os
import subprocess
import sys

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.sandbox.local import broker
from app.sandbox.local.ports import free_port
from app.worker.process_end import EXIT_LANE_LOST

LIMIT_S = 180.0


async def create_with_the_brokers_settings(bootstrap_servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 4, 1)])
    await admin.close()


@pytest.mark.kafka
def test_a_worker_without_topics_names_them_and_ends() -> None:
    with broker.temporary() as info:
        asyncio.run(create_with_the_brokers_settings(info.bootstrap_servers, "order-held"))
        settings = {"KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "WAYBILL_WEB_PORT": str(free_port())}
        command = [sys.executable, "-m", "app", "worker", "mirror"]
        ended = subprocess.run(command, env=os.environ | settings, timeout=LIMIT_S, capture_output=True, text=True)
    assert ended.returncode == EXIT_LANE_LOST, ended.stderr
    assert "the broker tells nothing of dualwrite.fno.salesorders" in ended.stderr
    assert "`waybill topics apply`" in ended.stderr
    assert "order-held: message.timestamp.type is CreateTime, topics.yaml says LogAppendTime: alter" in ended.stderr
