"""Figures of orders: they follow what is committed, and after a restore they are what they were."""

import random
from typing import Any

from app.agents import order_ledger
from app.agents.earliest import Earliest
from app.agents.orchestrate import Orchestrate
from app.agents.order_figures import OrderFigures, StuckCause
from app.agents.timers import Timers
from app.domain.order import OrderState
from app.events.model import Event, OrderCreated, ProviderEvent, ProviderResult
from tests.agents.stand_ins import AT, CODEC, as_record
from tests.agents.test_orchestrate import KEY, Driven
from tests.dualwrite.rows import ORDERS
from tests.flows.journey import an_order, published

FLOW = "bigcommerce-fno-fno"
DAY_MS = 86_400_000
PICKED = "order picked"


class Reports:
    """What the role reported, and what it let be followed."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.ended: list[tuple[str, float]] = []
        self.steps: list[tuple[str, float]] = []

    def follow(self, partition: int, figures: OrderFigures, timers: Timers) -> None:
        self.figures, self.timers = figures, timers

    def order_created(self, flow: str) -> None:
        self.created.append(flow)

    def order_ended(self, flow: str, state: str, seconds: float) -> None:
        self.ended.append((state, seconds))

    def step_done(self, flow: str, step: str, seconds: float) -> None:
        self.steps.append((step, seconds))


class Followed(Driven):
    """The role, driven as its lane drives it, and what it reports."""

    def __init__(self) -> None:
        super().__init__()
        self.reports = Reports()
        self.role = Orchestrate(CODEC, published(), ORDERS, {"main": 3}, observer=self.reports)

    def orders(self) -> dict[str, tuple[int, int | None]]:
        """Number and earliest time of the orders in each state, where there are any."""
        return {state: (count, since) for _, state, count, since in self.reports.figures.orders() if count}

    def restored(self) -> Reports:
        """What a successor reports that restores the ledger."""
        reports = Reports()
        Orchestrate(CODEC, published(), ORDERS, {"main": 3}, observer=reports).restored(self.state.items())
        return reports


def figures_of(reports: Reports) -> Any:
    figures, timers = reports.figures, reports.timers
    orders = sorted((flow, state, count, since) for flow, state, count, since in figures.orders() if count)
    counts = [{key: count for key, count in each.items() if count} for each in (figures.pending(), figures.retries())]
    return orders, counts, {key: n for key, n in figures.stuck().items() if n}, timers.waiting, timers.overdue


def test_an_order_is_counted_where_it_stands_until_it_has_settled() -> None:
    driven = Followed()
    driven.created()
    assert driven.orders() == {"Validated": (1, AT + 1000)}
    assert driven.reports.figures.pending() == {"fno": 1}
    driven.answered("ok", reference="SO-1")
    driven.reported("order picked")
    assert driven.orders() == {"Fulfillment in Process": (1, AT + 3000)}
    driven.reported("order shipped")
    assert driven.orders() == {"Fulfillment in Process": (1, AT + 3000)}, "it stands there since it was picked"
    driven.answered("ok")
    driven.reported("order invoiced")
    assert driven.orders() == {"Completed": (1, AT + 6000)}, "the shop has not been told yet"
    driven.answered("ok")
    assert driven.orders() == {}
    driven.reported("order invoiced")
    assert driven.orders() == {}, "what comes late is in its timeline, and does not bring it back"
    assert driven.reports.created == [FLOW]
    assert driven.reports.ended == [("Completed", 5.0)]


def test_steps_are_timed_from_their_request_or_the_begin_of_their_wait() -> None:
    driven = Followed()
    driven.created()
    driven.answered("ok", reference="SO-1")
    driven.reported("order picked", at=AT + 10_000)
    assert driven.reports.steps == [("send", 1.0), ("await picking", 8.0)]


def test_an_effect_that_waits_for_its_next_attempt_is_counted_by_provider() -> None:
    driven = Followed()
    driven.created()
    driven.answered("retry")
    assert (driven.reports.figures.pending(), driven.reports.figures.retries()) == ({"fno": 1}, {"fno": 1})
    assert (driven.reports.timers.waiting, driven.reports.timers.overdue) == (1, 0)
    (timer,) = driven.order().timers
    driven.role.due(timer.due_at)
    assert (driven.reports.timers.waiting, driven.reports.timers.overdue) == (0, 1)
    assert driven.reports.timers.overdue_since(timer.due_at + 5) == timer.due_at


def test_an_order_is_stuck_from_the_half_of_its_wait_on_until_what_it_waits_for_comes() -> None:
    driven = Followed()
    driven.created()
    driven.answered("ok", reference="SO-1")
    stuck, half_ms = driven.reports.figures.stuck, AT + 2000 + 7 * DAY_MS // 2
    driven.role.due(half_ms - 1)
    assert stuck().get((FLOW, StuckCause.WAIT), 0) == 0
    driven.role.due(half_ms)
    assert stuck()[FLOW, StuckCause.WAIT] == 1, "picking may take 7 days"
    driven.reported("order picked", at=AT + 4 * DAY_MS)
    assert stuck().get((FLOW, StuckCause.WAIT), 0) == 0


def test_an_order_whose_step_was_given_up_is_stuck_until_it_is_run_again() -> None:
    driven = Followed()
    driven.created()
    driven.answered("declined", detail="no credit")
    assert driven.reports.figures.stuck()[FLOW, StuckCause.FAILED] == 1
    assert list(driven.orders()) == ["On Hold"]
    assert driven.restored().figures.stuck()[FLOW, StuckCause.FAILED] == 1


def test_an_order_that_is_refused_at_once_has_ended() -> None:
    driven = Followed()
    driven.created(an_order(2, currency="???"))
    assert driven.reports.created == [FLOW]
    assert driven.reports.ended == [("Canceled", 0.0)]


def test_a_successor_has_the_same_figures_at_any_time() -> None:
    chosen = random.Random(7)
    driven = Followed()
    for number in range(60):
        order_id = f"bc-shop-{chosen.randrange(12)}"
        key = order_id.encode()
        entry = order_ledger.decode(driven.state[key]) if key in driven.state else None
        if not isinstance(entry, OrderState):
            driven.take("order created", OrderCreated(an_order(2, order_id=order_id)))
        elif entry.effects and chosen.random() < 0.7:
            effect, outcome = entry.effects[0], chosen.choice(["ok", "ok", "retry", "declined"])
            names = effect.provider, effect.action, effect.attempt
            driven.take("provider result", ProviderResult(order_id, effect.effect_id, *names, outcome, outcome))
        else:
            event = chosen.choice(["order picked", "order shipped", "order invoiced"])
            driven.take("provider event", ProviderEvent(order_id, "fno", event))
        assert figures_of(driven.restored()) == figures_of(driven.reports), number


def test_a_fold_that_came_to_nothing_is_forgotten() -> None:
    """Its lane made the record a dead letter: what it would have written was never committed."""
    driven = Followed()
    driven.created()
    committed = figures_of(driven.reports)
    event = Event("provider event", "e9", "bc-shop-1", AT + 9000, "test", "", ProviderEvent("bc-shop-1", "fno", PICKED))
    driven.role.fold(as_record(event, offset=9, timestamp=AT + 9000), driven.state, repeated=False)
    driven.role.changed(KEY, driven.state[KEY])
    assert figures_of(driven.reports) == committed


def test_what_a_checkpoint_creates_is_counted_though_a_later_fold_of_it_came_to_nothing() -> None:
    driven = Followed()
    event = Event("order created", "e1", "bc-shop-1", AT, "test", "", OrderCreated(an_order(2)))
    created = driven.role.fold(as_record(event, offset=1, timestamp=AT), driven.state, repeated=False)
    event = Event("provider event", "e9", "bc-shop-1", AT + 9000, "test", "", ProviderEvent("bc-shop-1", "fno", PICKED))
    written = {key: value for key, value in created.changes.items() if value is not None}
    driven.role.fold(as_record(event, offset=9, timestamp=AT + 9000), written, repeated=False)
    driven.role.changed(KEY, written[KEY])
    assert driven.reports.created == [FLOW]
    assert driven.orders() == {"Validated": (1, AT)}


def test_the_earliest_of_many_keys_is_at_hand_whatever_changes() -> None:
    chosen = random.Random(3)
    earliest, times = Earliest(), dict[bytes, int]()
    for _ in range(5_000):
        key, at = str(chosen.randrange(40)).encode(), chosen.randrange(1_000)
        if chosen.random() < 0.3:
            earliest.remove(key)
            times.pop(key, None)
        else:
            earliest.put(key, at)
            times[key] = at
        assert earliest.first() == min(times.values(), default=None)
        assert len(earliest) == len(times)
    due = sorted(at for at in times.values() if at <= 500)
    assert [times[key] for key in earliest.take_until(500)] == due
    assert earliest.first() == min((at for at in times.values() if at > 500), default=None)
