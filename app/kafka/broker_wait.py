"""Waits for a broker that is not there yet: to end and be started again until it comes costs a start each time."""

import asyncio
import contextlib
import logging
import time

from app.kafka.cluster_access import ClusterAccess
from app.kafka.cluster_refusals import ClosedError, answers

BROKER_LIMIT_S = 45.0
CLOSED_LIMIT_S = 5.0
"""Seconds after which connections that are closed without a word mean that the protocol is another one."""
_PAUSE_S = 0.25
_journal = logging.getLogger(__name__)


async def wait_for_broker(cluster: ClusterAccess, limit_s: float = BROKER_LIMIT_S) -> bool:
    """Return whether any of the cluster's addresses is that of a live broker within `limit_s` seconds.

    Raises RefusedError when a broker is there and refuses us; one that closes connections without a word is looked at
    for some seconds, because a broker that stops does so as well. Raises nothing else: the client that connects next
    says what is wrong with a server that never comes, or cannot be one.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            is_announced, closed_since = False, None
            while True:
                try:
                    if await answers(cluster):
                        return True
                    closed_since = None
                except ClosedError:
                    closed_since = closed_since or time.monotonic()
                    if time.monotonic() - closed_since > CLOSED_LIMIT_S:
                        raise
                if not is_announced:
                    _journal.info("waiting for a broker at %s, %g s at most", cluster, limit_s)
                    is_announced = True
                await asyncio.sleep(_PAUSE_S)
    return False
