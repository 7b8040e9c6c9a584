"""`waybill sourcing`: why an order's lines ship from where they do."""

import asyncio
import os
from typing import Annotated, Any

import typer
from rich.table import Table

from app.commands import output
from app.runtime import source_reading
from app.settings import Settings
from app.views import sourcing_view

commands = typer.Typer(help="Sourcing: explain a plan.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@commands.callback()
def group() -> None:
    """Keeps the name of a group that has one command."""


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
