"""Runs the demo: a broker, the simulators, every role as a process of its own, then orders, then the verdict."""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.demo.evidence import Case
from app.demo.observe import Observer, Reader
from app.demo.orders import DemoOrder
from app.demo.report import Report, judge
from app.demo.scenarios import SCENARIOS
from app.demo.setup import show_definitions
from app.demo.source import store
from app.errors import WaybillError
from app.runtime.ports import free_port
from app.runtime.supervise import Supervisor
from app.runtime.up import shown, simulated, start_all

READY_TIMEOUT_S: Final = 90.0
STALL_TIMEOUT_S: Final = 120.0
"""The demo gives up when nothing at all was published for this long."""
AFTERMATH_QUIET_S: Final = 60.0
"""After the last order has ended the last channel updates are still to come. A worker that lost its broker may take
45 s to come back, so only a longer silence means that nothing will."""
SEED_CHUNK: Final = 100


@dataclass(frozen=True)
class Plan:
    """`stamp` names the run, `topics` are those to observe, `schemas` the Avro schemas by id."""

    bootstrap_servers: str
    stamp: str
    orders: Sequence[DemoOrder]
    folder: Path
    topics: Sequence[str]
    schemas: Mapping[int, Any]


async def run(plan: Plan, console: Console) -> Report:
    """Raises WaybillError when a process cannot be kept running; an order that does not end is in the report
    instead."""
    port = free_port()
    simulators = f"http://127.0.0.1:{port}"
    told = simulated({**os.environ, "KAFKA_BOOTSTRAP_SERVERS": plan.bootstrap_servers}, port, store(plan.stamp))
    observer = Observer(plan.bootstrap_servers, plan.topics, Reader(plan.schemas))
    try:
        await observer.open()
        async with Supervisor(plan.folder, told) as supervisor, httpx.AsyncClient(base_url=simulators) as client:
            found = start_all(supervisor, told)
            for line in shown(found):
                console.print(line, markup=False, highlight=False)
            definitions = asyncio.create_task(show_definitions(told))
            await _ready(client, supervisor, found)
            observer.expect(plan.orders)
            await asyncio.gather(_seed(client, plan.orders), _follow(observer, client, supervisor, console))
            return judge(plan.bootstrap_servers, observer.cases.values(), await definitions)
    finally:
        await observer.close()


async def _ready(client: httpx.AsyncClient, supervisor: Supervisor, found: Mapping[str, str]) -> None:
    """Until every process can take orders: then what is measured is theirs, and not their start."""
    views = [f"{url}/_sim/state" if name == "simulators" else f"{url}/ready" for name, url in found.items()]
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


async def _seed(client: httpx.AsyncClient, orders: Sequence[DemoOrder]) -> None:
    """Orders appear at their origin in portions, as they would."""
    for scenario in SCENARIOS.values():
        wires = [order.wire for order in orders if order.scenario == scenario.number]
        for start in range(0, len(wires), SEED_CHUNK):
            answer = await client.post(scenario.seed, json=wires[start : start + SEED_CHUNK], timeout=60)
            if not answer.is_success:
                raise WaybillError(f"the simulator refused the orders: {answer.status_code} {answer.text[:500]}")


async def _follow(observer: Observer, client: httpx.AsyncClient, supervisor: Supervisor, console: Console) -> None:
    """Until every order has ended and what follows an end was seen, or nothing moves any more."""
    with _progress(console) as progress:
        bars = {
            scenario: progress.add_task(f"scenario {scenario}", total=n) for scenario, n in _counts(observer).items()
        }
        await _until_ended(observer, supervisor, progress, bars)
    await _until_told(observer, client)
    await observer.settle()


async def _until_told(observer: Observer, client: httpx.AsyncClient) -> None:
    """Until everything holds, or nothing more comes."""
    seen, moved = -1, time.monotonic()
    while time.monotonic() - moved < AFTERMATH_QUIET_S:
        await observer.look(200)
        await observer.read_journal(client)
        if judge("", observer.cases.values(), {}).truth:
            return
        total = sum(len(case.records) + len(case.deeds) for case in observer.cases.values())
        if total != seen:
            seen, moved = total, time.monotonic()


def _counts(observer: Observer) -> dict[int, int]:
    scenarios = [case.order.scenario for case in observer.cases.values()]
    return {scenario: scenarios.count(scenario) for scenario in sorted(set(scenarios))}


async def _until_ended(
    observer: Observer, supervisor: Supervisor, progress: Progress, bars: Mapping[int, TaskID]
) -> None:
    waiting = dict(observer.cases)
    seen, moved = 0, time.monotonic()
    while waiting and time.monotonic() - moved < STALL_TIMEOUT_S:
        await observer.look(200)
        supervisor.check()
        total = sum(len(case.records) for case in observer.cases.values())
        if total != seen:
            seen, moved = total, time.monotonic()
            waiting = {order_id: case for order_id, case in waiting.items() if not case.ended()}
            _show(progress, bars, observer.cases.values(), waiting)


def _show(progress: Progress, bars: Mapping[int, TaskID], cases: Iterable[Case], waiting: Mapping[str, Case]) -> None:
    for scenario, bar in bars.items():
        done = sum(case.order.scenario == scenario and case.order.order_id not in waiting for case in cases)
        progress.update(bar, completed=done)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
