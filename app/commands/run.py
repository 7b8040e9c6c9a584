"""`waybill worker`, `up`, `simulators`, `demo` and `bench`: what runs for a while."""

import asyncio
import json as json_module
import os
import shutil
import signal
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Annotated, Any, TypeVar

import typer

from app.bench import report as bench_report
from app.bench import run as bench
from app.bench import sourcing as sourcing_bench
from app.bench import sourcing_report
from app.commands import output
from app.demo import outage, session
from app.demo.evidence import DEAD_LETTER, Case
from app.demo.report import Report, as_json, as_table, outage_tables
from app.demo.scenarios import SCENARIOS
from app.demo.supply import StockFiles
from app.errors import SettingError
from app.local import simulators as simulator_host
from app.local import up
from app.runtime import worker
from app.runtime.sourcing import load_strategies
from app.settings import Settings

DEFAULT_COUNT = 200
Result = TypeVar("Result")


def register(cli: typer.Typer) -> None:
    """Adds these commands to the top level."""
    cli.command(name="worker")(run_worker)
    cli.command(name="up")(run_up)
    cli.command(name="simulators")(run_simulators)
    cli.command(name="demo")(run_demo)
    cli.command(name="bench")(run_bench)


def run_worker(
    roles: Annotated[list[str], typer.Argument(help=f"One or more of: {', '.join(worker.ROLES)}.", metavar="ROLE...")],
) -> None:
    """Run roles until stopped. Exit code 70: a lane was fenced or lost its broker; start it again."""
    raise typer.Exit(worker.run(roles, os.environ))


def run_simulators(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8480,
    generous: Annotated[
        bool, typer.Option("--generous", help="Quotas of a large plan, not the vendors' defaults.")
    ] = False,
    webhooks: Annotated[
        str, typer.Option(help="Where a worker takes webhooks in, such as http://127.0.0.1:6066/webhooks.")
    ] = "",
) -> None:
    """Run the simulators of BigCommerce, Finance + Operations, Flexe and SAP, with their wire, until stopped."""
    simulator_host.run(port, os.environ, generous, webhooks)


def run_up() -> None:
    """Run everything on this machine: broker, topics, simulators, all roles. Ctrl-C ends it."""
    _until_stopped(up.run(os.environ, output.people))


def run_demo(
    orders: Annotated[
        Path | None, typer.Option(help="Orders of the shop: expanded BigCommerce V2 orders, one JSON a line.")
    ] = None,
    scenario: Annotated[list[int] | None, typer.Option(help="Only this scenario; may be given again.")] = None,
    count: Annotated[int, typer.Option(min=1, max=50_000, help="Orders of each scenario.")] = DEFAULT_COUNT,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER:KIND[:SECONDS]",
            help=f"Another round in which a provider is in trouble ({', '.join(outage.KINDS)}); may be given again.",
        ),
    ] = None,
    stock: Annotated[
        Path | None, typer.Option(help="What the warehouses have (scenario 6): CSV of sku,site,warehouse,on_hand.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="The warehouses: CSV of warehouse,site,city,latitude,longitude.")
    ] = None,
    receipts: Annotated[
        Path | None, typer.Option(help="What comes in later: CSV of sku,site,warehouse,quantity.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the report here.")] = None,
) -> None:
    """The main job: every scenario on a real broker with real HTTP, judged on what its topics show."""
    faults = [outage.parse(text) for text in fault or ()]
    wanted = tuple(sorted(set(scenario or SCENARIOS)))
    for number in wanted:
        if number not in SCENARIOS:
            raise SettingError(f"--scenario {number}: choose of {', '.join(map(str, SCENARIOS))}")
    if json is not None and (json.is_dir() or not json.parent.is_dir()):
        raise SettingError(f"--json {json}: cannot be written; name a file in a folder that exists")
    if stock is None and (sources or receipts):
        raise SettingError("--sources and --receipts go with --stock: say what the warehouses have")
    files = StockFiles(sources, stock, receipts) if stock else None
    asked = session.Wanted(wanted, count, orders, files, faults)
    report = _demonstrated(asked)
    _tell(report, json)
    raise typer.Exit(0 if report.truth else 1)


def run_bench(
    orders: Annotated[int, typer.Option(min=500, max=50_000, help="Orders that go through the role.")] = 4_000,
    live: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Live orders in the ledger when the lanes open.")
    ] = 20_000,
    fold_only: Annotated[bool, typer.Option("--fold-only", help="Only the fold in memory, no Kafka.")] = False,
    sourcing: Annotated[
        bool, typer.Option("--sourcing", help="Not orchestrate but the solver: 200 orders over 20 sources, no Kafka.")
    ] = False,
    batches: Annotated[int, typer.Option(min=1, max=1_000, help="Batches of each case, with --sourcing.")] = 9,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Events per second and CPU per event of orchestrate, in memory and as a worker on a broker of its own."""
    if sourcing:
        _bench_sourcing(batches, json)
        return
    with TemporaryDirectory(prefix="waybill-bench-") as folder:
        told = bench.run(orders, live, fold_only, Path(folder), lambda text: output.aside.print(text, markup=False))
        found = _until_stopped(told)
    if json:
        output.data(bench_report.as_json(found))
    else:
        bench_report.show(found, output.people)


def _bench_sourcing(batches: int, as_json: bool) -> None:
    found = sourcing_bench.run(load_strategies(Settings.from_env(os.environ)), batches)
    if as_json:
        output.data(sourcing_report.as_json(found))
    else:
        sourcing_report.show(found, output.people)


def _demonstrated(asked: session.Wanted) -> Report:
    """What each process said is kept, unless all held or somebody ended the demo. Raises what the demo raises."""
    folder, keep = Path(mkdtemp(prefix="waybill-demo-")), True
    try:
        report = _until_stopped(session.run(asked, folder, output.people))
        keep = not report.truth
    except typer.Exit:
        keep = False
        raise
    finally:
        if keep and any(folder.iterdir()):
            output.people.print(f"What each process said is kept in {folder}", markup=False, highlight=False)
        else:
            shutil.rmtree(folder)
    return report


def _tell(report: Report, file: Path | None) -> None:
    output.people.print(as_table(report))
    for table in outage_tables(report):
        output.people.print(table)
    for scenario in report.scenarios:
        for case in scenario.wrong[:10]:
            output.people.print(_wrong(case), markup=False, highlight=False)
    for seen in report.doubled[:10]:
        output.people.print(f"  twice: {seen.topic} {seen.event_id} ({seen.order_id})", markup=False)
    if file is not None:
        try:
            file.write_text(json_module.dumps(as_json(report), ensure_ascii=False, indent=1), encoding="utf-8")
        except OSError as problem:
            raise SettingError(f"--json {file}: cannot be written ({problem.strerror})") from problem
    output.people.print(
        "Every order ended as its scenario says." if report.truth else "Not everything held: see above."
    )


def _wrong(case: Case) -> str:
    ended = " / ".join(case.end() or ("nowhere",))
    expected = " / ".join(case.order.expected or ("completed or refused",))
    letters = [f"; dead-letter: {seen.body['code']}: {seen.body['detail']}" for seen in case.on(DEAD_LETTER)]
    return f"  {case.order.order_id} is {ended}, expected {expected}" + "".join(letters[:1])


def _until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs it; Ctrl-C and SIGTERM end it in order, with everything it started."""

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
