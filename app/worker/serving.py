"""Running of Faust apps: until a signal or a failure, then the end in order, with the exit code of the process."""

import asyncio
import gc
import logging
import signal
from collections.abc import Sequence

from app.errors import BrokerError
from app.kafka.cluster_refusals import explain_denial
from app.worker.app_factory import RoleApp
from app.worker.process_end import EXIT_LANE_LOST, end_process

GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""Allocations between two looks for cycles. Python's default of 700 looks at each batch of records many times over."""
STOP_LIMIT_S = 20.0
_journal = logging.getLogger(__name__)


async def serve(apps: Sequence[RoleApp]) -> int:
    """Run apps until SIGTERM or SIGINT, then stop them in order. Return the exit code for the process.

    One app that ends by itself ends them all: the process is started again, and each lane goes on at its position.
    Raises BrokerError, once all have stopped, when it ended because the cluster does not allow it something.
    """
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    running = [asyncio.create_task(_run(app)) for app in apps]
    done, _ = await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in done if task is not stopping]
    denial = None
    for task in failed:
        reason = task.exception() or task.result()
        cluster = apps[running.index(task)].cluster
        denial = explain_denial(cluster, reason) if isinstance(reason, BaseException) else None
        _journal.critical("a worker ended: %s", denial or reason)
    try:
        async with asyncio.timeout(STOP_LIMIT_S):
            for app in apps:
                await _stop(app)
    except TimeoutError:
        _journal.critical("the worker did not stop within %g s and is ended", STOP_LIMIT_S)
        end_process(TimeoutError())
    for task in (stopping, *running):
        task.cancel()
    await asyncio.gather(stopping, *running, return_exceptions=True)
    if denial:
        raise BrokerError(denial)
    return EXIT_LANE_LOST if failed else 0


async def _run(app: RoleApp) -> object:
    """Run an app until it stops. Return why it ended when it crashed."""
    app.host.reading = app.consumer  # type: ignore[assignment]
    await app.start()
    await app.wait_until_stopped()
    return app.crash_reason


async def _stop(app: RoleApp) -> None:
    """Stop an app in order: no new folds, the running checkpoints end, the producers close.

    Only then Faust commits the offsets that were acknowledged and leaves the group: the next owner of the lanes is
    assigned them when they are closed.
    """
    app.consumer.stop_flow()
    await app.host.close()
    await app.stop()
