"""`waybill sourcing`: why an order's lines ship from where they do, and what a strategy would do."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands import output
from app.commands.environment import load_settings
from app.commands.words import Json, examples
from app.errors import DefinitionError, SettingError

if TYPE_CHECKING:
    from app.settings import Settings

commands = typer.Typer()
TRIED = "sourcing simulate --orders orders.jsonl --stock stock.csv"


@commands.command(epilog=examples(TRIED, f"{TRIED} --strategy mine.yaml"))
def simulate(
    orders: Annotated[Path, typer.Option(help="Expanded BigCommerce V2 orders, one JSON a line.")],
    stock: Annotated[Path, typer.Option(help="CSV: sku, site, warehouse, on_hand.")],
    strategies: Annotated[
        list[Path] | None, typer.Option("--strategy", help="YAML like app/optimizer/strategies.yaml; up to two.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="CSV or YAML of the warehouses; without it those that ship with Waybill.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=2_000, help="Orders that are sourced together.")] = 200,
    json: Annotated[bool, typer.Option("--json", help="Answer as JSON, with every order that differs.")] = False,
) -> None:
    """Source orders offline with one strategy or two: cost, distance, splits, what has no source, order by order.

    Exit code 1: a file cannot be used.
    """
    files = strategies or []
    if len(files) > 2:
        raise SettingError(f"--strategy: {len(files)} files; two can be compared")
    from app.commands import simulate as simulation

    simulation.run(simulation.Files(orders, stock, files, sources), batch, as_json=json)


@commands.command(epilog=examples("sourcing check"))
def check(json: Json = False) -> None:
    """Check the network and the strategies: those that the environment names, or those that ship with Waybill."""
    from app.worker.configured_files import load_network, load_strategies

    settings = load_settings()
    problems = [each for load in (load_network, load_strategies) if (each := _problem(load, settings))]
    if json:
        output.data([{"file": p.file, "path": p.path, "problem": p.problem, "fix": p.fix} for p in problems])
    else:
        for problem in problems:
            output.line(str(problem))
        output.line(f"2 sourcing files, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


def _problem(load: "Callable[[Settings], object]", settings: "Settings") -> DefinitionError | None:
    try:
        load(settings)
    except DefinitionError as problem:
        return problem
    return None


@commands.command(epilog=examples("sourcing explain bc-demo-1001", "sourcing explain bc-demo-1001 --json"))
def explain(order: Annotated[str, typer.Argument(help="Order id, e.g. bc-demo-1001.")], json: Json = False) -> None:
    """For each line: which source ships it at which cost, and why each other one does not. Exit code 1: no plan yet."""
    from app.kafka.cluster_access import ClusterAccess
    from app.queries import sourcing_queries
    from app.queries.views import sourcing_view

    settings = load_settings()
    explained = sourcing_queries.find_explained(ClusterAccess.of(settings), order, settings.master_keys())
    lines = sourcing_view(asyncio.run(explained))
    if not lines:
        output.refusal(f"no plan was made for order {order}")
        raise typer.Exit(1)
    if json:
        output.data({"order_id": order, "lines": lines})
        return
    for line in lines:
        _print_line(line)


def _print_line(line: dict[str, Any]) -> None:
    head = f"Line {line['line_id']} ({line['strategy']}, {line['solver']}, gap {line['gap'] or 0}, {line['at']})"
    output.table(("", "Site", "Warehouse", "Quantity", "Code", "Cost", "Why"), map(_cells, line["sources"]), head)


def _cells(source: dict[str, Any]) -> tuple[str, ...]:
    terms = ", ".join(f"{name} {value}" for name, value in source["terms"].items())
    mark = "ships" if source["chosen"] else ""
    return mark, source["site"], source["warehouse"], source["quantity"] or "", source["code"], terms, source["reason"]
