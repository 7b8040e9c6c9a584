"""The figures of a role, as tables for people and as JSON. Nothing is measured here."""

from typing import Any

from rich.console import Console
from rich.table import Table

from app.sandbox.bench.broker_bench import Wave
from app.sandbox.bench.fold_bench import FoldCost
from app.sandbox.bench.run_bench import OnBroker, RoleFigures


def as_json(figures: RoleFigures) -> dict[str, Any]:
    """Return plain values, named with their units."""
    values: dict[str, Any] = {"machine": figures.machine, "fold": [cost._asdict() for cost in figures.fold]}
    values["fold_us_per_record"] = fold_us(figures.fold)
    if figures.on_broker is not None:
        role = figures.on_broker
        values |= {"waves": [wave._asdict() for wave in role.waves], "restore": role.restore._asdict()}
        values |= {"outputs": role.outputs._asdict(), "role": rates(role)}
    return values


def fold_us(costs: list[FoldCost]) -> float:
    """Return the CPU per input record in microseconds, all kinds alike."""
    return sum(cost.us for cost in costs) / len(costs)


def rates(role: OnBroker) -> dict[str, float]:
    """Return events a second while the worker had work, and per second of its CPU; `read` inputs, `written` outputs."""
    read, seconds = sum(wave.records for wave in role.waves), sum(wave.seconds for wave in role.waves)
    cpu_s, broker_s = sum(wave.cpu_s for wave in role.waves), sum(wave.broker_cpu_s for wave in role.waves)
    written = round(read * role.outputs.expected / role.outputs.inputs)
    return {
        "read": read,
        "written": written,
        "read_per_s": read / seconds,
        "written_per_s": written / seconds,
        "events_per_s": (read + written) / seconds,
        "read_per_cpu_s": read / cpu_s,
        "written_per_cpu_s": written / cpu_s,
        "events_per_cpu_s": (read + written) / cpu_s,
        "cpu_us_per_read": 1e6 * cpu_s / read,
        "cpu_us_per_event": 1e6 * cpu_s / (read + written),
        "cores_used": cpu_s / seconds,
        "broker_cores_used": broker_s / seconds,
    }


def show(figures: RoleFigures, console: Console) -> None:
    """Print the figures as tables and sentences."""
    console.print(", ".join(f"{name} {value}" for name, value in figures.machine.items() if value), markup=False)
    console.print(_fold_table(figures.fold))
    if figures.on_broker is None:
        return
    role = figures.on_broker
    rate = rates(figures.on_broker)
    console.print(_wave_table(role.waves))
    lines = (
        f"Read {rate['read']:,.0f} records, wrote {rate['written']:,.0f} and as many ledger records as it read.",
        f"By the clock: {rate['read_per_s']:,.0f} read/s, {rate['written_per_s']:,.0f} written/s, together "
        f"{rate['events_per_s']:,.0f} events/s, on {rate['cores_used']:.2f} cores "
        f"(broker {rate['broker_cores_used']:.2f}).",
        f"By its CPU: {rate['read_per_cpu_s']:,.0f} read/s, {rate['written_per_cpu_s']:,.0f} written/s, together "
        f"{rate['events_per_cpu_s']:,.0f} events/s: {rate['cpu_us_per_read']:.0f} us a record read, "
        f"{rate['cpu_us_per_event']:.0f} us an event.",
        f"Exactly once: {role.outputs.records:,} outputs of {role.outputs.expected:,} expected ones, "
        f"{role.outputs.doubled} of them twice.",
        f"Opened on {role.restore.orders:,} live orders in {role.restore.seconds:.2f} s, "
        f"{role.restore.bytes_per_order:,.0f} bytes of memory each.",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _fold_table(costs: list[FoldCost]) -> Table:
    table = Table("Input", "CPU us", "Writes", title="The fold alone, in memory", title_justify="left")
    for cost in costs:
        table.add_row(cost.label, f"{cost.us:.0f}", f"{cost.written:.0f}")
    written = sum(cost.written for cost in costs)
    mean = fold_us(costs)
    table.add_section()
    table.add_row("mean of a record read", f"{mean:.0f}", f"{written / len(costs):.1f}")
    table.add_row("mean of a record written", f"{mean * len(costs) / written:.0f}", "")
    return table


def _wave_table(waves: list[Wave]) -> Table:
    table = Table(title="The role on Kafka", title_justify="left")
    for column in ("Input", "Records", "Seconds", "Read/s", "CPU us"):
        table.add_column(column)
    for wave in waves:
        rate, cost = wave.records / wave.seconds, 1e6 * wave.cpu_s / wave.records
        table.add_row(wave.label, f"{wave.records:,}", f"{wave.seconds:.2f}", f"{rate:,.0f}", f"{cost:.0f}")
    return table
