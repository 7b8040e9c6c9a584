"""`waybill backorders`: lines that wait for stock, the job that looks at them again, and the preferences for both."""

import asyncio
import json as json_module
import os
import uuid
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from app.agents.role import Output
from app.agents.source import RUN, SET
from app.commands import output
from app.errors import RecordError, SettingError
from app.events.ids import derive
from app.runtime import source_reading, sourcing, writing
from app.settings import Settings
from app.stock import preferences
from app.stock.kept import Chosen, Run, Runs, Sourced, Waiting
from app.stock.preferences import Preferences
from app.views import change_view, run_view, waiting_view

commands = typer.Typer(help="Backorders: run the job, list what waits, set preferences.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Pool = Annotated[str, typer.Option(help="Pool of warehouses.")]
Actor = Annotated[str, typer.Option(help="Who asks; it is written down.")]
MAIN: Final = "main"
SOMEBODY: Final = os.environ.get("USER") or "operator"
RUN_LIMIT_S: Final = 60.0
LOOK_S: Final = 0.3
RUNS_SHOWN: Final = 10


@commands.command(name="run")
def run_job(pool: Pool = MAIN, actor: Actor = SOMEBODY, json: Json = False) -> None:
    """Look at every line that waits, now. Says what came of it; exit code 1 when nobody did it within a minute."""
    settings = Settings.from_env(os.environ)
    found = asyncio.run(_run(settings, _known(settings, pool), actor))
    if json:
        output.data(run_view(found))
    else:
        said = f"{found.looked_at} lines looked at, {found.released} released, {found.waiting} still waiting"
        output.people.print(said, markup=False)


async def _run(settings: Settings, pool: str, actor: str) -> Run:
    asked = await _command(settings, pool, RUN, actor, {"why": "command"})
    wanted = derive(asked, "pool")
    deadline = asyncio.get_running_loop().time() + RUN_LIMIT_S
    while asyncio.get_running_loop().time() < deadline:
        for runs in await source_reading.values(settings.bootstrap_servers, Runs):
            for run in runs.jobs:
                if run.event_id == wanted and run.ended:
                    return run
        await asyncio.sleep(LOOK_S)
    raise SettingError(
        f"the job was asked for and did not run within {RUN_LIMIT_S:.0f} s; are `waybill worker orchestrate source`"
        " running? It runs as soon as they do"
    )


@commands.command(name="list")
def list_waiting(
    sku: Annotated[str | None, typer.Option(help="Only lines that wait for this item.")] = None, json: Json = False
) -> None:
    """Lines that wait, in the order in which stock is given to them, and the last runs of the job."""
    settings = Settings.from_env(os.environ)
    waiting, runs = asyncio.run(_waiting(settings, sku))
    if json:
        shown = {each.pool: {"jobs": _runs(each.jobs), "receipts": _runs(each.receipts)} for each in runs}
        output.data({"waiting": waiting, "runs": shown})
        return
    _print("Lines that wait", ("sku", "order_id", "line_id", "quantity", "priority", "since", "cancel_at"), waiting)
    for each in runs:
        recent = sorted([*each.jobs, *each.receipts], key=lambda run: run.at)[-RUNS_SHOWN:]
        columns = ("at", "why", "actor", "looked_at", "released", "waiting")
        _print(f"Last runs in pool {each.pool}", columns, _runs(tuple(recent)))


async def _waiting(settings: Settings, sku: str | None) -> tuple[list[dict[str, Any]], list[Runs]]:
    orders = await source_reading.values(settings.bootstrap_servers, Sourced)
    lines = [(order, line) for order in orders for line in order.waiting if sku in (None, line.sku)]
    lines.sort(key=_in_turn)
    runs = await source_reading.values(settings.bootstrap_servers, Runs)
    return [waiting_view(order, line) for order, line in lines], runs


def _in_turn(found: tuple[Sourced, Waiting]) -> tuple[str, int, int, str, str]:
    order, line = found
    return line.sku, -order.priority, line.since, order.order_id, line.line_id


def _runs(runs: tuple[Run, ...]) -> list[dict[str, Any]]:
    return [run_view(run) for run in runs]


@commands.command(name="preferences")
def show_preferences(
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="backorders=on|off or cancellation_sla_days=1..365; may be given again."),
    ] = None,
    pool: Pool = MAIN,
    actor: Actor = SOMEBODY,
    json: Json = False,
) -> None:
    """Order handling preferences and who changed them; --set changes them while everything runs."""
    settings = Settings.from_env(os.environ)
    file, pool = sourcing.load_preferences(settings), _known(settings, pool)
    if change:
        values = _values(change, file)
        event_id = asyncio.run(_command(settings, pool, SET, actor, values))
        if json:
            output.data({"event_id": event_id, "pool": pool, "values": values})
        else:
            output.people.print(f"asked for: {', '.join(change)}; `waybill backorders preferences` shows it once done")
        return
    chosen = asyncio.run(_chosen(settings, pool))
    now, audit = file.under(chosen).values(), [change_view(each) for each in chosen.changes]
    if json:
        output.data({"pool": pool, **now, "priorities": dict(file.priorities), "changes": audit})
        return
    for name, value in now.items():
        output.people.print(f"{name:<22} {value}", highlight=False)
    _print("Changes", ("at", "actor", "before", "after"), audit)


def _values(given: list[str], file: Preferences) -> dict[str, str]:
    """What --set says. Raises SettingError for what the role would refuse."""
    values = dict(text.partition("=")[::2] for text in given)
    try:
        preferences.changed(file, Chosen(MAIN), values, "", 0, "")
    except RecordError as problem:
        raise SettingError(f"--set: {problem.detail}") from problem
    return values


async def _chosen(settings: Settings, pool: str) -> Chosen:
    found = await source_reading.values(settings.bootstrap_servers, Chosen)
    return next((chosen for chosen in found if chosen.pool == pool), Chosen(pool))


async def _command(settings: Settings, pool: str, command: str, actor: str, values: dict[str, str]) -> str:
    """Write a command to the pool; the id of its event."""
    event_id = uuid.uuid4().hex
    body = {"order_id": pool, "command": command, "actor": actor, "values": values}
    headers = [*writing.JSON, ("ce_id", event_id.encode())]
    record = Output("order-command", pool.encode(), json_module.dumps(body).encode(), headers)
    await writing.transact(settings.bootstrap_servers, [record])
    return event_id


def _known(settings: Settings, pool: str) -> str:
    pools = sorted({source.pool for source in sourcing.load_network(settings).sources})
    if pool not in pools:
        raise SettingError(f"--pool {pool}: the network has {', '.join(pools)}")
    return pool


def _print(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(str(row[name]) for name in columns))
    output.people.print(table)
