"""The work of `waybill bench`: run a measurement and print its figures."""

from pathlib import Path
from tempfile import TemporaryDirectory

from app.commands import output
from app.commands.environment import load_settings
from app.commands.stopping import until_stopped
from app.sandbox.bench import bench_report, sourcing_bench, sourcing_report
from app.sandbox.bench import run_bench as bench
from app.worker.configured_files import load_strategies


def run(orders: int, live: int, fold_only: bool, as_json: bool) -> None:
    """Measure the role orchestrate."""
    with TemporaryDirectory(prefix="waybill-bench-") as folder:
        figures = until_stopped(bench.run(orders, live, fold_only, Path(folder), output.note))
    if as_json:
        output.data(bench_report.as_json(figures))
    else:
        bench_report.show(figures, output.people)


def run_sourcing(batches: int, as_json: bool) -> None:
    """Measure the solver."""
    figures = sourcing_bench.run(load_strategies(load_settings()), batches)
    if as_json:
        output.data(sourcing_report.as_json(figures))
    else:
        sourcing_report.show(figures, output.people)
