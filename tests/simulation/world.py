"""One world: the cluster, the processes, the providers, and what happens to them; from its seed to its end.

First everything may go wrong while all invariants hold. Then the faults stop, an operator mends what people have to
mend, and everything must come to its end within a bound.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from functools import cache
from random import Random
from typing import Final, cast

from msgspec.structs import replace

from app.agents.roles import ROLES
from app.dualwrite.sales_order_mapping import SalesOrders
from app.errors import LaneError
from app.events.ids import partition_of
from app.flows.loading.published import Published
from app.kafka.topics import TopicSpec
from app.kafka.topics import load as load_topics
from app.lanes.jobs import JobLimits
from app.lanes.lane_limits import LaneLimits
from app.optimizer.gazetteer import City, Gazetteer
from app.optimizer.sourcing_network import Network
from app.optimizer.sourcing_strategy import Strategies
from app.providers import registry
from app.sealing.key_book import KeyBook
from app.sealing.master_keys import NO_KEYS
from app.settings import Settings
from app.worker import composition
from app.worker.composition import ComposedRole, Parts
from app.worker.configured_files import load_network, load_strategies
from app.worker.metrics import Metrics
from app.worker.webhook_intake import WebhookIntake
from tests.simulation.cluster import VirtualCluster
from tests.simulation.dice import Dice
from tests.simulation.finale import Finale
from tests.simulation.invariants import Checker
from tests.simulation.process_keys import ProcessKeys
from tests.simulation.producing import FaultyPublisher
from tests.simulation.providers import ENVIRON, Providers
from tests.simulation.trace import Outcome, Trace
from tests.simulation.transaction import KEYS, shared_codec
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.webhooks import Webhooks
from tests.simulation.workers import Group, Worker
from tests.simulation.workload import Workload

START_MS: Final = 1_790_000_000_000
FAULTS_S: Final = 25.0
WORKLOAD_S: Final = 8.0
HOUR_MS: Final = 3_600_000
PATIENCE_S: Final = 600.0
BACKORDER_JOB_S: Final = 10
MAPS: Final = ("salesorders.fno-to-iom", "salesorders.iom-to-fno")


class InvariantError(AssertionError):
    """Something that must never happen did."""


class VirtualClock:
    """The clock of every process. `skew_ms`: the time of day was set."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.skew_ms = 0

    def now_ms(self) -> int:
        return START_MS + int(self._loop.time() * 1000) + self.skew_ms

    def monotonic(self) -> float:
        return self._loop.time()

    def time(self) -> float:
        return self.now_ms() / 1000


class Unwatched:
    def called(self, provider: str, action: str, outcome: str, code: str, seconds: float) -> None: ...
    def refused(self, *_: object, **__: object) -> None: ...
    def expect_answers(self) -> None: ...
    def sourced(self, outcome: str) -> None: ...
    def solved(self, seconds: float, status: str, gap: float) -> None: ...
    def waiting(self, partition: int, pool: str, lines: int, since_ms: int | None) -> None: ...
    def stocked(self, partition: int, total: object) -> None: ...
    def pulled(self, partition: int, source: str, at: float) -> None: ...
    def follow(self, partition: int, figures: object, timers: object) -> None: ...
    def order_created(self, flow: str) -> None: ...
    def order_ended(self, flow: str, state: str, seconds: float) -> None: ...
    def step_done(self, flow: str, step: str, seconds: float) -> None: ...


def _uncounted(_provider: str, _outcome: str) -> None: ...


@cache
def settings_of(partitions: int) -> Settings:
    return Settings(partitions=partitions, maps=MAPS, effect_attempts_max=30, backorder_job_s=BACKORDER_JOB_S)


@cache
def topics_of(partitions: int) -> dict[str, TopicSpec]:
    return {topic.name: topic for topic in load_topics(partitions)}


@cache
def sales_orders() -> SalesOrders:
    return composition.sales_orders()


