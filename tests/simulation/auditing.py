"""`waybill verify` on the log of a world: all but the broker's clients is the product's."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import closing

from app.events.record import Record
from app.providers.port import OrderFinder
from app.queries.audit import OrderAudit
from app.queries.audit_records import Place
from app.queries.audit_store import AuditStore
from app.queries.audit_verdict import Verdict
from app.queries.verification import Ends, read_log, verify
from tests.lanes.memory_log import MemoryCluster
from tests.simulation.transaction import KEYS, shared_codec


class MemoryAuditLog:
    """`pause_s`: virtual seconds between two partitions that are read, in which the world goes on."""

    def __init__(self, cluster: MemoryCluster, pause_s: float = 0.0) -> None:
        self._cluster, self._pause_s = cluster, pause_s

    async def partitions(self) -> Mapping[str, int]:
        return dict.fromkeys(self._cluster.topics, self._cluster.partitions)

    async def begins(self, places: Collection[Place]) -> Ends:
        return {place: self._cluster.bounds(*place).begin for place in places}

    async def ends(self, places: Collection[Place]) -> Ends:
        return {place: self._cluster.end(*place) for place in places}

    async def stable_ends(self, places: Collection[Place]) -> Ends:
        return {place: self._cluster.bounds(*place).end for place in places}

    async def read(self, places: Collection[Place], _ends: Ends) -> AsyncIterator[Record]:
        for place in places:
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
            for record in self._cluster.read(*place):
                yield record


async def read_orders(cluster: MemoryCluster) -> list[OrderAudit]:
    """All that a world's log says, order by order."""
    with closing(AuditStore()) as store:
        await read_log(MemoryAuditLog(cluster), store, shared_codec(), {}, now_ms=0, master_keys=KEYS.master_keys)
        return list(store.orders())


async def audit(cluster: MemoryCluster, finders: Mapping[str, OrderFinder] | None = None) -> Verdict:
    """The verdict on a world's orders. No dead letter is too old to be there, and nothing was deleted."""
    log, keys = MemoryAuditLog(cluster), KEYS.master_keys
    return await verify(log, shared_codec(), {}, now_ms=0, finders=finders, master_keys=keys)
