"""`waybill backorders`: lines that wait for stock, the job that looks at them again, and the preferences for both."""

import asyncio
import json as json_module
import os
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.commands import output
from app.commands.environment import load_settings
from app.commands.words import Json, examples
from app.errors import RecordError, SettingError
from app.kafka.cluster_access import ClusterAccess

if TYPE_CHECKING:
    from app.inventory.ledger_values import BackorderRun, BackorderRuns, PreferenceOverrides, SourcedOrder, WaitingLine
    from app.inventory.preferences import Preferences
    from app.settings import Settings

commands = typer.Typer()
Pool = Annotated[str, typer.Option(help="Pool of warehouses.")]
Actor = Annotated[str, typer.Option(help="Who asks; it is written down.")]
MAIN: Final = "main"
SOMEBODY: Final = os.environ.get("USER") or "operator"
RUN_LIMIT_S: Final = 60.0
LOOK_S: Final = 0.3
RUNS_SHOWN: Final = 10


@commands.command(name="run", epilog=examples("backorders run", "backorders run --actor ann --json"))
def run_job(pool: Pool = MAIN, actor: Actor = SOMEBODY, json: Json = False) -> None:
    """Look at every line that waits, now. Says what came of it; exit code 1 when nobody did it within a minute."""
    from app.queries.views import run_view

    settings = load_settings()
    run = asyncio.run(_run(settings, _existing(settings, pool), actor))
    if json:
        output.data(run_view(run))
    else:
        output.line(f"{run.looked_at} lines looked at, {run.released} released, {run.waiting} still waiting")


async def _run(settings: "Settings", pool: str, actor: str) -> "BackorderRun":
    from app.domain.command_names import PoolCommandName
    from app.events.ids import derive
    from app.inventory.ledger_values import BackorderRuns
    from app.queries import sourcing_queries

    event_id = derive(await _command(settings, pool, PoolCommandName.RUN_BACKORDERS, actor, {"why": "command"}), "pool")
    deadline = asyncio.get_running_loop().time() + RUN_LIMIT_S
    while asyncio.get_running_loop().time() < deadline:
        for runs in await sourcing_queries.values(ClusterAccess.of(settings), BackorderRuns, settings.master_keys()):
            for run in runs.jobs:
                if run.event_id == event_id and run.ended:
                    return run
        await asyncio.sleep(LOOK_S)
    raise SettingError(
        f"the job was asked for and did not run within {RUN_LIMIT_S:.0f} s; are `waybill worker orchestrate source`"
        " running? It runs as soon as they do"
    )


@commands.command(name="list", epilog=examples("backorders list", "backorders list --sku D0001 --json"))
def list_waiting(
    sku: Annotated[str | None, typer.Option(help="Only lines that wait for this item.")] = None, json: Json = False
) -> None:
    """Lines that wait, in the order in which stock is given to them, and the last runs of the job."""
    waiting, runs = asyncio.run(_waiting(load_settings(), sku))
    if json:
        by_pool = {each.pool: {"jobs": _runs(each.jobs), "receipts": _runs(each.receipts)} for each in runs}
        output.data({"waiting": waiting, "runs": by_pool})
        return
    _print("Lines that wait", ("sku", "order_id", "line_id", "quantity", "priority", "since", "cancel_at"), waiting)
    for each in runs:
        recent = sorted([*each.jobs, *each.receipts], key=lambda run: run.at)[-RUNS_SHOWN:]
        columns = ("at", "why", "actor", "looked_at", "released", "waiting")
        _print(f"Last runs in pool {each.pool}", columns, _runs(tuple(recent)))


async def _waiting(settings: "Settings", sku: str | None) -> tuple[list[dict[str, Any]], list["BackorderRuns"]]:
    from app.inventory.ledger_values import BackorderRuns, SourcedOrder
    from app.queries import sourcing_queries
    from app.queries.views import waiting_view

    orders = await sourcing_queries.values(ClusterAccess.of(settings), SourcedOrder, settings.master_keys())
    lines = [(order, line) for order in orders for line in order.waiting if sku in (None, line.sku)]
    lines.sort(key=_in_turn)
    runs = await sourcing_queries.values(ClusterAccess.of(settings), BackorderRuns, settings.master_keys())
    return [waiting_view(order, line) for order, line in lines], runs


