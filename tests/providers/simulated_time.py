"""Simulated time that tests let pass: it stands still while a webhook is on its way over a real socket."""

from collections.abc import Awaitable, Callable

from app.sandbox.vendors.simulation import World


def pass_time(world: World, now: list[int], ms: int) -> None:
    """Let `ms` pass; everything that is due happens in its millisecond."""
    for _ in range(ms):
        now[0] += 1
        while world.schedule.run_due():
            pass


async def pass_time_until(
    is_over: Callable[[], bool], world: World, now: list[int], drain: Callable[[], Awaitable[object]]
) -> None:
    """Let time pass from one due event to the next until `is_over`.

    `drain` waits, in real time, until every webhook that is due was attempted: a slow machine makes no simulated day
    end before an answer has come. Fails when nothing more is due.
    """
    await drain()
    while not is_over():
        assert len(world.schedule), "nothing more is due"
        while not world.schedule.run_due():
            now[0] += 1
        await drain()
