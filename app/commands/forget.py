"""The work of `waybill orders forget`: ask the order's lane to remove personal data, and say what remains."""

import asyncio
import json as json_module
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import typer

from app.commands import output
from app.commands.dead_letters import open_letters
from app.commands.environment import load_settings
from app.domain.command_names import OrderCommandName
from app.domain.order import OrderState
from app.errors import SettingError, WaybillError
from app.events.dead_letters import marks_of
from app.events.record import Output
from app.kafka import topics, transactions
from app.kafka.cluster_access import ClusterAccess
from app.queries import order_queries
from app.queries.personal_topics import personal_topics
from app.queries.views import time as moment
from app.sealing.master_keys import MasterKeys
from app.settings import Settings

LIMIT_S: Final = 30.0
"""Seconds that the command waits for the ledger to be without the data."""
_PAUSE_S: Final = 0.25


class NotForgottenError(WaybillError):
    """The command was written, and the ledger still has the data."""


def run(order_id: str, actor: str, confirm: Callable[[], bool], *, as_json: bool) -> None:
    """Forget an order. Raises SettingError when it cannot be forgotten, NotForgottenError, BrokerError, LedgerError."""
    settings = load_settings()
    cluster = ClusterAccess.of(settings)
    state = asyncio.run(order_queries.find_order(cluster, order_id, settings.master_keys()))
    _require_ended(order_id, state)
    if not confirm():
        raise typer.Exit(1)
    asked_at = time.time_ns() // 1_000_000
    state = asyncio.run(_forget(cluster, settings.master_keys(), order_id, actor))
    is_sealed = asyncio.run(order_queries.had_key(cluster, order_id))
    rest = remains(settings, state, asked_at, is_sealed=is_sealed)
    view = {"order_id": order_id, "forgotten_at": moment(state.forgotten_at), **rest}
    if as_json:
        output.data(view)
    else:
        _print(view)


def _require_ended(order_id: str, state: OrderState | None) -> None:
    if state is None:
        raise SettingError(f"no order {order_id} in the ledger; `waybill orders list` names those that are there")
    if not state.settled_at:
        order = state.order
        raise SettingError(
            f"order {order_id} is {order.state} ({order.reason}) and is still under way: its personal data is needed"
            " until it has ended and every provider has answered; cancel it where it came from, or wait"
        )


async def _forget(cluster: ClusterAccess, master_keys: MasterKeys, order_id: str, actor: str) -> OrderState:
    """Write the command and return the order once its ledger is without personal data."""
    event_id = uuid.uuid4().hex
    body = {"order_id": order_id, "command": OrderCommandName.FORGET, "actor": actor}
    headers = [*transactions.JSON, ("ce_id", event_id.encode())]
    record = Output("order-command", order_id.encode(), json_module.dumps(body).encode(), headers)
    await transactions.transact(cluster, [record])
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        state = await order_queries.find_order(cluster, order_id, master_keys)
        if state is not None and event_id in state.recent:
            return state
        await asyncio.sleep(_PAUSE_S)
    raise NotForgottenError(
        f"order {order_id}: the command is written, and no worker has carried it out within {LIMIT_S:.0f} s; it is"
        " carried out as soon as role orchestrate runs"
    )


def remains(settings: Settings, state: OrderState, now_ms: int, *, is_sealed: bool) -> dict[str, Any]:
    """Return what is still there of a forgotten order: in topics until when, in dead letters, at providers.

    `is_sealed`: the order had a key, without which nobody can read what Waybill wrote of it.
    """
    places = personal_topics(topics.load(settings.partitions))
    return {
        "remains": [
            {
                "topic": place.spec.name,
                "by": "compaction" if place.is_overwritten else "retention",
                "gone_at": moment(place.gone_at(now_ms)),
                "readable": not (is_sealed and place.is_sealed),
            }
            for place in places
        ],
        "dead_letters": _letters_about(settings, state.order.order_id),
        "elsewhere": dict(state.references),
    }


def _letters_about(settings: Settings, order_id: str) -> list[str]:
    """Return the ids of the dead letters that have the order's key."""
    letters = open_letters(ClusterAccess.of(settings))
    return [name for name, letter in letters.items() if marks_of(letter).get("key") == order_id.encode()]


def _print(view: dict[str, Any]) -> None:
    output.line(f"{view['order_id']}: its personal data is gone from the ledgers and from dual-write")
    rows = [(each["topic"], each["by"], output.moment(each["gone_at"])) for each in view["remains"] if each["readable"]]
    output.table(("Topic", "Removed by", "Gone at"), rows, "What may still be in topics, and until when (UTC)")
    if sealed := [each["topic"] for each in view["remains"] if not each["readable"]]:
        output.line(f"Its key is gone: what remains in {', '.join(sealed)} is unreadable from now on")
    if view["dead_letters"]:
        letters = " ".join(view["dead_letters"])
        output.line(f"Dead letters have it until then as well: `waybill dead-letters discard {letters}`")
    rows = list(view["elsewhere"].items())
    if rows:
        output.table(("Provider", "Its name for the order"), rows, "What providers have is for them to erase")
