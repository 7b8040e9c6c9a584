"""An event loop in virtual time: nothing waits, the clock leaps to what is due next, order follows from calls alone.

Each callback belongs to the process that scheduled it (`PROCESS`). A process that was killed never runs again, not even
its `finally`; a frozen one runs all that it missed when it wakes up. No socket, thread or signal is supported.
"""

import asyncio
import contextlib
from contextvars import ContextVar
from heapq import heappop
from typing import Any

_TOGETHER_S = 1e-9
"""Timers this close are due together."""
_CALLBACKS_MAX = 3_000_000


class Process:
    """What can be killed and frozen as a whole."""

    def __init__(self, name: str) -> None:
        self.name, self.alive, self.frozen = name, True, False
        self.held: list[asyncio.Handle] = []


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class StandstillError(AssertionError):
    """Nothing is scheduled any more, or the world never comes to rest."""


class VirtualLoop(asyncio.BaseEventLoop):
    _ready: Any
    _scheduled: Any

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self.callbacks = 0
        self._tasks: list[Any] = []
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        return self._now

    def _new_task(self, _loop: Any, work: Any, **more: Any) -> Any:
        """Tasks are kept to the end: a dead process must not run its `finally` because somebody collects garbage."""
        task: Any = asyncio.Task(work, loop=self, **more)
        task._log_destroy_pending = False
        self._tasks.append(task)
        return task

    def close(self) -> None:
        """Whatever is still waiting ends here, unheard."""
        for task in self._tasks:
            if not task.done():
                with contextlib.suppress(RuntimeError):
                    task.get_coro().close()
        super().close()

    def thaw(self, process: Process) -> None:
        """Let a frozen process run on."""
        process.frozen = False
        self._ready.extend(process.held)
        process.held = []

    def _run_once(self) -> None:
        ready = self._ready
        if not ready:
            self._leap()
        for _ in range(len(ready)):
            handle = ready.popleft()
            process = handle._context.get(PROCESS)
            if handle._cancelled or (process is not None and not process.alive):
                continue
            if process is not None and process.frozen:
                process.held.append(handle)
            else:
                self.callbacks += 1
                handle._run()
        if self.callbacks > _CALLBACKS_MAX:
            raise StandstillError(f"{_CALLBACKS_MAX} callbacks ran by {self._now:.0f} s of virtual time: a busy loop?")

    def _leap(self) -> None:
        """Go to the next moment at which something is due."""
        scheduled = self._scheduled
        while scheduled and (not self._ready or scheduled[0]._when <= self._now + _TOGETHER_S):
            handle = heappop(scheduled)
            handle._scheduled = False
            process = handle._context.get(PROCESS)
            if handle._cancelled or (process is not None and not process.alive):
                continue
            self._now = max(self._now, handle._when)
            self._ready.append(handle)
        if not self._ready:
            raise StandstillError(f"nothing is scheduled any more at {self._now:.3f} s of virtual time")

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody waits in a selector that would have to be woken."""
