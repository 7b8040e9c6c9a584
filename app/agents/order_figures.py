"""Figures of the orders of one lane: how many stand in which state and since when, what they wait for, what is stuck.

They follow each committed change of an order, so that a scrape adds up a few numbers and looks at no order. An order is
under way until it has settled (`settled_at`).
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final, Protocol

from msgspec import Struct

from app.agents.timers import Timers
from app.domain.lifecycle import State
from app.domain.order import Effect, Timer, TimerPurpose
from app.domain.vocabulary import Term

_ENDS: Final = frozenset({State.COMPLETED, State.CANCELED})
"""The states in which an order is final."""
StepLimit = Callable[[str, int, str], int]
"""(flow, version, step) -> milliseconds for which the step may wait; 0 where it has no limit or is not known."""


class StuckCause(Term):
    """Why an order counts as stuck."""

    WAIT = "wait"
    """A step has waited for more than half of the time that its flow allows."""
    FAILED = "failed"
    """A step has taken its failure edge, and was not run again since."""


class OrderObserver(Protocol):
    """Where the role reports what became of orders, and what its figures are."""

    def follow(self, partition: int, figures: "OrderFigures", timers: Timers) -> None:
        """A lane is made, whose figures and timers are these until it is closed."""

    def order_created(self, flow: str) -> None:
        """An order was created."""

    def order_ended(self, flow: str, state: str, seconds: float) -> None:
        """An order became final, so long after it was created."""

    def step_done(self, flow: str, step: str, seconds: float) -> None:
        """A step was done, so long after its request or the begin of its wait."""


class UnobservedOrders:
    """An observer that does nothing."""

    def follow(self, partition: int, figures: "OrderFigures", timers: Timers) -> None: ...
    def order_created(self, flow: str) -> None: ...
    def order_ended(self, flow: str, state: str, seconds: float) -> None: ...
    def step_done(self, flow: str, step: str, seconds: float) -> None: ...


class _Entry(Protocol):
    @property
    def at(self) -> int: ...
    @property
    def state(self) -> str: ...


class _Status(Protocol):
    @property
    def state(self) -> str: ...


class FollowedOrder(Protocol):
    """The part of an OrderState that figures are made of."""

    @property
    def order(self) -> _Status: ...
    @property
    def flow(self) -> str: ...
    @property
    def flow_version(self) -> int: ...
    @property
    def done(self) -> Sequence[str]: ...
    @property
    def effects(self) -> tuple[Effect, ...]: ...
    @property
    def timers(self) -> tuple[Timer, ...]: ...
    @property
    def timeline(self) -> Sequence[_Entry]: ...
    @property
    def settled_at(self) -> int: ...
    @property
    def failed(self) -> Sequence[str]: ...


class _Order(Struct, frozen=True):
    """What is kept of an order. `place`: its flow and state. `late_at`: when it will count as stuck, 0 for never."""

    place: tuple[str, str]
    created_at: int
    has_failed: bool = False
    late_at: int = 0
    effects: tuple[Effect, ...] = ()
    timers: tuple[Timer, ...] = ()


class OrderFigures:
    """The figures of a lane. `keep` and `remove` are told what was committed, `pass_time` the time.

    They are called for each change that a lane commits, and are written for speed: an event costs a fold 100 us, of
    which figures may take a few. Orders come to a state, and begin a wait of one limit, in the order of time but for
    what producers' clocks differ: so the first of a queue is the oldest, and no heap is needed.
    """

    def __init__(self, flows: Sequence[str], step_limit: StepLimit, observer: OrderObserver) -> None:
        """`flows`: the names of those that are published: their orders are shown also where there are none."""
        self.flows = tuple(flows)
        self._step_limit, self._observer = step_limit, observer
        self._orders: dict[bytes, _Order] = {}
        self._by_place: dict[tuple[str, str], OrderedDict[bytes, int]] = {}
        """By flow and state: since when each order stands there."""
        self._waits: dict[bytes, int] = {}
        """The limits by which orders wait, of those that are not late yet."""
        self._by_limit: dict[int, OrderedDict[bytes, int]] = {}
        """By limit (ms): when each order that waits will be late."""
        self._late: dict[bytes, str] = {}
        """Orders with a wait past half its limit, and their flows."""
        self._failed: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()

    # ---- what is shown ----

    def orders(self) -> Iterator[tuple[str, str, int, int | None]]:
        """Yield flow, state, the number of orders there, and since when the oldest stands there (ms)."""
        for (flow, state), members in self._by_place.items():
            yield flow, state, len(members), next(iter(members.values()), None)

    def stuck(self) -> Mapping[tuple[str, str], int]:
        """Return how many orders are stuck, by flow and cause."""
        late = Counter((flow, StuckCause.WAIT.value) for flow in self._late.values())
        return {**late, **{(flow, StuckCause.FAILED.value): count for flow, count in self._failed.items()}}

    def pending(self) -> Mapping[str, int]:
        """Return how many effects have not been answered, by provider."""
        return self._pending

    def retries(self) -> Mapping[str, int]:
        """Return how many effects wait until they are requested again, by provider."""
        return self._retries

    # ---- what follows the orders ----

    def arrange(self) -> None:
        """Put the queues into the order of time, once all orders of a ledger were kept, in whatever order."""
        for queue in (*self._by_place.values(), *self._by_limit.values()):
            ordered = sorted(queue.items(), key=itemgetter(1))
            queue.clear()
            queue.update(ordered)

    def keep(self, key: bytes, order: FollowedOrder, *, is_new: bool = False) -> None:
        """Take note of an order as it is now. `is_new`: it was created since the last time."""
        timeline, effects, timers = order.timeline, order.effects, order.timers
        now = timeline[-1].at if timeline else 0
        place = order.flow, order.order.state
        before = self._orders.get(key)
        is_followed = before is not None
        if before is None:
            before = _Order(place, timeline[0].at if timeline else 0)
        if is_new:
            self._observer.order_created(place[0])
        if place[1] in _ENDS and (is_new or before.place[1] not in _ENDS):
            self._observer.order_ended(*place, max(0, now - before.created_at) / 1000)
        has_changed = before.effects != effects or before.timers != timers
        if has_changed:
            self._report_steps(before, order, now)
        if order.settled_at:
            self.remove(key)
            return
        has_failed = bool(order.failed)
        if has_failed is not before.has_failed:
            self._failed[place[0]] += has_failed - before.has_failed
        late_at = before.late_at
        if has_changed:
            self._count(before.effects, before.timers, -1)
            self._count(effects, timers, 1)
            late_at = self._wait(key, before, order)
        if not is_followed or before.place != place:
            self._move(key, before.place if is_followed else None, place, _since(timeline, place[1]))
        self._orders[key] = _Order(
            place, before.created_at, has_failed=has_failed, late_at=late_at, effects=effects, timers=timers
        )

    def remove(self, key: bytes) -> None:
        """Take note that there is no such order any more, or that it has settled."""
        before = self._orders.pop(key, None)
        if before is not None:
            del self._by_place[before.place][key]
            self._failed[before.place[0]] -= before.has_failed
            self._count(before.effects, before.timers, -1)
            self._stop_waiting(key)

    def pass_time(self, now_ms: int) -> None:
        """Count the orders as stuck whose wait is past half its limit at `now_ms`."""
        for queue in self._by_limit.values():
            while queue and next(iter(queue.values())) <= now_ms:
                key, _ = queue.popitem(last=False)
                del self._waits[key]
                self._late[key] = self._orders[key].place[0]

    def _move(self, key: bytes, before: tuple[str, str] | None, after: tuple[str, str], since: int) -> None:
        if before is not None:
            del self._by_place[before][key]
        members = self._by_place.get(after)
        if members is None:
            members = self._by_place[after] = OrderedDict()
        members[key] = since

    def _count(self, effects: tuple[Effect, ...], timers: tuple[Timer, ...], sign: int) -> None:
        for effect in effects:
            self._pending[effect.provider] += sign
        for timer in timers:
            if timer.purpose == TimerPurpose.RETRY:
                self._retries[_provider(effects, timer.subject)] += sign

    def _wait(self, key: bytes, before: _Order, order: FollowedOrder) -> int:
        """Let the order count as stuck from the half of its first wait on, and not before. Return when that is."""
        late_at = first_limit = 0
        for timer in order.timers:
            limit = self._limit(order, _step(timer, order.effects))
            if limit and (not late_at or timer.due_at - limit // 2 < late_at):
                late_at, first_limit = timer.due_at - limit // 2, limit
        if late_at != before.late_at:
            self._stop_waiting(key)
            if late_at:
                self._waits[key] = first_limit
                self._by_limit.setdefault(first_limit, OrderedDict())[key] = late_at
        return late_at

    def _stop_waiting(self, key: bytes) -> None:
        limit = self._waits.pop(key, None)
        if limit is not None:
            del self._by_limit[limit][key]
        else:
            self._late.pop(key, None)

    def _report_steps(self, before: _Order, order: FollowedOrder, now: int) -> None:
        """Report the steps that were done since: their effect was answered, or what they waited for has come."""
        done = order.done
        for effect in before.effects:
            if effect.step in done and all(each.effect_id != effect.effect_id for each in order.effects):
                self._step_done(order.flow, effect.step, now - effect.requested_at)
        for timer in before.timers:
            if timer.purpose == TimerPurpose.WAIT and timer.subject in done and timer not in order.timers:
                limit = self._limit(order, timer.subject)
                self._step_done(order.flow, timer.subject, now - (timer.due_at - limit))

    def _limit(self, order: FollowedOrder, step: str) -> int:
        return self._step_limit(order.flow, order.flow_version, step) if step else 0

    def _step_done(self, flow: str, step: str, milliseconds: int) -> None:
        self._observer.step_done(flow, step, max(0, milliseconds) / 1000)


def _step(timer: Timer, effects: tuple[Effect, ...]) -> str:
    """Return the step that waits until the timer at most, empty where none does."""
    if timer.purpose == TimerPurpose.WAIT:
        return timer.subject
    if timer.purpose == TimerPurpose.ANSWER:
        return next((effect.step for effect in effects if effect.effect_id == timer.subject), "")
    return ""


def _since(timeline: Sequence[_Entry], state: str) -> int:
    """Return when the order came to its state, as far back as its timeline goes."""
    since = 0
    for entry in reversed(timeline):
        if entry.state != state:
            break
        since = entry.at
    return since


def _provider(effects: Sequence[Effect], effect_id: str) -> str:
    return next((effect.provider for effect in effects if effect.effect_id == effect_id), "")
