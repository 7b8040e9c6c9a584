"""Waits for a broker that is not there yet: to end and be started again until it comes costs a start each time."""

import asyncio
import contextlib
import logging

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError

from app.kafka.clients import MetadataQuery
from app.kafka.cluster_access import ClusterAccess

BROKER_LIMIT_S = 45.0
_ANSWER_LIMIT_S = 2.0
_PAUSE_S = 0.25
_journal = logging.getLogger(__name__)


async def wait_for_broker(cluster: ClusterAccess, limit_s: float = BROKER_LIMIT_S) -> bool:
    """Return whether any of the cluster's addresses is that of a live broker within `limit_s` seconds.

    Raises nothing: the client that connects next says what is wrong with a server that never comes, or cannot be one.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            is_announced = False
            while not await _any_answers(cluster):
                if not is_announced:
                    _journal.info("waiting for a broker at %s, %g s at most", cluster, limit_s)
                    is_announced = True
                await asyncio.sleep(_PAUSE_S)
            return True
    return False


async def _any_answers(cluster: ClusterAccess) -> bool:
    for host, port, _ in collect_hosts(cluster.servers):
        with contextlib.suppress(OSError, TimeoutError, KafkaError, OverflowError):
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                connection = await create_conn(host, port)
                try:
                    metadata = await connection.send(MetadataQuery([]))
                finally:
                    connection.close()
            if metadata.brokers:
                return True
    return False
