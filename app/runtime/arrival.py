"""Waits for a broker that is not there yet: to end and be started again until it comes costs a start each time."""

import asyncio
import contextlib
import logging

BROKER_LIMIT_S = 45.0
_CONNECT_LIMIT_S = 2.0
_PAUSE_S = 0.25
_journal = logging.getLogger(__name__)


async def broker_there(bootstrap_servers: str, limit_s: float = BROKER_LIMIT_S) -> bool:
    """Whether any of the servers takes a connection within `limit_s`: Kafka opens its port when it is ready.

    Nothing is raised: whoever connects next says what is wrong with a server that never comes, or cannot be one.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            told = False
            while not await _any_answers(bootstrap_servers):
                if not told:
                    _journal.info("waiting for a broker at %s", bootstrap_servers)
                    told = True
                await asyncio.sleep(_PAUSE_S)
            return True
    return False


async def _any_answers(bootstrap_servers: str) -> bool:
    for server in bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        with contextlib.suppress(OSError, TimeoutError, ValueError, OverflowError):
            async with asyncio.timeout(_CONNECT_LIMIT_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.close()
            return True
    return False
