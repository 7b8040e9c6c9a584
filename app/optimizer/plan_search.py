"""Search for the cheapest plan of one task: the quick methods first, until the gap is closed or the time is over."""

from collections.abc import Mapping
from math import inf

from msgspec import Struct

from app.optimizer.column_generation import Priced, price
from app.optimizer.exact_solver import resolve_by_sku, solve_exactly
from app.optimizer.heuristics import fill, polish
from app.optimizer.lower_bound import lower_bound
from app.optimizer.plan_draft import EPSILON, Draft, Parts
from app.optimizer.presolve import Options, feasible_options
from app.optimizer.solver_task import Task

WarmStart = Mapping[tuple[str, str], Parts]
"""(order id, line id) -> parts, of a plan that the new one must not fall behind."""
OPTIONS_A_SECOND = 10_000
"""With more options than this, the exact solver has no more than a first bound after a second."""


class SearchResult(Struct, frozen=True):
    """The plan of one strategy. `orders` are those that it plans in the end.

    It costs at most `slack` more than the cheapest one. Of its cost, `impossible` is for lines that no source can ship.
    """

    draft: Draft
    orders: tuple[int, ...]
    slack: float
    impossible: float
    is_late: bool

    @property
    def task(self) -> Task:
        return self.draft.task


def search(task: Task, start: WarmStart) -> SearchResult:
    """Return the best plan: by column generation, then, where a gap remains, exactly, with few options and with all."""
    state = _Search(task)
    if start:
        state.begin(start)
    if priced := price(task, state.options, task.strategy.time_limit_s):
        state.take(priced)
        if not state.is_done():
            state.narrow(priced)
        if not state.is_done() and not state.is_late:
            state.exactly(state.within(priced, state.cost - state.impossible - priced.bound))
    else:
        state.begin({})
        state.by_sku()
        state.exactly(state.options)
    return SearchResult(
        draft=state.best,
        orders=tuple(range(len(task.demands))),
        slack=max(0.0, state.cost - state.bound),
        impossible=state.impossible,
        is_late=state.is_late,
    )


class _Search:
    """The state of a search. `best` is the cheapest plan so far, and no plan costs less than `bound`."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.options = feasible_options(task)
        self.impossible = sum(
            task_line.unsourced for line, task_line in enumerate(task.lines) if line not in self.options
        )
        self.best = Draft(task)
        self.cost = inf
        self.bound = self.impossible + lower_bound(task, self.options)
        self.is_late = False
        self._remaining_s = task.strategy.time_limit_s
        self._by_priority = sorted(range(len(task.demands)), key=lambda order: (-task.demands[order].priority, order))

    def is_done(self) -> bool:
        """Return whether the gap is closed as far as the strategy asks."""
        return self.cost - self.bound <= max(self._slack(), EPSILON)

    def begin(self, start: WarmStart) -> None:
        """Start from a plan; lines that it does not have are filled in greedily, order by order."""
        draft = Draft(self.task)
        for line, task_line in enumerate(self.task.lines):
            draft.place_if_possible(
                line, start.get((self.task.demands[task_line.order].order_id, task_line.demand.line_id), {})
            )
        self._keep(draft)

    def take(self, priced: Priced) -> None:
        """Use the plan and the bound of column generation."""
        draft = Draft(self.task)
        for line, source in priced.sources.items():
            draft.place_if_possible(line, {source: self.task.lines[line].demand.quantity})
        self._keep(draft)
        self.bound = max(self.bound, self.impossible + priced.bound)
        self._remaining_s -= priced.seconds

    def narrow(self, priced: Priced) -> None:
        """Solve exactly with the options whose excess is below the average cost of a line: good plans have no others.

        Skipped where these are most of all options.
        """
        span = self._sourced_cost() / max(1, sum(map(bool, self.best.parts)))
        options = self.within(priced, span)
        if 2 * sum(map(len, options.values())) < sum(map(len, self.options.values())):
            self._solve(options, self.impossible + priced.bound + span)

    def by_sku(self) -> None:
        """Plan SKU by SKU, if lines have no source, and no rule about whole orders forbids to plan one SKU alone."""
        rules = (self.task.strategy.no_partial_orders, self.task.strategy.warehouses_per_order)
        if any(rules) or all(self.best.parts[line] for line in self.options):
            return
        self._remaining_s -= resolve_by_sku(self.task, self.options, self.best, self._remaining_s)
        self._keep(self.best)

    def exactly(self, options: Options) -> None:
        """Solve with `options`, all that a better plan can have. Skipped where they are too many for the time."""
        if sum(map(len, options.values())) > OPTIONS_A_SECOND * self._remaining_s:
            self.is_late = True
        else:
            self._solve(options, inf)

    def within(self, priced: Priced, excess: float) -> Options:
        """Return the options with at most this excess."""
        options = {
            line: tuple(source for source in sources if priced.excess[line, source] <= excess + EPSILON)
            for line, sources in self.options.items()
        }
        return {line: sources for line, sources in options.items() if sources}

    def _solve(self, options: Options, otherwise: float) -> None:
        """Solve exactly with `options`; a plan with any other option costs no less than `otherwise`."""
        exact = solve_exactly(self.task, options, self.best, slack=self._slack(), time_limit_s=self._remaining_s)
        self._keep(exact.draft)
        self.bound = max(self.bound, min(exact.bound, otherwise, self.cost))
        self._remaining_s -= exact.seconds
        self.is_late = exact.is_late

    def _keep(self, draft: Draft) -> None:
        fill(draft, self._by_priority, self.options)
        polish(draft, self.options)
        if (cost := draft.cost()) < self.cost - EPSILON or draft is self.best:
            self.best = draft
            self.cost = cost

    def _sourced_cost(self) -> float:
        return self.cost - self.best.unsourced_cost()

    def _slack(self) -> float:
        """Return the extra cost that the strategy's gap allows."""
        return self.task.strategy.gap * self._sourced_cost()
