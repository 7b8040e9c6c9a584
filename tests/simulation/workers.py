"""Processes and the group that shares the lanes out among them: Kafka's rebalance protocol, as far as lanes notice it.

Each process runs all roles with the production host and lanes; only the fetching from the cluster is written here.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, copy_context
from typing import Any, Final, Protocol

from app.lanes.hosting import LaneHost
from app.lanes.inbox import Batch
from app.lanes.lane import Lane
from app.lanes.lane_limits import Clock, LaneLimits
from app.lanes.role import RoleKind
from app.sealing.key_book import KeyBook
from app.worker.webhook_intake import WebhookIntake
from tests.simulation.cluster import VirtualCluster, VirtualLog
from tests.simulation.dice import Dice
from tests.simulation.process_keys import ProcessKeys
from tests.simulation.virtual_loop import PROCESS, Process, VirtualLoop

SESSION_S: Final = 6.0
HEARTBEAT_S: Final = 1.0
HELD_S: Final = 0.05
LOG: ContextVar[VirtualLog | None] = ContextVar("log", default=None)
"""The log of the lane in whose name something runs."""


class Surroundings(Protocol):
    """What a process needs of the world."""

    cluster: VirtualCluster
    dice: Dice
    loop: VirtualLoop
    limits: LaneLimits
    offsets: dict[tuple[str, str, int], int]
    steps: dict[str, int]

    @property
    def clock(self) -> Clock: ...

    def keys(self) -> ProcessKeys:
        """What one process has of the keys of orders."""

    def kinds(self, book: KeyBook) -> Sequence[RoleKind]:
        """The roles as one process composes them, with clients of its own."""

    def intake(self) -> WebhookIntake: ...
    def partitions_of(self, role: str) -> int: ...
    def died(self, worker: "Worker", problem: BaseException | None) -> None: ...


class Worker(Process):
    """One operating system process with a host for each role, which also takes webhooks in."""

    def __init__(self, world: Surroundings, name: str) -> None:
        super().__init__(name)
        self.world, self.heard_at = world, world.loop.time()
        self.was_frozen = False
        self.context = copy_context()
        self.context.run(PROCESS.set, self)
        self.keys = world.keys()
        self.kinds, self.intake = world.kinds(self.keys.book), world.intake()
        self.hosts: dict[str, LaneHost] = {}
        self.context.run(self._begin)

    def _begin(self) -> None:
        for kind in self.kinds:
            partitions = self.world.partitions_of(kind.name)
            host = LaneHost(kind.name, kind.inputs, self._maker(kind), self._failed, partitions=partitions)
            host.reading = reader = Reader(self.world, kind, host, self.keys)
            self.hosts[kind.name] = host
            self.run(reader.fetch())

    def _maker(self, kind: RoleKind) -> Callable[[int], Lane]:
        world = self.world

        def make(partition: int) -> Lane:
            log = VirtualLog(world.cluster, f"waybill-{kind.name}-{partition}", kind.ledger, partition, self)
            LOG.set(log)
            partitions, ledger = world.partitions_of(kind.name), self.keys.ledger(log, kind.ledger)
            return Lane(kind.for_lane(partition), ledger, partition, partitions, world.limits, clock=world.clock)

        return make

    def run(self, work: Any) -> asyncio.Task[Any]:
        """Do it within this process."""
        task = self.world.loop.create_task(work, context=self.context.copy())
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            self.kill(problem)

    def kill(self, problem: BaseException | None = None) -> None:
        if self.alive:
            self.alive = False
            self.held = []
            self.world.died(self, problem)

    def freeze(self, seconds: float) -> None:
        if self.alive and not self.frozen:
            self.frozen = self.was_frozen = True
            self.world.loop.call_later(seconds, self.world.loop.thaw, self, context=_outside())

    async def at(self, step: str) -> None:
        world = self.world
        world.steps[step] = world.steps.get(step, 0) + 1
        if world.dice.crashes():
            world.steps[f"crash at {step}"] = world.steps.get(f"crash at {step}", 0) + 1
            self.kill()
        elif world.dice.freezes():
            world.steps[f"freeze at {step}"] = world.steps.get(f"freeze at {step}", 0) + 1
            self.freeze(world.dice.between(0.5, 12))
            await asyncio.sleep(0)
        elif world.dice.happens(world.dice.odds.linger):
            await asyncio.sleep(world.dice.between(0.001, 0.3))
        if not self.alive:
            await asyncio.Future()

    def _failed(self, problem: BaseException) -> None:
        self.kill(problem)


async def _assign(host: LaneHost, share: set[tuple[str, int]]) -> None:
    """A rebalance ended: lanes that stayed go on reading where they are, as the transport has it."""
    await host.assign(share)
    await host.reading.read_on()


def _outside() -> Any:
    context = copy_context()
    context.run(PROCESS.set, None)
    return context


class Reader:
    """The consumer of one role in one process."""

    def __init__(self, world: Surroundings, kind: RoleKind, host: LaneHost, keys: ProcessKeys) -> None:
        self._world, self._kind, self._host, self._keys = world, kind, host, keys
        self._next: dict[tuple[str, int], int] = {}
        self._news = world.cluster.listen(kind.inputs)

    async def committed(self, topics: tuple[str, ...], partition: int) -> Mapping[str, int | None]:
        return {topic: self._world.offsets.get((self._kind.name, topic, partition)) for topic in topics}

    async def read_on(self) -> None:
        offsets = self._host.offsets()
        self._next.update(offsets)
        self._host.release(offsets)
        self._news.set()

    async def fetch(self) -> None:
        """Fetch for ever. An input may be late while others are not, and a batch is as long as chance will have it."""
        dice = self._world.dice
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(dice.between(0.001, 0.03))
            places = list(self._next)
            dice.random.shuffle(places)
            if sum([await self._fetch_one(*place) for place in places]):
                await asyncio.sleep(HELD_S)
                self._news.set()

    async def _fetch_one(self, topic: str, partition: int) -> bool:
        """Whether more of it may wait."""
        start = self._next[topic, partition]
        records = self._world.cluster.read(topic, partition, start, self._world.dice.random.randint(1, 6))
        if not records:
            return False
        if not self._host.may_fetch(topic, partition):
            return any(lane.partition == partition for lane in self._host.lanes)
        if self._world.dice.happens(self._world.dice.odds.late):
            return True
        end = records[-1].offset + 1
        self._next[topic, partition] = end
        await self._keys.prepare(records)
        self._host.offer(partition, start, Batch(topic, records, lambda: self._acknowledge(topic, partition, end)))
        return True

    def _acknowledge(self, topic: str, partition: int, end: int) -> None:
        place = (self._kind.name, topic, partition)
        self._world.offsets[place] = max(end, self._world.offsets.get(place, 0))


class Group:
    """Membership by heartbeats; a rebalance revokes everywhere, then assigns by chance."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self.members: list[Worker] = []
        self._owners: dict[tuple[str, int], Worker] = {}
        self._dirty = asyncio.Event()

    def join(self, worker: Worker) -> None:
        worker.heard_at = self._world.loop.time()
        self.members.append(worker)
        worker.run(self._beat(worker))
        self._dirty.set()

    def names_owner(self, log: VirtualLog) -> bool:
        """Whether the lane of the log was last given to the process that runs now."""
        return self._owners.get((log.role, log.partition)) is PROCESS.get()

    def shake(self) -> None:
        """Rebalance without a reason."""
        self._dirty.set()

    async def _beat(self, worker: Worker) -> None:
        """The heartbeats of one member, until it learns that it is none any more; then it joins anew."""
        while worker in self.members:
            worker.heard_at = self._world.loop.time()
            await asyncio.sleep(HEARTBEAT_S)
        for host in worker.hosts.values():
            await host.revoke()
        self.join(worker)

    async def run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._dirty.wait(), 0.5)
            self._evict(self._world.loop.time() - SESSION_S)
            if self._dirty.is_set():
                await asyncio.sleep(self._world.dice.between(0.02, 0.3))
                self._dirty.clear()
                await self._rebalance()

    def _evict(self, heard_before: float) -> None:
        self._drop([worker for worker in self.members if worker.heard_at < heard_before])

    def _drop(self, workers: Sequence[Worker]) -> None:
        """Who is silent, or has not let its lanes go in time, is no member any more."""
        if any(worker in workers for worker in self.members):
            self.members = [worker for worker in self.members if worker not in workers]
            self._dirty.set()

    async def _rebalance(self) -> None:
        members = list(self.members)
        revoked = {worker.run(host.revoke()): worker for worker in members for host in worker.hosts.values()}
        if revoked:
            _, unready = await asyncio.wait(revoked, timeout=SESSION_S)
            self._drop([revoked[task] for task in unready])
        self._evict(self._world.loop.time() - SESSION_S)
        members = [worker for worker in members if worker in self.members]
        if members:
            assigned = [worker.run(_assign(host, share)) for worker, host, share in self._shares(members)]
            await asyncio.wait(assigned, timeout=SESSION_S)

    def _shares(self, members: Sequence[Worker]) -> Sequence[tuple[Worker, LaneHost, set[tuple[str, int]]]]:
        shares = []
        for kind in members[0].kinds:
            partitions = self._world.partitions_of(kind.name)
            owners = [self._world.dice.random.choice(members) for _ in range(partitions)]
            self._owners |= {(kind.name, partition): owner for partition, owner in enumerate(owners)}
            for worker in members:
                mine = [partition for partition, owner in enumerate(owners) if owner is worker]
                share = {(topic, partition) for topic in kind.inputs for partition in mine}
                shares.append((worker, worker.hosts[kind.name], share))
        return shares
