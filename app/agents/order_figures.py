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
from app.domain.order import Effect, OrderState, Timer, TimerPurpose
from app.domain.vocabulary import Term

_ENDS: Final = frozenset({State.COMPLETED, State.CANCELED})
"""The states in which an order is final."""
_RETRY, _ANSWER, _WAIT = TimerPurpose.RETRY.value, TimerPurpose.ANSWER.value, TimerPurpose.WAIT.value
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


class FollowedOrder(Struct, frozen=True, gc=False):
    """The part of an order that timers and figures follow. It outlives the fold, which the rest of its state does not.

    `at` is the time of the last event, `since` that at which the order came to its state, as far as its timeline goes
    back.
    """

    flow: str
    version: int
    state: str
    created_at: int
    at: int
    since: int
    done: tuple[str, ...]
    effects: tuple[Effect, ...]
    timers: tuple[Timer, ...]
    settled_at: int
    has_failed: bool


def followed(order: OrderState) -> FollowedOrder:
    """Return what is followed of an order."""
    timeline, state = order.timeline, order.order.state
    since = 0
    for entry in reversed(timeline):
        if entry.state != state:
            break
        since = entry.at
    return FollowedOrder(
        order.flow,
        order.flow_version,
        state,
        timeline[0].at if timeline else 0,
        at=timeline[-1].at if timeline else 0,
        since=since,
        done=order.done,
        effects=order.effects,
        timers=order.timers,
        settled_at=order.settled_at,
        has_failed=bool(order.failed),
    )


class _Order(Struct, gc=False):
    """What is kept of an order. `place`: its flow and state. `late_at`: when it will count as stuck, 0 for never.

    `limit` is that of the wait (ms) until the order counts as stuck, and `is_late` says that it does.
    """

    place: tuple[str, str]
    created_at: int
    has_failed: bool = False
    late_at: int = 0
    limit: int = 0
    is_late: bool = False
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
        self._by_limit: dict[int, OrderedDict[bytes, int]] = {}
        """By limit (ms): when each order that waits will be late."""
        self._limits: dict[tuple[str, int, str], int] = {}
        """The limits of steps that were asked for."""
        self._late: Counter[str] = Counter()
        """By flow: how many orders have a wait past half its limit."""
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
        causes = (StuckCause.WAIT, self._late), (StuckCause.FAILED, self._failed)
        return {(flow, cause.value): count for cause, counts in causes for flow, count in counts.items()}

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
        place, before = (order.flow, order.state), self._orders.get(key)
        entry = before or _Order(place, order.created_at)
        has_moved = before is None or entry.place != place
        if has_moved:
            self._report_ends(entry, order, is_new=is_new)
        has_changed = entry.effects != order.effects or entry.timers != order.timers
        if has_changed and before is not None:
            self._report_steps(entry, order)
        if order.settled_at:
            return self.remove(key)
        if has_moved:
            self._move(key, before, place, order.since)
            entry.place, self._orders[key] = place, entry
        if order.has_failed is not entry.has_failed:
            self._failed[place[0]] += order.has_failed - entry.has_failed
            entry.has_failed = order.has_failed
        if has_changed:
            if entry.effects or entry.timers:
                self._count(entry.effects, entry.timers, -1)
            if order.effects or order.timers:
                self._count(order.effects, order.timers, 1)
            entry.effects, entry.timers = order.effects, order.timers
            self._wait(key, entry, order)
        return None

    def remove(self, key: bytes) -> None:
        """Take note that there is no such order any more, or that it has settled."""
        entry = self._orders.pop(key, None)
        if entry is not None:
            del self._by_place[entry.place][key]
            self._failed[entry.place[0]] -= entry.has_failed
            self._count(entry.effects, entry.timers, -1)
            if entry.late_at:
                self._stop_waiting(key, entry)

    def pass_time(self, now_ms: int) -> None:
        """Count the orders as stuck whose wait is past half its limit at `now_ms`."""
        for queue in self._by_limit.values():
            while queue and next(iter(queue.values())) <= now_ms:
                key, _ = queue.popitem(last=False)
                entry = self._orders[key]
                entry.is_late = True
                self._late[entry.place[0]] += 1

    def _move(self, key: bytes, before: _Order | None, after: tuple[str, str], since: int) -> None:
        if before is not None:
            del self._by_place[before.place][key]
        members = self._by_place.get(after)
        if members is None:
            members = self._by_place[after] = OrderedDict()
        members[key] = since

    def _count(self, effects: tuple[Effect, ...], timers: tuple[Timer, ...], sign: int) -> None:
        for effect in effects:
            self._pending[effect.provider] += sign
        for timer in timers:
            if timer.purpose == _RETRY:
                waiting = _effect(effects, timer.subject)
                self._retries[waiting.provider if waiting else ""] += sign

    def _wait(self, key: bytes, entry: _Order, order: FollowedOrder) -> None:
        """Let the order count as stuck from the half of its first wait on, and not before."""
        late_at = first_limit = 0
        for timer in entry.timers:
            step = timer.subject if timer.purpose == _WAIT else _answered_step(timer, entry.effects)
            limit = self._limit(order, step) if step else 0
            if limit and (not late_at or timer.due_at - limit // 2 < late_at):
                late_at, first_limit = timer.due_at - limit // 2, limit
        if late_at != entry.late_at:
            if entry.late_at:
                self._stop_waiting(key, entry)
            entry.late_at, entry.limit = late_at, first_limit
            if late_at:
                queue = self._by_limit.get(first_limit)
                if queue is None:
                    queue = self._by_limit[first_limit] = OrderedDict()
                queue[key] = late_at

    def _stop_waiting(self, key: bytes, entry: _Order) -> None:
        if entry.is_late:
            entry.is_late = False
            self._late[entry.place[0]] -= 1
        else:
            del self._by_limit[entry.limit][key]

    def _report_ends(self, before: _Order, order: FollowedOrder, *, is_new: bool) -> None:
        """Report that the order was created, and that it came to a state in which it is final."""
        flow, state = order.flow, order.state
        if is_new:
            self._observer.order_created(flow)
        if state in _ENDS and (is_new or before.place[1] not in _ENDS):
            self._observer.order_ended(flow, state, max(0, order.at - before.created_at) / 1000)

    def _report_steps(self, before: _Order, order: FollowedOrder) -> None:
        """Report the steps that were done since: their effect was answered, or what they waited for has come."""
        done, effects, report = order.done, order.effects, self._observer.step_done
        for effect in before.effects:
            if effect.step in done and not (effects and _effect(effects, effect.effect_id)):
                report(order.flow, effect.step, max(0, order.at - effect.requested_at) / 1000)
        for timer in before.timers:
            if timer.purpose == _WAIT and timer.subject in done and timer not in order.timers:
                since = timer.due_at - self._limit(order, timer.subject)
                report(order.flow, timer.subject, max(0, order.at - since) / 1000)

    def _limit(self, order: FollowedOrder, step: str) -> int:
        place = order.flow, order.version, step
        limit = self._limits.get(place)
        if limit is None:
            limit = self._limits[place] = self._step_limit(*place)
        return limit


def _answered_step(timer: Timer, effects: tuple[Effect, ...]) -> str:
    """Return the step whose answer comes until the timer at most, empty where none does."""
    effect = _effect(effects, timer.subject) if timer.purpose == _ANSWER else None
    return effect.step if effect else ""


def _effect(effects: tuple[Effect, ...], effect_id: str) -> Effect | None:
    return next((effect for effect in effects if effect.effect_id == effect_id), None)
