"""The figures of sourcing, as tables for people and as JSON. Nothing is measured here."""

from typing import Any

from rich.console import Console
from rich.table import Table

from app.sandbox.bench.sourcing_bench import ORDERS, SOURCES, SourcingFigures, Speed, Together


def as_json(figures: SourcingFigures) -> dict[str, Any]:
    """Return plain values, named with their units."""
    return {
        "machine": figures.machine,
        "speed": [case._asdict() for case in figures.speed],
        "together": [case._asdict() for case in figures.together],
    }


def show(figures: SourcingFigures, console: Console) -> None:
    """Print the figures as tables."""
    console.print(", ".join(f"{name} {value}" for name, value in figures.machine.items() if value), markup=False)
    console.print(_speed(figures.speed))
    console.print(_together(figures.together))


def _speed(cases: list[Speed]) -> Table:
    title = f"{ORDERS} orders over {SOURCES} sources, solved together on one core"
    names = ("Stock", "Lines", "Median s", "Slowest s", "CPU s", "Gap", "Widest", "Wait")
    table = Table(*names, title=title, title_justify="left")
    for case in cases:
        seconds = (f"{case.median_s:.2f}", f"{case.slowest_s:.2f}", f"{case.cpu_s:.2f}")
        table.add_row(
            case.label,
            f"{case.lines:.0f}",
            *seconds,
            f"{case.gap:.1%}",
            f"{case.widest_gap:.1%}",
            f"{case.waiting:.0f}",
        )
    return table


def _together(cases: list[Together]) -> Table:
    names = ("Stock", "Wait, together", "Wait, one by one", "Cost, together", "Cost, one by one")
    title = "The same orders together, and one after the other"
    table = Table(*names, title=title, title_justify="left")
    for case in cases:
        waiting = (f"{case.waiting_joint:.0f}", f"{case.waiting_single:.0f}")
        costs = (f"{case.cost_joint:,.0f}", f"{case.cost_single:,.0f}")
        table.add_row(case.label, *waiting, *costs)
    return table
