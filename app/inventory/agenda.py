"""What a lane of `source` still has to do: requests that wait for their batch, items whose waiting lines are looked at.

It stands beside the ledger and can be made anew from it: after a restore, each request is asked and each line that
waits is looked at once more, so that nothing is lost with the process and nothing has to be written down twice.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from app.inventory.desk import Cause, Desk
from app.inventory.ledger_values import Run, Runs, Sourced, Why
from app.inventory.result_bodies import Answer
from app.inventory.stock_book import Book
from app.inventory.waiters import Item, Line, Waiter, Waiters

RUNS_MAX: Final = 100


class Batching(NamedTuple):
    """A batch is planned once its oldest request has waited `wait_ms`, or `orders_max` of them wait."""

    wait_ms: int
    orders_max: int


class Job(NamedTuple):
    """A run of the backorder job that was asked for."""

    pool: str
    cause: Cause
    why: Why
    actor: str


class Look(NamedTuple):
    """An item to be looked at. `cause` is None after a restore, `tried` are lines that no plan could source."""

    cause: Cause | None
    tried: frozenset[Line] = frozenset()


class Agenda:
    """Mutable, and owned by one lane. `work` does what is due; what it puts off is done when it is called again."""

    def __init__(self, desk: Desk, batching: Batching) -> None:
        self._desk, self._batching = desk, batching
        self.waiters = Waiters()
        self._asked: dict[str, int | None] = {}
        self._looks: dict[Item, Look] = {}
        self._jobs: list[Job] = []
        self._open: set[str] = set()

    # ---- what is to be done ----

    def ask(self, order_id: str) -> None:
        """The order has a request that waits."""
        self._asked.setdefault(order_id, None)

    def wake(self, items: Iterable[Item], cause: Cause | None) -> None:
        """Stock of these came, or is free again."""
        for item in items:
            self._looks[item] = Look(cause)

    def run(self, job: Job) -> None:
        self._jobs.append(job)

    def keep(self, order: Sourced) -> None:
        """The order as it was committed, or found in the ledger: a request that it has waits."""
        self.waiters.keep(order)
        if order.asked:
            self.ask(order.order_id)

    def keep_runs(self, runs: Runs) -> None:
        """A pool's runs as committed, or found in the ledger: one that was going on goes on."""
        if any(not run.ended for run in runs.jobs):
            self._open.add(runs.pool)

    # ---- doing it ----

    def work(self, book: Book, now_ms: int) -> list[Answer]:
        """At most one plan for lines that wait and one for requests, in this order: who waits comes first.

        Nothing of the agenda changes before all is done, so that it can be called again after a break.
        """
        looks, opened = self._with_jobs(book)
        said, looks, counted = self._look(book, looks, now_ms)
        self._note(book, opened, counted, looks, now_ms)
        asked, due = self._due(now_ms)
        said += self._desk.batch(book, due)
        self._looks, self._asked, self._jobs = looks, asked, []
        self._open = {pool for pool in opened if any(item[0] == pool for item in looks)}
        return said

    @property
    def is_idle(self) -> bool:
        return not (self._asked or self._looks or self._jobs or self._open)

    def _with_jobs(self, book: Book) -> tuple[dict[Item, Look], set[str]]:
        """A run looks at every item that its pool waits for; one that was asked for before is not run again."""
        looks, opened = dict(self._looks), set(self._open)
        for job in self._jobs:
            runs = book.runs(job.pool)
            if any(run.event_id == job.cause.event_id for run in runs.jobs):
                continue
            waiting = self.waiters.count(job.pool)
            run = Run(job.cause.event_id, job.cause.at, job.why, job.actor, waiting, 0, waiting, ended=False)
            earlier = tuple(replace(old, ended=True) for old in runs.jobs)
            book.keep(replace(runs, jobs=(*earlier, run)[-RUNS_MAX:]))
            looks |= {item: Look(job.cause) for item in self.waiters.items(job.pool)}
            opened.add(job.pool)
        return looks, opened

    def _look(
        self, book: Book, looks: dict[Item, Look], now_ms: int
    ) -> tuple[list[Answer], dict[Item, Look], "Counts"]:
        """One plan for those whose turn it is, of one pool; the items that have to be looked at again after it."""
        chosen: dict[Item, list[Waiter]] = {}
        counts = Counts({}, {})
        for item, look in looks.items():
            if not self.waiters.queue(item):
                continue
            free = book.available(item[1], self._desk.planner.warehouses(item[0]))
            if found := self.waiters.in_turn(item, free, look.tried):
                chosen[item] = found
        left = {item: look for item, look in looks.items() if item in chosen}
        if not chosen:
            return [], {}, counts
        pool = min(item[0] for item in chosen)
        waiters = self._first(waiter for item, found in chosen.items() if item[0] == pool for waiter in found)
        causes = {item[1]: look.cause or Cause("", now_ms) for item, look in left.items() if item[0] == pool}
        said, sourced = self._desk.wake(book, waiters, causes)
        for waiter in waiters:
            if waiter.line not in sourced:
                look = left[waiter.item]
                left[waiter.item] = look._replace(tried=look.tried | {waiter.line})
        items = {waiter.item for waiter in waiters}
        counts.looked_at[pool] = sum(len(self.waiters.queue(item)) for item in items)
        counts.released[pool] = len(sourced)
        return said, left, counts

    def _first(self, waiters: Iterable[Waiter]) -> list[Waiter]:
        """The lines of as many orders as one plan may have, in fair order."""
        orders: dict[str, list[Waiter]] = {}
        for waiter in sorted(waiters):
            if len(orders) < self._batching.orders_max or waiter.order_id in orders:
                orders.setdefault(waiter.order_id, []).append(waiter)
        return [waiter for found in orders.values() for waiter in found]

    def _note(self, book: Book, opened: set[str], counts: "Counts", looks: dict[Item, Look], now_ms: int) -> None:
        """Write down what was looked at: in the run that goes on, or as one that stock set off by itself."""
        for pool in opened:
            self._note_job(book, pool, counts, is_over=not any(item[0] == pool for item in looks))
        for pool, looked_at in counts.looked_at.items():
            if pool not in opened:
                released = counts.released[pool]
                left = self.waiters.count(pool) - released
                run = Run("", now_ms, "receipt", "", looked_at, released, left)
                runs = book.runs(pool)
                book.keep(replace(runs, receipts=(*runs.receipts, run)[-RUNS_MAX:]))

    def _note_job(self, book: Book, pool: str, counts: "Counts", *, is_over: bool) -> None:
        runs, released = book.runs(pool), counts.released.get(pool, 0)
        if not runs.jobs:
            return
        *earlier, run = runs.jobs
        after = replace(run, released=run.released + released, waiting=run.waiting - released, ended=is_over)
        if after != run:
            book.keep(replace(runs, jobs=(*earlier, after)))

    def _due(self, now_ms: int) -> tuple[dict[str, int | None], Sequence[str]]:
        """The requests with the times since which they wait, and those whose batch is due."""
        asked = {order_id: now_ms if since is None else since for order_id, since in self._asked.items()}
        oldest = min(asked.values(), default=now_ms)
        if not asked or (len(asked) < self._batching.orders_max and now_ms - oldest < self._batching.wait_ms):
            return dict(asked), ()
        due = list(asked)[: self._batching.orders_max]
        return {order_id: asked[order_id] for order_id in list(asked)[len(due) :]}, due


class Counts(NamedTuple):
    """By pool: lines whose turn was looked at, and lines that have a source now."""

    looked_at: dict[str, int]
    released: dict[str, int]
