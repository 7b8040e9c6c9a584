"""Looks for the cheapest plan of one task, the quick ways first, until the gap is closed or the time is over."""

from collections.abc import Mapping
from math import inf

from msgspec import Struct

from app.optimizer.draft import EPSILON, Draft, Parts
from app.optimizer.exact import resolve_by_sku, solve_exactly
from app.optimizer.floor import floor
from app.optimizer.improve import fill, polish
from app.optimizer.pricing import Priced, price
from app.optimizer.reduce import Options, possible
from app.optimizer.task import Task

Known = Mapping[tuple[str, str], Parts]
"""What lines have, by order and line id, in a plan that the new one should not fall behind."""


OPTIONS_A_SECOND = 10_000
"""With more than this, the exact solver has no more than a first bound after a second."""


class Pass(Struct, frozen=True):
    """What one strategy made of its task. `orders` are those that it plans in the end; its plan costs at most `slack`
    more than the cheapest; of the cost `impossible` is for lines that no source could ship."""

    draft: Draft
    orders: tuple[int, ...]
    slack: float
    impossible: float
    is_late: bool

    @property
    def task(self) -> Task:
        return self.draft.task


def search(task: Task, known: Known) -> Pass:
    """The best plan found. Prices first; then, where they leave a gap, exactly, with few options and with all."""
    found = _Search(task)
    if known:
        found.begin(known)
    if priced := price(task, found.options, task.strategy.time_limit_s):
        found.take(priced)
        if not found.is_done():
            found.narrow(priced)
        if not found.is_done() and not found.is_late:
            found.exactly(found.within(priced, found.cost - found.impossible - priced.bound))
    else:
        found.begin({})
        found.by_sku()
        found.exactly(found.options)
    orders = tuple(range(len(task.demands)))
    return Pass(found.best, orders, max(0.0, found.cost - found.bound), found.impossible, found.is_late)


class _Search:
    """`best` is the cheapest plan so far, and no plan costs less than `bound`."""

    def __init__(self, task: Task) -> None:
        self.task, self.options = task, possible(task)
        self.impossible = sum(told.unsourced for line, told in enumerate(task.lines) if line not in self.options)
        self.best, self.cost, self.bound = Draft(task), inf, self.impossible + floor(task, self.options)
        self.is_late = False
        self._left_s = task.strategy.time_limit_s
        self._eager = sorted(range(len(task.demands)), key=lambda order: (-task.demands[order].priority, order))

    def is_done(self) -> bool:
        return self.cost - self.bound <= max(self._slack(), EPSILON)

    def begin(self, known: Known) -> None:
        """With what is known; the rest is filled in order by order."""
        draft = Draft(self.task)
        for line, told in enumerate(self.task.lines):
            draft.place_if_possible(line, known.get((self.task.demands[told.order].order_id, told.demand.line_id), {}))
        self._keep(draft)

    def take(self, priced: Priced) -> None:
        draft = Draft(self.task)
        for line, source in priced.sources.items():
            draft.place_if_possible(line, {source: self.task.lines[line].demand.quantity})
        self._keep(draft)
        self.bound = max(self.bound, self.impossible + priced.bound)
        self._left_s -= priced.seconds

    def narrow(self, priced: Priced) -> None:
        """With the options that exceed the bound by less than what a line costs on average: good plans have no other
        ones. Not where these are most of all options."""
        span = self._paid() / max(1, sum(map(bool, self.best.parts)))
        options = self.within(priced, span)
        if 2 * sum(map(len, options.values())) < sum(map(len, self.options.values())):
            self._solve(options, self.impossible + priced.bound + span)

    def by_sku(self) -> None:
        """Where rules about orders as a whole do not forbid to look at one SKU alone, and lines wait."""
        rules = (self.task.strategy.no_partial_orders, self.task.strategy.warehouses_per_order)
        if any(rules) or all(self.best.parts[line] for line in self.options):
            return
        self._left_s -= resolve_by_sku(self.task, self.options, self.best, self._left_s)
        self._keep(self.best)

    def exactly(self, options: Options) -> None:
        """`options` are all that a better plan can have. Not where they are far too many for the time that is left."""
        if sum(map(len, options.values())) > OPTIONS_A_SECOND * self._left_s:
            self.is_late = True
        else:
            self._solve(options, inf)

    def within(self, priced: Priced, excess: float) -> Options:
        """The options with no more than that."""
        kept = {
            line: tuple(source for source in sources if priced.excess[line, source] <= excess + EPSILON)
            for line, sources in self.options.items()
        }
        return {line: sources for line, sources in kept.items() if sources}

    def _solve(self, options: Options, otherwise: float) -> None:
        """With `options`, while a plan that has any other costs no less than `otherwise`."""
        found = solve_exactly(self.task, options, self.best, self._slack(), self._left_s)
        self._keep(found.draft)
        self.bound = max(self.bound, min(found.bound, otherwise, self.cost))
        self._left_s -= found.seconds
        self.is_late = found.is_late

    def _keep(self, draft: Draft) -> None:
        fill(draft, self._eager, self.options)
        polish(draft, self.options)
        if (cost := draft.cost()) < self.cost - EPSILON or draft is self.best:
            self.best, self.cost = draft, cost

    def _paid(self) -> float:
        return self.cost - self.best.unsourced_cost()

    def _slack(self) -> float:
        """What the strategy's gap allows."""
        return self.task.strategy.gap * self._paid()
