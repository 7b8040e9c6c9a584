"""Running of work that lasts until somebody stops it."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

Result = TypeVar("Result")


def until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it and return its result.

    Ctrl-C and SIGTERM end it in order, with everything it started, and then the process with code 130.
    """

    async def guarded() -> Result:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        return await task

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise typer.Exit(130) from None
