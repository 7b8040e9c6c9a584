"""The work of `waybill demo`: check the options, run the demo, print the report."""

import json as json_module
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

import typer

from app.commands import output
from app.commands.environment import warn
from app.commands.stopping import until_stopped
from app.errors import SettingError
from app.sandbox.demo import demo_session, outage
from app.sandbox.demo.demo_report import Report, as_json, as_table, outage_tables
from app.sandbox.demo.evidence import DEAD_LETTER, Case
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.demo.supply import StockFiles


def read_options(
    *,
    orders: Path | None,
    scenarios: Sequence[int],
    count: int,
    faults: Sequence[str],
    files: tuple[Path | None, Path | None, Path | None],
    report: Path | None,
) -> demo_session.DemoOptions:
    """Return what a demo is to run. `files`: sources, stock, receipts. Raises SettingError."""
    parsed = [outage.parse(text) for text in faults]
    numbers = tuple(sorted(set(scenarios or SCENARIOS)))
    for number in numbers:
        if number not in SCENARIOS:
            raise SettingError(f"--scenario {number}: choose of {', '.join(map(str, SCENARIOS))}")
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise SettingError(f"--json {report}: cannot be written; name a file in a folder that exists")
    sources, stock, receipts = files
    if stock is None and (sources or receipts):
        raise SettingError("--sources and --receipts go with --stock: say what the warehouses have")
    supply = StockFiles(sources, stock, receipts) if stock else None
    return demo_session.DemoOptions(scenarios=numbers, count=count, file=orders, stock=supply, faults=parsed)


def run(options: demo_session.DemoOptions, file: Path | None) -> bool:
    """Run the demo. Return whether all held. `file` is where the report is written. Raises what the demo raises."""
    warn()
    report = _demonstrate(options)
    _tell(report, file)
    return report.truth


def _demonstrate(options: demo_session.DemoOptions) -> Report:
    """Run the demo in a folder of its own, which stays unless all held or somebody ended the demo.

    The folder has what each process wrote. Raises what the demo raises.
    """
    folder, keep = Path(mkdtemp(prefix="waybill-demo-")), True
    try:
        report = until_stopped(demo_session.run(options, folder, output.people))
        keep = not report.truth
    except typer.Exit:
        keep = False
        raise
    finally:
        if keep and any(folder.iterdir()):
            output.line(f"What each process said is kept in {folder}")
        else:
            shutil.rmtree(folder)
    return report


def _tell(report: Report, file: Path | None) -> None:
    output.people.print(as_table(report))
    for table in outage_tables(report):
        output.people.print(table)
    for scenario in report.scenarios:
        for case in scenario.wrong[:10]:
            output.line(_wrong(case))
    for record in report.doubled[:10]:
        output.line(f"  twice: {record.topic} {record.event_id} ({record.order_id})")
    if file is not None:
        try:
            file.write_text(json_module.dumps(as_json(report), ensure_ascii=False, indent=1), encoding="utf-8")
        except OSError as problem:
            raise SettingError(f"--json {file}: cannot be written ({problem.strerror})") from problem
    output.line("Every order ended as its scenario says." if report.truth else "Not everything held: see above.")


def _wrong(case: Case) -> str:
    ended = " / ".join(case.end() or ("nowhere",))
    expected = " / ".join(case.order.expected or ("completed or refused",))
    letters = [f"; dead-letter: {record.body['code']}: {record.body['detail']}" for record in case.on(DEAD_LETTER)]
    return f"  {case.order.order_id} is {ended}, expected {expected}" + "".join(letters[:1])
