"""Runs the demo: a broker, the simulators, every role as a process of its own, then orders, then the verdict."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.errors import WaybillError
from app.sandbox.demo.definitions_shown import show_definitions
from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.observe import Observer, Reader
from app.sandbox.demo.order_source import SOURCED, store_settings
from app.sandbox.demo.outage import Fault
from app.sandbox.demo.seeding import seed
from app.sandbox.demo.stages import stages
from app.sandbox.demo.supply import Supply, holds
from app.sandbox.demo.verdict import Report, judge
from app.sandbox.local.ports import free_port
from app.sandbox.local.running import Running
from app.sandbox.local.supervise import Supervisor
from app.sandbox.local.up import addresses_of, simulated, start_all

READY_TIMEOUT_S: Final = 90.0
STALL_TIMEOUT_S: Final = 120.0
"""The demo gives up when nothing at all was published for this long."""
AFTERMATH_QUIET_S: Final = 60.0
"""After the last order has ended the last channel updates are still to come. A worker that lost its broker may take
45 s to come back, so only a longer silence means that nothing will."""


@dataclass(frozen=True)
class Round:
    """Orders that appear over `over_s` seconds, and what is out of order meanwhile.

    `supply` is what the warehouses have, where orders are sourced; `late` come last, while backorders are off.
    """

    orders: Sequence[DemoOrder]
    over_s: float = 0.0
    fault: Fault | None = None
    supply: Supply | None = None
    late: Sequence[DemoOrder] = ()


@dataclass(frozen=True)
class Plan:
    """`stamp` names the run, `topics` are those to observe, `schemas` the Avro schemas by id."""

    bootstrap_servers: str
    stamp: str
    rounds: Sequence[Round]
    folder: Path
    topics: Sequence[str]
    schemas: Mapping[int, Any]

    @property
    def faults(self) -> list[Fault]:
        return [each.fault for each in self.rounds if each.fault is not None]

    @property
    def supplies(self) -> list[Supply]:
        return [each.supply for each in self.rounds if each.supply is not None]


async def run(plan: Plan, console: Console) -> Report:
    """Raises WaybillError when a process cannot be kept running; an order that does not end is in the report
    instead."""
    port = free_port()
    simulators = f"http://127.0.0.1:{port}"
    environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": plan.bootstrap_servers}
    for supply in plan.supplies:
        environ |= supply.settings
    told = simulated(environ, port) | store_settings(plan.stamp)
    observer = Observer(plan.bootstrap_servers, plan.topics, Reader(plan.schemas))
    try:
        await observer.open()
        async with Supervisor(plan.folder, told) as supervisor, httpx.AsyncClient(base_url=simulators) as client:
            here = start_all(supervisor, plan.bootstrap_servers, port)
            for name, address in addresses_of(here):
                console.print(f"{name:<12} {address}", markup=False, highlight=False)
            definitions = asyncio.create_task(show_definitions(told))
            await _ready(client, supervisor, here)
            for each in plan.rounds:
                observer.expect((*each.orders, *each.late))
                async with _supplied(plan, each, observer, client):
                    await _run(each, observer, client, supervisor, console)
            await observer.settle()
            shown_here = {**await definitions, **_stock_held(plan, observer)}
            return judge(plan.bootstrap_servers, observer.cases.values(), shown_here, plan.faults)
    finally:
        await observer.close()


async def _run(
    each: Round, observer: Observer, client: httpx.AsyncClient, supervisor: Supervisor, console: Console
) -> None:
    """One round, until its orders have ended and what follows an end was seen, or nothing moves any more."""
    if each.fault is not None:
        console.print(str(each.fault), highlight=False)
        (await client.post("/_sim/faults", json=each.fault.request())).raise_for_status()
    await asyncio.gather(seed(client, each.orders, each.over_s), _follow(each, observer, client, supervisor, console))


@contextlib.asynccontextmanager
async def _supplied(plan: Plan, each: Round, observer: Observer, client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Plays the stages of the round's supply beside what it is entered for. Raises what they raise."""
    if each.supply is None:
        yield
        return
    cases = [observer.cases[order.order_id] for order in (*each.orders, *each.late) if order.scenario == SOURCED]

    async def seed_late() -> None:
        await seed(client, each.late, 0.0)

    name = f"{plan.stamp}/{plan.rounds.index(each)}"
    async with stages(plan.bootstrap_servers, each.supply, name) as played:
        await played.open()
        playing = asyncio.create_task(played.play(cases, each.late, seed_late))
        try:
            yield
        finally:
            if not playing.done():
                playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        if not playing.cancelled():
            playing.result()


def _stock_held(plan: Plan, observer: Observer) -> dict[str, bool]:
    """S64 speaks of stock as well: what was lacking was, and nothing was given away twice."""
    if not plan.supplies:
        return {}
    sourced = [case for case in observer.cases.values() if case.order.scenario == SOURCED]
    return {"S64": holds(plan.supplies, sourced)}


async def _ready(client: httpx.AsyncClient, supervisor: Supervisor, here: Running) -> None:
    """Until every process can take orders: then what is measured is theirs, and not their start."""
    views = [f"{here.simulators}/_sim/state", *(f"{url}/ready" for url in here.workers.values())]
    deadline = time.monotonic() + READY_TIMEOUT_S
    while views:
        if time.monotonic() > deadline:
            tails = "\n".join(process.tail() for process in supervisor.processes)
            raise WaybillError(f"not ready in {READY_TIMEOUT_S:.0f} s: {', '.join(views)}; what all said:\n{tails}")
        supervisor.check()
        with contextlib.suppress(httpx.TransportError):
            if (await client.get(views[0])).is_success:
                del views[0]
                continue
        await asyncio.sleep(0.1)


async def _follow(
    each: Round, observer: Observer, client: httpx.AsyncClient, supervisor: Supervisor, console: Console
) -> None:
    cases = [observer.cases[order.order_id] for order in (*each.orders, *each.late)]
    with _progress(console) as progress:
        scenarios = Counter(case.order.scenario for case in cases)
        bars = {number: progress.add_task(f"scenario {number}", total=n) for number, n in sorted(scenarios.items())}
        await _until_ended(cases, observer, supervisor, progress, bars)
    await _until_told(cases, observer, client)


async def _until_told(cases: Sequence[Case], observer: Observer, client: httpx.AsyncClient) -> None:
    """Until everything holds, or nothing more comes."""
    seen, moved = -1, time.monotonic()
    while time.monotonic() - moved < AFTERMATH_QUIET_S:
        await observer.look(200)
        await observer.read_journal(client)
        total = sum(len(case.records) + len(case.deeds) for case in cases)
        if total == seen:
            continue
        seen, moved = total, time.monotonic()
        if judge("", cases, {}).truth:
            return


async def _until_ended(
    cases: Sequence[Case], observer: Observer, supervisor: Supervisor, progress: Progress, bars: Mapping[int, TaskID]
) -> None:
    waiting, totals = list(cases), Counter(case.order.scenario for case in cases)
    seen, moved = 0, time.monotonic()
    while waiting and time.monotonic() - moved < STALL_TIMEOUT_S:
        await observer.look(200)
        supervisor.check()
        total = sum(len(case.records) for case in cases)
        if total != seen:
            seen, moved = total, time.monotonic()
            waiting = [case for case in waiting if not case.ended()]
            left = Counter(case.order.scenario for case in waiting)
            for scenario, bar in bars.items():
                progress.update(bar, completed=totals[scenario] - left[scenario])


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
