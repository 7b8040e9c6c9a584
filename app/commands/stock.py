"""`waybill stock`: what warehouses have, and records that say so; a real source writes `stock-change` itself."""

import asyncio
import csv
import json as json_module
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app.commands import output
from app.commands.environment import load_settings
from app.commands.words import Json, examples
from app.errors import RecordError, SettingError
from app.events.record import unsent
from app.kafka.cluster_access import ClusterAccess

commands = typer.Typer()
TOPIC: Final = "stock-change"
MAIN: Final = "main"
NEEDED: Final = ("sku", "warehouse")
COLUMNS: Final = (*NEEDED, "site", "on_hand", "quantity", "version", "reference")
Body = dict[str, Any]


@commands.command(name="set", epilog=examples("stock set D0001 EU-HAM 40", "stock set D0001 EU-HAM 5 --add"))
def set_stock(
    sku: Annotated[str, typer.Argument(help="Item number.")],
    warehouse: Annotated[str, typer.Argument(help="Warehouse, e.g. EU-HAM.")],
    quantity: Annotated[str, typer.Argument(help="What is there; with --add what came in, or went out below 0.")],
    add: Annotated[bool, typer.Option("--add", help="Add to what is there.")] = False,
    json: Json = False,
) -> None:
    """Say what is there of one item."""
    body = {"sku": sku, "warehouse": warehouse, "kind": "add" if add else "set", "quantity": quantity}
    _publish([("stock set", body)])
    if json:
        output.data(body)
    else:
        output.line(f"{sku} at {warehouse}: {body['kind']} {quantity}")


@commands.command(epilog=examples("stock load stock.csv", "stock load receipts.csv --receipts"))
def load(
    file: Annotated[
        Path, typer.Argument(help="CSV with a header: sku, warehouse, on_hand or quantity; site, version, reference.")
    ],
    receipts: Annotated[bool, typer.Option("--receipts", help="Add the column quantity to what is there.")] = False,
    json: Json = False,
) -> None:
    """Set the stock of each row to its on_hand. Each is checked first; one that is wrong is named and none is sent."""
    bodies = list(rows(file, "quantity" if receipts else "on_hand", "add" if receipts else "set"))
    _publish(bodies)
    if json:
        output.data({"topic": TOPIC, "records": len(bodies)})
    else:
        output.line(f"{len(bodies)} records on {TOPIC}")


@commands.command(name="list", epilog=examples("stock list", "stock list --sku D0001 --json"))
def list_stock(
    sku: Annotated[str | None, typer.Option(help="Only this item.")] = None,
    warehouse: Annotated[str | None, typer.Option(help="Only this warehouse.")] = None,
    json: Json = False,
) -> None:
    """What warehouses have of each item, what of it is reserved, and what is available."""
    from app.inventory.item_stock import ItemStock
    from app.queries import sourcing_queries
    from app.queries.views import stock_view

    settings = load_settings()
    stocks = asyncio.run(sourcing_queries.values(ClusterAccess.of(settings), ItemStock, settings.master_keys()))
    rows = [row for stock in stocks if sku in (None, stock.sku) for row in stock_view(stock)]
    matching = [row for row in rows if warehouse in (None, row["warehouse"])]
    if json:
        output.data(matching)
        return
    names = ("sku", "site", "warehouse", "on_hand", "reserved", "available", "short")
    columns = [name.replace("_", " ").capitalize() for name in names]
    output.table(columns, [[row[name] for name in names] for row in matching])


def rows(file: Path, amount: str, kind: str) -> Iterator[tuple[str, Body]]:
    """Yield each row with the place where it stands. Raises SettingError."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            missing = [name for name in (*NEEDED, amount) if name not in (reader.fieldnames or ())]
            if missing:
                raise SettingError(f"{file}: no column {', '.join(missing)}; known are {', '.join(COLUMNS)}")
            for row in reader:
                texts = {name: text for name in ("sku", "warehouse", "site", "reference") if (text := row.get(name))}
                version = {"version": row["version"]} if row.get("version") else {}
                yield f"{file}:{reader.line_num}", {**texts, **version, "kind": kind, "quantity": row[amount] or ""}
    except OSError as problem:
        raise SettingError(f"{file}: cannot be read ({problem.strerror})") from problem
    except (csv.Error, UnicodeDecodeError) as problem:
        raise SettingError(f"{file}: not CSV in UTF-8 ({problem})") from problem


def _publish(bodies: list[tuple[str, Body]]) -> None:
    """Check all as the role would, then write them to the pools of their warehouses."""
    from app.events import codec
    from app.kafka import transactions
    from app.worker.configured_files import load_network

    settings = load_settings()
    homes = {source.warehouse: source.pool for source in load_network(settings).sources}
    records, written = codec.load(), []
    for where, body in bodies:
        pool = homes.get(str(body.get("warehouse")), MAIN)
        value = json_module.dumps({**body, "pool": pool}).encode()
        try:
            records.order_id(unsent(TOPIC, value))
        except RecordError as problem:
            raise SettingError(f"{where}: {problem.detail}") from problem
        written.append((pool, value))
    asyncio.run(transactions.publish(ClusterAccess.of(settings), TOPIC, written))
