"""Role `pull`: pulls orders and reports from providers; what a pull brings and its cursor are one transaction.

Each source is asked at intervals, and at once when a record of `pull-requested` hints at it. A source that is slow or
away holds up no other. Deliberately absent: what becomes of a hint that is lost, because the next interval finds the
same.

Requirements: S10, S23, S58.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from app.agents.calls import log_mistake
from app.agents.pulled import UNMAPPABLE, Pulled
from app.errors import ProviderError
from app.events.record import DEAD_LETTER, Output, Record
from app.lanes.lane_limits import SYSTEM_CLOCK, Clock
from app.lanes.role import Folded, Role
from app.providers.port import PullSource

_journal = logging.getLogger(__name__)
PAGES_MAX: Final = 4
"""Pages taken in one transaction, so that its size stays bounded."""
LANE: Final = 0
"""The one lane of the role."""
HURRY_S: Final = 1.0
"""Between two questions to a source, however many hints there are: its quota is for the orders, too."""


class PullResult(NamedTuple):
    """What some pages brought. `more`: there is more to be had at once. `problem`: why the last call failed."""

    outputs: Sequence[Output] = ()
    cursor: str | None = None
    more: bool = False
    problem: str = ""


class PullObserver(Protocol):
    """Where the role reports."""

    def pulled(self, partition: int, source: str, at: float) -> None:
        """All that a source had was pulled, at that time of the monotonic clock."""


class Pull(Role):
    """The one lane of the role `pull`."""

    name = "pull"
    inputs: tuple[str, ...] = ("pull-requested",)
    ledger = "pull-ledger"

    def __init__(
        self,
        pulled: Pulled,
        sources: Iterable[PullSource],
        every_s: float,
        clock: Clock = SYSTEM_CLOCK,
        observer: PullObserver | None = None,
    ) -> None:
        """`every_s`: seconds between two questions to a source that nothing hints at."""
        self._observer = observer
        self._pulled, self._every_s = pulled, every_s
        self._sources = {source.cursor_key: source for source in sources}
        self._clock = clock
        self._due_at = dict.fromkeys(self._sources, 0.0)
        self._began_at = dict.fromkeys(self._sources, 0.0)
        self._pulls: dict[str, asyncio.Task[PullResult]] = {}
        self._hinted = asyncio.Event()
        self.failures: dict[str, str] = {}
        """What each source answered last, where it failed: for logs and views."""

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded:
        """Note a hint. It is not kept: the successor of a process that dies with one asks every source first."""
        provider = (record.key or b"").decode(errors="replace").partition("/")[0]
        hinted = [name for name in self._sources if name.partition("/")[0] == provider]
        for name in hinted:
            soon = self._began_at[name] + min(HURRY_S, self._every_s)
            self._due_at[name] = min(self._due_at[name], soon)
        if hinted:
            self._hinted.set()
        return Folded(outcome="hint" if hinted else "ignored")

    async def poll(self, state: Mapping[bytes, bytes]) -> Folded | None:
        """Ask what is due until some source has something to write. The lane commits it before it polls again."""
        try:
            while True:
                self._hinted.clear()
                self._ask(state)
                await self._wait()
                if folded := self._answered(state):
                    return folded
        except asyncio.CancelledError:
            for task in self._pulls.values():
                task.cancel()
            await asyncio.gather(*self._pulls.values(), return_exceptions=True)
            raise

    def _ask(self, state: Mapping[bytes, bytes]) -> None:
        now = self._clock.monotonic()
        for name, source in self._sources.items():
            if name not in self._pulls and self._due_at[name] <= now:
                self._began_at[name], self._due_at[name] = now, now + self._every_s
                cursor = state.get(name.encode())
                question = self._pages(name, source, cursor.decode() if cursor else None)
                self._pulls[name] = asyncio.create_task(question, name=f"pull {name}")

    async def _wait(self) -> None:
        """Wait until a source has answered, another is due, or a hint came."""
        idle = [due for name, due in self._due_at.items() if name not in self._pulls]
        limit = max(0.0, min(idle) - self._clock.monotonic()) if idle else None
        hinted = asyncio.create_task(self._hinted.wait())
        try:
            await asyncio.wait({hinted, *self._pulls.values()}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hinted.cancel()

    def _answered(self, state: Mapping[bytes, bytes]) -> Folded | None:
        """Return what the sources that have answered brought, if anything."""
        outputs: list[Output] = []
        changes: dict[bytes, bytes | None] = {}
        for name in [name for name, task in self._pulls.items() if task.done()]:
            result = self._pulls.pop(name).result()
            self._note(name, result.problem)
            if not result.problem and not result.more:
                self._report(name, self._began_at[name])
            if result.more:
                self._due_at[name] = self._began_at[name]
            outputs += result.outputs
            if result.cursor is not None and result.cursor.encode() != state.get(name.encode()):
                changes[name.encode()] = result.cursor.encode()
        if not outputs and not changes:
            return None
        dead = [UNMAPPABLE for output in outputs if output.topic == DEAD_LETTER]
        return Folded(outputs, changes, outcome="pulled", dead=dead)

    async def _pages(self, name: str, source: PullSource, cursor: str | None) -> PullResult:
        """Pull some pages from the cursor on. Those that were read before a call failed count all the same."""
        result = PullResult(cursor=cursor)
        for _ in range(PAGES_MAX):
            try:
                page = await source.pull(result.cursor)
                outputs = [*result.outputs, *self._pulled.written(name, page)]
            except ProviderError as problem:
                return result._replace(problem=str(problem), more=False)
            except Exception as problem:  # of one source: the others go on
                log_mistake(name, problem)
                return result._replace(problem=f"its client failed ({type(problem).__name__})", more=False)
            result = PullResult(outputs, page.cursor, page.more)
            if not page.more:
                break
        return result

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        for name in self._sources:  # the previous owner may have pulled all until now
            self._report(name, self._clock.monotonic())

    def _report(self, name: str, at: float) -> None:
        if self._observer is not None:
            self._observer.pulled(LANE, name, at)

    def _note(self, name: str, problem: str) -> None:
        """Log once that a source fails, and once that it answers again."""
        if problem != self.failures.get(name, ""):
            _journal.warning("%s: %s", name, problem or "answers again")
        self.failures[name] = problem
        if not problem:
            del self.failures[name]
