"""The Kafka log without a Kafka: a broker that is not there is waited for, and then named."""

import pytest

from app.errors import LaneError
from app.kafka.cluster_access import ClusterAccess
from app.kafka.kafka_log import KafkaLimits, KafkaLog
from app.sandbox.local.ports import free_port


async def test_a_broker_that_never_comes_ends_the_lane_with_a_clear_line() -> None:
    limits = KafkaLimits(ClusterAccess(f"127.0.0.1:{free_port()}"), broker_gone_s=0.3)
    log = KafkaLog("waybill-count-0", "ledger", 0, limits)
    with pytest.raises(LaneError, match=r"waybill-count-0 could not be fenced: no answer from the broker for 0\.3 s"):
        await log.fence()
    await log.close()
    await log.close()
