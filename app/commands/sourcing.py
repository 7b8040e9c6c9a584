"""`waybill sourcing`: why an order's lines ship from where they do, and what a strategy would do."""

import asyncio
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.table import Table

from app.commands import output, simulate
from app.errors import DefinitionError
from app.runtime import source_reading
from app.runtime.sourcing import load_network, load_strategies
from app.settings import Settings
from app.views import sourcing_view

commands = typer.Typer(help="Sourcing: explain a plan, check and simulate strategies.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


commands.command(name="simulate")(simulate.run)


@commands.command()
def check(json: Json = False) -> None:
    """Check the network and the strategies: those that the environment names, or those that ship with Waybill."""
    settings = Settings.from_env(os.environ)
    problems = [found for load in (load_network, load_strategies) if (found := _problem(load, settings))]
    if json:
        output.data([{"file": p.file, "path": p.path, "problem": p.problem, "fix": p.fix} for p in problems])
    else:
        for problem in problems:
            output.people.print(str(problem), markup=False, highlight=False)
        output.people.print(f"2 sourcing files, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


def _problem(load: Callable[[Settings], object], settings: Settings) -> DefinitionError | None:
    try:
        load(settings)
    except DefinitionError as problem:
        return problem
    return None


@commands.command()
def explain(order: Annotated[str, typer.Argument(help="Order id, e.g. bc-demo-1001.")], json: Json = False) -> None:
    """For each line: which source ships it at which cost, and why each other one does not. Exit code 1: no plan yet."""
    servers = Settings.from_env(os.environ).bootstrap_servers
    lines = sourcing_view(asyncio.run(source_reading.find_explained(servers, order)))
    if not lines:
        output.aside.print(f"waybill: no plan was made for order {order}", style="red", markup=False)
        raise typer.Exit(1)
    if json:
        output.data({"order_id": order, "lines": lines})
        return
    for line in lines:
        _print_line(line)


def _print_line(line: dict[str, Any]) -> None:
    head = f"Line {line['line_id']} ({line['strategy']}, {line['solver']}, gap {line['gap'] or 0}, {line['at']})"
    table = Table("", "Site", "Warehouse", "Quantity", "Code", "Cost", "Why", title=head, title_justify="left")
    for source in line["sources"]:
        terms = ", ".join(f"{name} {value}" for name, value in source["terms"].items())
        mark = "ships" if source["chosen"] else ""
        cells = (source["site"], source["warehouse"], source["quantity"] or "", source["code"], terms, source["reason"])
        table.add_row(mark, *cells)
    output.people.print(table)
