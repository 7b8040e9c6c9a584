"""Looks for the cheapest plan of one task, the quick ways first, until the gap is closed or the time is over."""

from math import inf

from app.sourcing.answer import Pass
from app.sourcing.draft import EPSILON, Draft
from app.sourcing.exact import solve_exactly
from app.sourcing.improve import fill, polish
from app.sourcing.pricing import Priced, price
from app.sourcing.reduce import Options, possible
from app.sourcing.task import Task


def search(task: Task) -> Pass:
    """The best plan found. Prices first; then, where they leave a gap, exactly, with few options and with all."""
    found = _Search(task)
    if priced := price(task, found.options, task.strategy.time_limit_s):
        found.take(priced)
        if not found.is_done():
            found.narrow(priced)
        if not found.is_done() and not found.is_late:
            found.exactly(found.within(priced, found.cost - found.bound))
    else:
        found.begin()
        found.exactly(found.options)
    return Pass(found.best, found.bound, found.is_late)


class _Search:
    """`best` is the cheapest plan so far, and no plan costs less than `bound`."""

    def __init__(self, task: Task) -> None:
        self.task, self.options = task, possible(task)
        self.best, self.cost, self.bound = Draft(task), inf, -inf
        self.is_late = False
        self._left_s = task.strategy.time_limit_s
        self._eager = sorted(range(len(task.demands)), key=lambda order: (-task.demands[order].priority, order))
        self._impossible = sum(told.unsourced for line, told in enumerate(task.lines) if line not in self.options)

    def is_done(self) -> bool:
        return self.cost - self.bound <= max(self._slack(), EPSILON)

    def begin(self) -> None:
        """With a plan made order by order."""
        self._keep(Draft(self.task))

    def take(self, priced: Priced) -> None:
        draft = Draft(self.task)
        for line, source in priced.sources.items():
            draft.place_if_possible(line, {source: self.task.lines[line].demand.quantity})
        self._keep(draft)
        self.bound = self._impossible + priced.bound
        self._left_s -= priced.seconds

    def narrow(self, priced: Priced) -> None:
        """With the options that exceed the bound by less than what a line costs on average: good plans have no other
        ones. Not where these are most of all options."""
        span = self._paid() / max(1, sum(map(bool, self.best.parts)))
        options = self.within(priced, span)
        if 2 * sum(map(len, options.values())) < sum(map(len, self.options.values())):
            self._solve(options, self._impossible + priced.bound + span)

    def exactly(self, options: Options) -> None:
        """`options` are all that a better plan can have."""
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
        if (cost := draft.cost()) < self.cost - EPSILON:
            self.best, self.cost = draft, cost

    def _paid(self) -> float:
        return self.cost - self.best.unsourced_cost()

    def _slack(self) -> float:
        """What the strategy's gap allows."""
        return self.task.strategy.gap * self._paid()