def _in_turn(waiting: "tuple[SourcedOrder, WaitingLine]") -> tuple[str, int, int, str, str]:
    order, line = waiting
    return line.sku, -order.priority, line.since, order.order_id, line.line_id


def _runs(runs: "tuple[BackorderRun, ...]") -> list[dict[str, Any]]:
    from app.queries.views import run_view

    return [run_view(run) for run in runs]


@commands.command(
    name="preferences", epilog=examples("backorders preferences", "backorders preferences --set backorders=off")
)
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
    from app.domain.command_names import PoolCommandName
    from app.queries.views import change_view
    from app.worker.configured_files import load_preferences

    settings = load_settings()
    file, pool = load_preferences(settings), _existing(settings, pool)
    if change:
        values = _values(change, file)
        event_id = asyncio.run(_command(settings, pool, PoolCommandName.SET_PREFERENCES, actor, values))
        if json:
            output.data({"event_id": event_id, "pool": pool, "values": values})
        else:
            output.line(f"asked for: {', '.join(change)}; `waybill backorders preferences` shows it once done")
        return
    overrides = asyncio.run(_find_overrides(settings, pool))
    now, audit = file.overridden(overrides).values(), [change_view(each) for each in overrides.changes]
    if json:
        output.data({"pool": pool, **now, "priorities": dict(file.priorities), "changes": audit})
        return
    for name, value in now.items():
        output.line(f"{name:<22} {value}")
    _print("Changes", ("at", "actor", "before", "after"), audit)


def _values(texts: list[str], file: "Preferences") -> dict[str, str]:
    """Return the values of --set. Raises SettingError for what the role would refuse."""
    from app.inventory import preferences
    from app.inventory.ledger_values import PreferenceOverrides

    values = dict(text.partition("=")[::2] for text in texts)
    try:
        preferences.change_preferences(file, PreferenceOverrides(MAIN), values, event_id="", at=0, actor="")
    except RecordError as problem:
        raise SettingError(f"--set: {problem.detail}") from problem
    return values


async def _find_overrides(settings: "Settings", pool: str) -> "PreferenceOverrides":
    from app.inventory.ledger_values import PreferenceOverrides
    from app.queries import sourcing_queries

    by_pools = await sourcing_queries.values(ClusterAccess.of(settings), PreferenceOverrides, settings.master_keys())
    return next((overrides for overrides in by_pools if overrides.pool == pool), PreferenceOverrides(pool))


async def _command(settings: "Settings", pool: str, command: str, actor: str, values: dict[str, str]) -> str:
    """Write a command to the pool. Return the id of its event."""
    from app.events.record import Output
    from app.kafka import transactions

    event_id = uuid.uuid4().hex
    body = {"order_id": pool, "command": command, "actor": actor, "values": values}
    headers = [*transactions.JSON, ("ce_id", event_id.encode())]
    record = Output("order-command", pool.encode(), json_module.dumps(body).encode(), headers)
    await transactions.transact(ClusterAccess.of(settings), [record])
    return event_id


def _existing(settings: "Settings", pool: str) -> str:
    from app.worker.configured_files import load_network

    pools = sorted({source.pool for source in load_network(settings).sources})
    if pool not in pools:
        raise SettingError(f"--pool {pool}: the network has {', '.join(pools)}")
    return pool


def _print(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    heads = [name.replace("_", " ").capitalize() for name in columns]
    output.table(heads, [[_cell(name, row[name]) for name in columns] for row in rows], title)


def _cell(name: str, value: Any) -> object:
    return output.moment(value) if value and name in ("at", "since", "cancel_at") else value
