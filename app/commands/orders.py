"""`waybill orders`: submit orders, and look at them as the ledger and the status topic have them."""

import asyncio
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from app.agents.records import decoded
from app.commands import output
from app.domain.order import OrderState
from app.errors import RecordError, SettingError
from app.events import codec
from app.events.codec import Codec
from app.runtime import reading, source_reading, writing
from app.settings import Settings
from app.views import status_view

commands = typer.Typer(help="Orders: submit, list, show, watch.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
LINE_BYTES_MAX: Final = 2 << 20
TOPIC: Final = "order-created"


@commands.command()
def submit(
    file: Annotated[
        str,
        typer.Argument(help="Orders as JSON, one a line (schemas/order-created.schema.json); - reads standard input."),
    ],
    json: Json = False,
) -> None:
    """Publish orders on order-created. Each line is checked first; one that is wrong is named and none is sent."""
    settings = Settings.from_env(os.environ)
    records = codec.load()
    wanted = [(order_id(records, name, line), line) for name, line in _lines(file)]
    asyncio.run(writing.publish(settings.bootstrap_servers, TOPIC, wanted))
    if json:
        output.data([key for key, _ in wanted])
    else:
        output.people.print(f"{len(wanted)} orders on {TOPIC}")


def order_id(records: Codec, name: str, line: bytes) -> str:
    """Raises SettingError that names the line, the path in it and what is wrong."""
    try:
        return records.order_id(TOPIC, None, line, (), 0)
    except RecordError as problem:
        raise SettingError(
            f"{name}: {problem.detail}; an example is in schemas/examples/order-created.json"
        ) from problem


def _lines(file: str) -> Iterator[tuple[str, bytes]]:
    try:
        lines = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 closed below
    except OSError as problem:
        raise SettingError(f"{file}: cannot be read ({problem.strerror})") from problem
    with lines:
        for number in count(1):
            line = lines.readline(LINE_BYTES_MAX + 1)
            if len(line) > LINE_BYTES_MAX:
                raise SettingError(f"{file}:{number}: the line has more than {LINE_BYTES_MAX} bytes")
            if not line:
                return
            if line.strip():
                yield f"{file}:{number}", line.strip()


@commands.command(name="list")
def list_orders(
    state: Annotated[str | None, typer.Option(help="Only orders in this state.")] = None,
    json: Json = False,
) -> None:
    """Every order that the ledger holds, with its state and reason."""
    found = asyncio.run(reading.all_orders(Settings.from_env(os.environ).bootstrap_servers))
    chosen = [item for item in found if state is None or item.order.state.lower() == state.lower()]
    if json:
        output.data([_brief(item) for item in chosen])
        return
    table = Table("Order", "Flow", "State", "Reason", "Lines", "Version")
    for item in chosen:
        order = item.order
        table.add_row(order.order_id, item.flow, order.state, order.reason, str(len(order.lines)), str(item.version))
    output.people.print(table)


def _brief(item: OrderState) -> dict[str, Any]:
    order = item.order
    return {
        "order_id": order.order_id,
        "source_ref": order.source_ref,
        "flow": item.flow,
        "state": order.state,
        "reason": order.reason,
        "lines": len(order.lines),
        "version": item.version,
    }


@commands.command()
def show(order: Annotated[str, typer.Argument(help="Order id, e.g. bc-demo-1001.")], json: Json = False) -> None:
    """One order: state, lines, what set each field, and its timeline. Exit code 1 when there is none."""
    view = asyncio.run(source_reading.find_view(Settings.from_env(os.environ).bootstrap_servers, order))
    if view is None:
        output.aside.print(f"waybill: no order {order} in the ledger", style="red", markup=False)
        raise typer.Exit(1)
    if json:
        output.data(view)
    else:
        _print_order(view)


def _print_order(view: dict[str, Any]) -> None:
    output.people.print(f"{view['order_id']}: {view['state']} / {view['reason']}", style="bold", markup=False)
    output.people.print(
        f"flow {view['flow']} version {view['flow_version']}, company {view['company'] or '-'}", markup=False
    )
    lines = Table(
        "Line", "SKU", "Quantity", "Site", "Warehouse", "State", "Reason", title="Lines", title_justify="left"
    )
    for line in view["lines"]:
        lines.add_row(
            *(str(line[name] or "-") for name in ("line_id", "sku", "quantity", "site", "warehouse", "state", "reason"))
        )
    timeline = Table("At", "Event", "Step", "State", "Reason", "Source", "Note", title="Timeline", title_justify="left")
    for entry in view["timeline"]:
        timeline.add_row(*(str(entry[name]) for name in ("at", "event", "step", "state", "reason", "source", "note")))
    lineage = Table("Field", "Rule", "Event", title="What set each field", title_justify="left")
    for item in view["lineage"]:
        lineage.add_row(item["field"], item["rule"], item["event_id"])
    for table in (lines, lineage, timeline):
        output.people.print(table)


@commands.command()
def watch(
    order: Annotated[str | None, typer.Option(help="Only this order.")] = None,
    json: Json = False,
) -> None:
    """Status changes as they come, until stopped."""
    try:
        asyncio.run(_watch(Settings.from_env(os.environ), order, json))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _watch(settings: Settings, order: str | None, as_json: bool) -> None:
    records = codec.load()
    async with reading.consumer(settings.bootstrap_servers) as reader:
        wanted = await reading.partitions(reader, "order-status")
        async for record in reading.follow(reader, wanted):
            view = status_view(decoded(records, record))
            if order is not None and view["order_id"] != order:
                continue
            if as_json:
                output.data_line(view)
            else:
                output.people.print(
                    "{at} {order_id}  {state} / {reason}  ({event})".format_map(view), markup=False, highlight=False
                )
