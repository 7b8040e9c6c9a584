"""Waits for a broker that is not there yet: to end and be started again until it comes costs a start each time."""

import asyncio
import contextlib
import logging

BROKER_LIMIT_S = 45.0
_CONNECT_LIMIT_S = 2.0
_PAUSE_S = 0.25
DEFAULT_PORT = 9092
"""Of a server that is given without one, as Kafka's clients have it."""
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
                    _journal.info("waiting for a broker at %s, %g s at most", bootstrap_servers, limit_s)
                    told = True
                await asyncio.sleep(_PAUSE_S)
            return True
    return False


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    if not host or server.endswith("]"):
        host, port = server, str(DEFAULT_PORT)
    return host.strip("[]"), int(port)


async def _any_answers(bootstrap_servers: str) -> bool:
    for server in bootstrap_servers.split(","):
        with contextlib.suppress(OSError, TimeoutError, ValueError, OverflowError):
            host, port = _address(server.strip())
            async with asyncio.timeout(_CONNECT_LIMIT_S):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return True
    return False
