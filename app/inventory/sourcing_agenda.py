"""The agenda of a lane of `source`: requests that wait for their batch, and items whose waiting lines are due a check.

It stands beside the ledger and is rebuilt from it: after a restore each pending request is noted and each waiting line
is checked once more, so that nothing is lost with the process and nothing has to be written twice.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from app.inventory.allocator import Allocator, Cause
from app.inventory.backorder_queue import BackorderQueue, ItemKey, LineKey, QueuedLine
from app.inventory.ledger_values import BackorderRun, BackorderRuns, RunTrigger, SourcedOrder
from app.inventory.sourcing_answers import SourcingAnswer
from app.inventory.stock_book import StockBook

RUNS_MAX: Final = 100


class Batching(NamedTuple):
    """A batch is planned once its oldest request has waited `wait_ms`, or `orders_max` of them wait."""

    wait_ms: int
    orders_max: int


class RunRequest(NamedTuple):
    """A request to run the backorder job over a pool."""

    pool: str
    cause: Cause
    trigger: RunTrigger
    actor: str


class Recheck(NamedTuple):
    """An item whose waiting lines are due a check. `cause` is None after a restore; no plan could source `tried`."""

    cause: Cause | None
    tried: frozenset[LineKey] = frozenset()


Rechecks = dict[ItemKey, Recheck]


class _Counts(NamedTuple):
    """By pool: waiting lines of the checked items, and lines that have a source now."""

    looked_at: dict[str, int]
    released: dict[str, int]


class SourcingAgenda:
    """Mutable, and owned by one lane. `work` does what is due; what it puts off is done when it is called again."""

    def __init__(self, allocator: Allocator, batching: Batching) -> None:
        self._allocator = allocator
        self._batching = batching
        self.queue = BackorderQueue()
        self._requests: dict[str, int | None] = {}
        """Order id of each pending request -> since when `work` has seen it waiting (ms)."""
        self._rechecks: Rechecks = {}
        self._run_requests: list[RunRequest] = []
        self._running: set[str] = set()
        """Pools whose run of the backorder job goes on."""

    # ---- what is to be done ----

    def add_request(self, order_id: str) -> None:
        """Note that the order has a pending request."""
        self._requests.setdefault(order_id, None)

    def wake(self, items: Iterable[ItemKey], cause: Cause | None) -> None:
        """Note that stock of these items came, or is free again."""
        for item in items:
            self._rechecks[item] = Recheck(cause)

    def add_run(self, request: RunRequest) -> None:
        self._run_requests.append(request)

    def keep(self, order: SourcedOrder) -> None:
        """Note an order as it was committed, or read from the ledger, with its waiting lines and pending request."""
        self.queue.keep(order)
        if order.pending_request:
            self.add_request(order.order_id)

    def keep_runs(self, runs: BackorderRuns) -> None:
        """Note a pool's runs as they were committed, or read from the ledger: one that had not ended goes on."""
        if any(not run.ended for run in runs.jobs):
            self._running.add(runs.pool)

    # ---- doing it ----

    def work(self, book: StockBook, now_ms: int) -> list[SourcingAnswer]:
        """Make at most one plan for waiting lines and one for requests. Waiting lines come first.

        Nothing of the agenda changes before all is done, so that it can be called again after a break.
        """
        rechecks, running = self._start_runs(book)
        answers, rechecks, counts = self._source_waiting(book, rechecks, now_ms)
        self._record_runs(book, running, counts, rechecks, now_ms=now_ms)
        requests, due = self._due_requests(now_ms)
        answers += self._allocator.answer_requests(book, due)
        self._rechecks = rechecks
        self._requests = requests
        self._run_requests = []
        self._running = {pool for pool in running if _has_pool(rechecks, pool)}
        return answers

    @property
    def is_idle(self) -> bool:
        return not (self._requests or self._rechecks or self._run_requests or self._running)

    def _start_runs(self, book: StockBook) -> tuple[Rechecks, set[str]]:
        """Start the requested runs: all items that lines of the pool wait for are due. Ignore repeated requests."""
        rechecks = dict(self._rechecks)
        running = set(self._running)
        for request in self._run_requests:
            runs = book.runs(request.pool)
            if any(run.event_id == request.cause.event_id for run in runs.jobs):
                continue
            waiting = self.queue.count(request.pool)
            run = BackorderRun(
                event_id=request.cause.event_id,
                at=request.cause.at,
                why=request.trigger,
                actor=request.actor,
                looked_at=waiting,
                waiting=waiting,
                ended=False,
            )
            earlier = tuple(replace(each, ended=True) for each in runs.jobs)
            book.keep(replace(runs, jobs=(*earlier, run)[-RUNS_MAX:]))
            rechecks |= {item: Recheck(request.cause) for item in self.queue.items(request.pool)}
            running.add(request.pool)
        return rechecks, running

    def _source_waiting(
        self, book: StockBook, rechecks: Rechecks, now_ms: int
    ) -> tuple[list[SourcingAnswer], Rechecks, _Counts]:
        """Make one plan, for the lines of one pool whose turn it is. Return also the items to be checked again.

        Pools take turns: the items of this one come last in what is to be checked again.
        """
        in_turn = self._lines_in_turn(book, rechecks)
        if not in_turn:
            return [], {}, _Counts({}, {})
        pool = next(iter(in_turn)).pool
        remaining = {item: rechecks[item] for item in sorted(in_turn, key=lambda item: item.pool == pool)}
        queued_lines = self._first_orders(lines for item, lines in in_turn.items() if item.pool == pool)
        causes = {
            item.sku: recheck.cause or Cause("", now_ms) for item, recheck in remaining.items() if item.pool == pool
        }
        answers, sourced = self._allocator.source_waiting(book, queued_lines, causes)
        for line in queued_lines:
            if line.key not in sourced:
                recheck = remaining[line.item]
                remaining[line.item] = recheck._replace(tried=recheck.tried | {line.key})
        looked_at = sum(len(self.queue.of_item(item)) for item in {line.item for line in queued_lines})
        return answers, remaining, _Counts({pool: looked_at}, {pool: len(sourced)})

    def _lines_in_turn(self, book: StockBook, rechecks: Rechecks) -> dict[ItemKey, list[QueuedLine]]:
        in_turn: dict[ItemKey, list[QueuedLine]] = {}
        for item, recheck in rechecks.items():
            if not self.queue.of_item(item):
                continue
            available = book.available(item.sku, self._allocator.planner.warehouses(item.pool))
            if lines := self.queue.in_turn(item, available, recheck.tried):
                in_turn[item] = lines
        return in_turn

    def _first_orders(self, queues: Iterable[Sequence[QueuedLine]]) -> list[QueuedLine]:
        """Return the lines of as many orders as one plan may have: the first of each queue, the second of each...

        Fair order is a matter within an item: who waits for another takes nothing away, and is not held up.
        """
        orders: dict[str, list[QueuedLine]] = {}
        for _, line in sorted((place, line) for queue in queues for place, line in enumerate(queue)):
            if len(orders) < self._batching.orders_max or line.order_id in orders:
                orders.setdefault(line.order_id, []).append(line)
        return [line for lines in orders.values() for line in lines]

    def _record_runs(
        self, book: StockBook, running: set[str], counts: _Counts, rechecks: Rechecks, *, now_ms: int
    ) -> None:
        """Write down what was checked: in the run of the job that goes on, or as a run that a receipt started."""
        for pool in running:
            self._record_job(book, pool, counts, is_over=not _has_pool(rechecks, pool))
        for pool, looked_at in counts.looked_at.items():
            if pool not in running:
                released = counts.released[pool]
                run = BackorderRun(
                    event_id="",
                    at=now_ms,
                    why="receipt",
                    looked_at=looked_at,
                    released=released,
                    waiting=self.queue.count(pool) - released,
                )
                runs = book.runs(pool)
                book.keep(replace(runs, receipts=(*runs.receipts, run)[-RUNS_MAX:]))

    def _record_job(self, book: StockBook, pool: str, counts: _Counts, *, is_over: bool) -> None:
        runs = book.runs(pool)
        released = counts.released.get(pool, 0)
        if not runs.jobs:
            return
        *earlier, run = runs.jobs
        after = replace(run, released=run.released + released, waiting=run.waiting - released, ended=is_over)
        if after != run:
            book.keep(replace(runs, jobs=(*earlier, after)))

    def _due_requests(self, now_ms: int) -> tuple[dict[str, int | None], Sequence[str]]:
        """Return the requests that go on waiting, each with the time since when, and those whose batch is due."""
        requests = {order_id: now_ms if since is None else since for order_id, since in self._requests.items()}
        oldest = min(requests.values(), default=now_ms)
        is_full = len(requests) >= self._batching.orders_max
        if not requests or not (is_full or now_ms - oldest >= self._batching.wait_ms):
            return dict(requests), ()
        due = list(requests)[: self._batching.orders_max]
        return {order_id: requests[order_id] for order_id in list(requests)[len(due) :]}, due


def _has_pool(rechecks: Rechecks, pool: str) -> bool:
    return any(item.pool == pool for item in rechecks)
