"""The keys of orders in one process of a world, whose follower reads the cluster when it is asked to."""

from app.sealing.key_book import TOPIC, KeyBook
from app.sealing.master_keys import MasterKeys
from app.worker.order_keys import OrderKeys
from tests.simulation.cluster import VirtualCluster


class ProcessKeys(OrderKeys):
    def __init__(self, cluster: VirtualCluster, master_keys: MasterKeys) -> None:
        self.book = KeyBook(master_keys)
        super().__init__(self.book, VirtualFollower(cluster, self.book))


class VirtualFollower:
    def __init__(self, cluster: VirtualCluster, book: KeyBook) -> None:
        self._cluster, self._book = cluster, book
        self._news = cluster.listen([TOPIC])
        self._next = dict.fromkeys(range(cluster.partitions), 0)

    async def start(self) -> None:
        await self.catch_up()

    async def catch_up(self) -> None:
        """Read what is committed once all that was written is."""
        for partition, begin in self._next.items():
            end = self._cluster.end(TOPIC, partition)
            while self._cluster.bounds(TOPIC, partition).end < end:
                self._news.clear()
                await self._news.wait()
            for record in self._cluster.read(TOPIC, partition, begin):
                self._book.take(record.key, record.value)
            self._next[partition] = end

    async def close(self) -> None: ...