@cache
def network() -> Network:
    return load_network(settings_of(1))


@cache
def gazetteer() -> Gazetteer:
    """A few of the world's cities: the index of all of them takes longer than a world."""
    cities = [("Reims", "FR", 49.26, 4.03), ("Köln", "DE", 50.94, 6.96), ("Seattle", "US", 47.61, -122.33)]
    cities += [("Montréal", "CA", 45.5, -73.57), ("São Paulo", "BR", -23.55, -46.63), ("Bogotá", "CO", 4.71, -74.07)]
    return Gazetteer(City(name, country, "", latitude, longitude, 1) for name, country, latitude, longitude in cities)


@cache
def patient() -> Strategies:
    """The shipped strategies, without a time at which a plan would depend on how fast the machine is."""
    found = load_strategies(settings_of(1))
    alternate = found.alternate and replace(found.alternate, time_limit_s=PATIENCE_S, gap=0.0)
    return replace(found, default=replace(found.default, time_limit_s=PATIENCE_S, gap=0.0), alternate=alternate)


@cache
def flows() -> Published:
    settings = settings_of(1)
    return composition.published_flows(registry.setup(settings, ENVIRON), settings)


class World:
    """`check` sees each transaction and each request; `operator` mends in the end what people have to mend."""

    master_keys = NO_KEYS

    def __init__(self, seed: int) -> None:
        self.seed, self.dice, self.loop = seed, Dice(seed), VirtualLoop()
        self._random_bytes = Random(seed).randbytes
        KEYS.begin(self.master_keys)
        self.partitions = self.dice.random.randint(1, 3)
        self.clock, self.limits = VirtualClock(self.loop), _limits(self.dice)
        self.cluster = VirtualCluster(topics_of(self.partitions), self.partitions, self.clock.now_ms)
        self.providers = Providers(self.cluster, self.dice, self.loop, self.clock.now_ms, self.lane_of)
        self.workload = Workload(seed, self.cluster, self.dice, self.providers, self.lane_of, WORKLOAD_S)
        self.group = Group(self)
        self.offsets: dict[tuple[str, str, int], int] = {}
        self.steps: dict[str, int] = {}
        self.deaths: list[str] = []
        self.workers: list[Worker] = []
        self.webhooks = Webhooks(self, self.dice, self.providers.world, self.providers.senders())
        self.topics, self.published, self.orders = topics_of(self.partitions), flows(), sales_orders()
        self.trace = Trace(self)
        self.checker = Checker(self)
        self.problem: asyncio.Future[None] = self.loop.create_future()

    def lane_of(self, key: bytes) -> int:
        return partition_of(key, self.partitions)

    def run(self) -> Outcome:
        """Raises InvariantError, or StandstillError when nothing moves any more."""
        try:
            self.loop.run_until_complete(self._course())
        finally:
            self._end()
        return self.trace.outcome()

    async def _course(self) -> None:
        course = asyncio.ensure_future(self._story())
        await asyncio.wait([course, self.problem], return_when=asyncio.FIRST_COMPLETED)
        (self.problem if self.problem.done() else course).result()

    async def _story(self) -> None:
        background = [
            asyncio.ensure_future(self.providers.world.schedule.run()),
            asyncio.ensure_future(self.group.run()),
        ]
        background += [asyncio.ensure_future(task) for task in (self._disturb(), self.webhooks.run())]
        for _ in range(self.dice.random.randint(1, 2)):
            self._start()
        await asyncio.gather(self.workload.play(), asyncio.sleep(FAULTS_S))
        self.dice.calm = True
        self.providers.world.faults.clear()
        await self.finish()
        for task in background:
            task.cancel()

    async def finish(self) -> None:
        """What happens once all faults are over."""
        await Finale(self).run()

    async def _disturb(self) -> None:
        """Now and then a process is killed out of the blue, the lanes are dealt anew, or somebody sets the clock."""
        while True:
            await asyncio.sleep(self.dice.between(1, 8))
            if self.dice.happens(0.15) and self.dice.crashes_left and self.workers:
                self.dice.crashes_left -= 1
                self.dice.random.choice(self.workers).kill()
            if self.dice.happens(0.2):
                self.group.shake()
            if self.dice.happens(0.05):
                self.clock.skew_ms += round(self.dice.between(HOUR_MS, 10 * 24 * HOUR_MS))

    def _start(self) -> None:
        worker = Worker(self, f"process {len(self.workers) + len(self.deaths) + 1}")
        self.workers.append(worker)
        self.group.join(worker)

    # ---- what a process needs ----

    def keys(self) -> ProcessKeys:
        return ProcessKeys(self.cluster, self.master_keys)

    def kinds(self, book: KeyBook) -> Sequence[ComposedRole]:
        settings = settings_of(self.partitions)
        setup = registry.setup(settings, ENVIRON)
        clients = self.providers.clients()
        topics = topics_of(self.partitions)
        parts = Parts(
            settings, ENVIRON, topics, shared_codec(), sales_orders(), setup, clients, network(),
            keys=book, random_bytes=self._random_bytes, clock=self.clock, flows=lambda _setup, _settings: flows(),
            strategies=lambda _settings: patient(), places=gazetteer,
        )  # fmt: skip
        names = [name for name in ROLES if name != "source" or self.workload.sourced]
        return [composition.compose_role(name, parts, cast(Metrics, Unwatched())) for name in names]

    def intake(self) -> WebhookIntake:
        """Where one process takes webhooks in."""
        publisher = FaultyPublisher(self.cluster, self.dice, self.lane_of)
        receivers = registry.receivers(ENVIRON)
        return WebhookIntake(
            receivers, publisher, shared_codec(), _uncounted, clock=self.clock.time, monotonic=self.loop.time
        )

    def partitions_of(self, role: str) -> int:
        """The puller's input has one."""
        return 1 if role == "pull" else self.partitions

    def died(self, worker: Worker, problem: BaseException | None) -> None:
        self.workers.remove(worker)
        self.deaths.append(f"{self.loop.time():.3f} {worker.name}: {problem or 'crashed'}")
        if problem is not None and not _is_expected(worker, problem):
            self.violated(f"{worker.name} ended: {type(problem).__name__} {problem}", problem)
        self.loop.call_later(self.dice.between(0.5, 4), self._start, context=Context())

    def violated(self, what: str, cause: BaseException | None = None) -> None:
        """Note the first thing that must never happen; the world ends with it."""
        if not self.problem.done():
            error = InvariantError(f"at {self.loop.time():.3f} s of virtual time: {what}")
            error.__cause__ = cause
            self.problem.set_exception(error)

    def _end(self) -> None:
        """Nothing of a world outlives it: what is still waiting is told to end, and nobody listens to it any more."""
        self.cluster.committed = lambda _id, _records: None
        self.loop.set_exception_handler(lambda _loop, _context: None)
        self.providers.network.arrived = lambda: None
        if self.problem.done():
            self.problem.exception()
        self.loop.close()


def _is_expected(worker: Worker, problem: BaseException) -> bool:
    """A process may end because another one owns its lane, or because it stood still while it let one go."""
    text = str(problem)
    return isinstance(problem, LaneError) and ("fenced" in text or (worker.was_frozen and "did not close" in text))


def _limits(dice: Dice) -> LaneLimits:
    random = dice.random
    jobs = JobLimits(running_max=random.randint(1, 4), per_provider_max=random.randint(1, 3), waiting_max=4)
    return LaneLimits(
        checkpoint_records_max=random.choice((1, 3, 8)),
        waiting_batches_max=random.randint(1, 4),
        tick_s=0.5,
        poll_interval_s=2.0,
        settled_after_s=random.choice((0.0, 2.0, 30.0)),
        jobs=jobs,
    )
