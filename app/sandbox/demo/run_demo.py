"""Runs the demo: the simulators, every role as a process of its own, then rounds of orders, then the report."""

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
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.demo.definition_checks import check_definitions
from app.sandbox.demo.demo_observer import DemoObserver, Reader
from app.sandbox.demo.demo_report import Report, judge
from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.order_source import SOURCED, store_settings
from app.sandbox.demo.outage import Fault
from app.sandbox.demo.seeding import seed
from app.sandbox.demo.supply import Supply, holds
from app.sandbox.demo.supply_stages import stages
from app.sandbox.local.ports import free_port
from app.sandbox.local.supervise import Supervisor
from app.sandbox.local.up import addresses_of, simulated, start_all
from app.sandbox.local.up_addresses import UpAddresses

READY_TIMEOUT_S: Final = 90.0
STALL_TIMEOUT_S: Final = 120.0
"""Seconds without any new record after which the demo gives up."""
AFTERMATH_QUIET_S: Final = 60.0
"""Seconds of silence after the last order's end that mean that nothing more comes.

The last channel updates follow that end, and a worker that lost its broker may take 45 s to come back.
"""


@dataclass(frozen=True)
class Round:
    """Orders that appear over `over_s` seconds, and the fault meanwhile.

    `supply` is what the warehouses have, where orders are sourced; the orders in `late` come last, with backorders off.
    """

    orders: Sequence[DemoOrder]
    over_s: float = 0.0
    fault: Fault | None = None
    supply: Supply | None = None
    late: Sequence[DemoOrder] = ()


@dataclass(frozen=True)
class DemoPlan:
    """One run of the demo. `stamp` names it, `topics` are those to observe, `schemas` the Avro schemas by id.

    `source_group` is the consumer group of the role that keeps the stock.
    """

    cluster: ClusterAccess
    source_group: str
    stamp: str
    rounds: Sequence[Round]
    folder: Path
    topics: Sequence[str]
    schemas: Mapping[int, Any]

    @property
    def faults(self) -> list[Fault]:
        """The faults of the rounds after the first."""
        return [each.fault for each in self.rounds if each.fault is not None]

    @property
    def supplies(self) -> list[Supply]:
        """The supplies of the rounds whose orders are sourced."""
        return [each.supply for each in self.rounds if each.supply is not None]


async def run(plan: DemoPlan, console: Console) -> Report:
    """Run all rounds and return the report.

    Raises WaybillError when a process cannot be kept running. An order that does not end stands in the report.
    """
    port = free_port()
    simulators = f"http://127.0.0.1:{port}"
    own = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": plan.cluster.servers}
    for supply in plan.supplies:
        own |= supply.settings
    environ = simulated(own, port) | store_settings(plan.stamp)
    observer = DemoObserver(plan.cluster, plan.topics, Reader(plan.schemas))
    try:
        await observer.open()
        async with Supervisor(plan.folder, environ) as supervisor, httpx.AsyncClient(base_url=simulators) as client:
            addresses = start_all(supervisor, plan.cluster.servers, port)
            for name, address in addresses_of(addresses):
                console.print(f"{name:<12} {address}", markup=False, highlight=False)
            definitions = asyncio.create_task(check_definitions(environ))
            await _await_ready(client, supervisor, addresses)
            for each in plan.rounds:
                observer.expect((*each.orders, *each.late))
                async with _play_supply(plan, each, observer, client):
                    await _run(each, observer, client, supervisor, console)
            await observer.settle()
            solution = {**await definitions, **_check_stock(plan, observer)}
            return judge(plan.cluster.servers, observer.cases.values(), solution, plan.faults)
    finally:
        await observer.close()


async def _run(
    each: Round, observer: DemoObserver, client: httpx.AsyncClient, supervisor: Supervisor, console: Console
) -> None:
    """Run one round until its orders have ended and their aftermath is over, or nothing moves any more."""
    if each.fault is not None:
        console.print(str(each.fault), highlight=False)
        (await client.post("/_sim/faults", json=each.fault.request())).raise_for_status()
    await asyncio.gather(seed(client, each.orders, each.over_s), _follow(each, observer, client, supervisor, console))


@contextlib.asynccontextmanager
async def _play_supply(
    plan: DemoPlan, each: Round, observer: DemoObserver, client: httpx.AsyncClient
) -> AsyncIterator[None]:
    """Play the stages of the round's supply beside the block. Raises what they raise."""
    if each.supply is None:
        yield
        return
    cases = [observer.cases[order.order_id] for order in (*each.orders, *each.late) if order.scenario == SOURCED]

    async def seed_late() -> None:
        await seed(client, each.late, 0.0)

    name = f"{plan.stamp}/{plan.rounds.index(each)}"
    async with stages(plan.cluster, plan.source_group, each.supply, name) as played:
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


def _check_stock(plan: DemoPlan, observer: DemoObserver) -> dict[str, bool]:
    """Check what S64 says of stock: what was lacking was, and nothing was given away twice."""
    if not plan.supplies:
        return {}
    cases = [case for case in observer.cases.values() if case.order.scenario == SOURCED]
    return {"S64": holds(plan.supplies, cases)}


async def _await_ready(client: httpx.AsyncClient, supervisor: Supervisor, addresses: UpAddresses) -> None:
    """Wait until every process can take orders: what is measured is then theirs, and not their start."""
    views = [f"{addresses.simulators}/_sim/state", *(f"{url}/ready" for url in addresses.workers.values())]
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
    each: Round, observer: DemoObserver, client: httpx.AsyncClient, supervisor: Supervisor, console: Console
) -> None:
    cases = [observer.cases[order.order_id] for order in (*each.orders, *each.late)]
    with _progress(console) as progress:
        scenarios = Counter(case.order.scenario for case in cases)
        bars = {number: progress.add_task(f"scenario {number}", total=n) for number, n in sorted(scenarios.items())}
        await _await_ends(cases, observer, supervisor, progress, bars)
    await _await_aftermath(cases, observer, client)


async def _await_aftermath(cases: Sequence[Case], observer: DemoObserver, client: httpx.AsyncClient) -> None:
    """Wait until everything holds, or nothing more comes."""
    last_total, moved = -1, time.monotonic()
    while time.monotonic() - moved < AFTERMATH_QUIET_S:
        await observer.look(200)
        await observer.read_journal(client)
        total = sum(len(case.records) + len(case.journal) for case in cases)
        if total == last_total:
            continue
        last_total, moved = total, time.monotonic()
        if judge("", cases, {}).truth:
            return


async def _await_ends(
    cases: Sequence[Case],
    observer: DemoObserver,
    supervisor: Supervisor,
    progress: Progress,
    bars: Mapping[int, TaskID],
) -> None:
    waiting = list(cases)
    totals = Counter(case.order.scenario for case in cases)
    last_total, moved = 0, time.monotonic()
    while waiting and time.monotonic() - moved < STALL_TIMEOUT_S:
        await observer.look(200)
        supervisor.check()
        total = sum(len(case.records) for case in cases)
        if total != last_total:
            last_total, moved = total, time.monotonic()
            waiting = [case for case in waiting if not case.ended()]
            open_orders = Counter(case.order.scenario for case in waiting)
            for scenario, bar in bars.items():
                progress.update(bar, completed=totals[scenario] - open_orders[scenario])


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
