"""Fetching of writer schemas from a registry, for records of connectors, before their lanes see the records.

Lanes and codec do no I/O: where a schema is missing when a record is decoded, the record becomes a dead letter.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from app.errors import SchemaError
from app.events.codec import Codec
from app.events.record import Record
from app.events.schema_registry import UnknownSchemaError, fetch
from app.lanes.lane_limits import Clock
from app.secrets import ReadSecret

LIMIT_S: Final = 10.0
"""Seconds that a batch waits for a registry which does not answer."""
AGAIN_S: Final = 10.0
"""Seconds until a schema that could not be fetched is fetched again."""
_PAUSE_S: Final = 0.25
_journal = logging.getLogger(__name__)


class ForeignSchemas:
    """Fills `codec.writers` from the registry whose address `url` returns, with the password of now."""

    def __init__(self, codec: Codec, url: ReadSecret, clock: Clock, *, limit_s: float = LIMIT_S) -> None:
        self._codec, self._clock, self._limit_s = codec, clock, limit_s
        self._url = url
        self._refused: dict[int, float] = {}

    async def prepare(self, records: Sequence[Record]) -> None:
        """Fetch the schemas that the records need and that are not there. Never raises.

        It returns after `limit_s` seconds at most: the lanes of the role are handed nothing meanwhile.
        """
        ids = [number for record in records for number in self._codec.foreign_ids(record)]
        if not ids:
            return
        self._forget_refusals()
        deadline = self._clock.monotonic() + self._limit_s
        for number in self._codec.writers.missing(ids):
            await self._learn(number, deadline)

    async def _learn(self, number: int, deadline: float) -> None:
        try:
            self._codec.writers.learn(number, await self._fetch(number, deadline))
        except UnknownSchemaError as exc:
            self._refuse(number, str(exc))
        except SchemaError as exc:
            self._refuse(number, f"{exc}; replay the record when it answers")

    async def _fetch(self, number: int, deadline: float) -> str:
        """Return the schema's text; try again while there is time. Raises SchemaError."""
        while True:
            try:
                async with asyncio.timeout(max(deadline - self._clock.monotonic(), 0)):
                    return await fetch(self._url(), number)
            except UnknownSchemaError:
                raise
            except SchemaError:
                if deadline - self._clock.monotonic() <= _PAUSE_S:
                    raise
            except TimeoutError as exc:
                raise SchemaError(f"no answer in time from {self._codec.writers.registry}") from exc
            await asyncio.sleep(_PAUSE_S)

    def _refuse(self, number: int, reason: str) -> None:
        _journal.warning("schema id %d: %s", number, reason)
        self._codec.writers.refuse(number, reason)
        self._refused[number] = self._clock.monotonic()

    def _forget_refusals(self) -> None:
        """Let schemas be fetched again that were refused some time ago; the oldest refusals stand first."""
        now = self._clock.monotonic()
        for number, at in list(self._refused.items()):
            if now - at < AGAIN_S:
                return
            del self._refused[number]
            self._codec.writers.forget(number)
