"""The orders that a demo runs: its own, or those of a file of BigCommerce orders in expanded V2 shape, one a line."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from app.domain.order import Order
from app.errors import SettingError
from app.providers.bigcommerce.order_mapping import to_order
from app.providers.port import RefusedOrder
from app.sandbox.demo.made_orders import COMPLETED, DemoOrder
from app.sandbox.demo.scenario import OrderSeries
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.demo.scenarios.bigcommerce_dom_fno_fno import CHANNEL as SOURCED_CHANNEL
from app.sandbox.demo.scenarios.bigcommerce_dom_fno_fno import NOT_FOUND
from app.sandbox.demo.scenarios.bigcommerce_flexe_fno import CHANNEL

COMPANY: Final = "usmf"
SHOP: Final = "bigcommerce"
FNO_SHIPS, FLEXE_SHIPS, SOURCED = 1, 2, 6
SCENARIO_OF_CHANNEL: Final[Mapping[Any, int]] = {CHANNEL: FLEXE_SHIPS, SOURCED_CHANNEL: SOURCED}
"""Scenario of a shop's order by its sales channel."""
LATE_EVERY: Final = 20
NOWHERE: Final = "SOLD-OUT"
"""An item that no warehouse has."""
ORDERS_MAX: Final = 100_000
LINE_BYTES_MAX: Final = 1 << 20


def store(stamp: str) -> str:
    """Return the shop of one run: its own, so that ids never meet those of an earlier run on the same broker."""
    return f"demo{stamp}"


def store_settings(stamp: str) -> dict[str, str]:
    """Return the environment variable that names the shop of one run."""
    return {"WAYBILL_BIGCOMMERCE_STORE_HASH": store(stamp)}


def choose(
    scenarios: Sequence[int],
    each: int,
    file: Path | None,
    stamp: str,
    *,
    round_number: int = 0,
    used_ids: Collection[int] = (),
) -> list[DemoOrder]:
    """Return `each` orders of every scenario; a scenario of the shop that the file has orders for takes those.

    `stamp` and `round_number` are part of all ids; the shop's are none of `used_ids`. Raises SettingError for a file
    that cannot be used.
    """
    if file and all(SCENARIOS[number].origin != SHOP for number in scenarios):
        raise SettingError("--orders gives orders of the shop: their scenarios are those which --scenario leaves out")
    of_the_shop = [number for number in scenarios if SCENARIOS[number].origin == SHOP]
    orders = from_file(file, stamp, by_line=of_the_shop == [SOURCED]) if file else []
    if left_out := next((order for order in orders if order.scenario not in scenarios), None):
        raise SettingError(
            f"{file}: order {left_out.source_ref} is of channel {left_out.wire.get('channel_id')}: "
            f"add --scenario {left_out.scenario}, which --scenario leaves out"
        )
    in_file = {order.scenario for order in orders}
    series = OrderSeries(store(stamp), COMPANY, f"{stamp}r{round_number}" if round_number else stamp, each)
    for number in scenarios:
        if number not in in_file:
            new_orders = SCENARIOS[number].orders(replace(series, used_ids={*used_ids, *shop_ids(orders)}))
            orders += [replace(order, round=round_number) for order in new_orders]
    return orders


def shop_ids(orders: Iterable[DemoOrder]) -> set[int]:
    """Return the ids that the shop has given to its orders among these."""
    return {order.wire["id"] for order in orders if SCENARIOS[order.scenario].origin == SHOP}


def late(each: int, stamp: str, round_number: int, used_ids: Collection[int]) -> list[DemoOrder]:
    """Return some orders of an item that no warehouse has, for the time when backorders are off."""
    series = OrderSeries(store=store(stamp), company=COMPANY, stamp=stamp, count=each, used_ids=used_ids)
    new_orders = SCENARIOS[SOURCED].orders(series)
    orders = [order for order in new_orders if order.expected == COMPLETED]
    for order in orders:
        for product in order.wire["products"]:
            product["sku"] = NOWHERE
    return [replace(order, expected=NOT_FOUND, round=round_number) for order in orders[: max(1, each // LATE_EVERY)]]


def from_file(file: Path, stamp: str, *, by_line: bool = False) -> list[DemoOrder]:
    """Return the orders of a file. `by_line`: all of them are sourced line by line, whatever their sales channel.

    Raises SettingError that names file, line and what is wrong.
    """
    orders: dict[int, DemoOrder] = {}
    for number, line in _lines(file):
        wire = _order(file, number, line)
        if wire["id"] in orders:
            raise SettingError(f"{file}:{number}: order id {wire['id']} is there twice; each order needs its own")
        if len(orders) == ORDERS_MAX:
            raise SettingError(f"{file}:{number}: more than {ORDERS_MAX} orders; split the file")
        if by_line:
            wire["channel_id"] = SOURCED_CHANNEL
        scenario = SCENARIO_OF_CHANNEL.get(wire.get("channel_id"), FNO_SHIPS)
        orders[wire["id"]] = DemoOrder(
            order_id=f"bc-{store(stamp)}-{wire['id']}",
            source_ref=str(wire["id"]),
            scenario=scenario,
            expected=None,
            wire=wire,
        )
    if not orders:
        raise SettingError(f"{file}: has no orders; --orders takes a file of one JSON order a line")
    return list(orders.values())


def as_order(order: DemoOrder) -> Order | RefusedOrder | None:
    """Return the shop's order as Waybill reads it: why it cannot be used, or None for one that is not finished."""
    return to_order("", order.wire)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not empty, with its number from 1. No more than one is in memory at a time."""
    try:
        with file.open("rb") as source:
            for number in count(1):
                line = source.readline(LINE_BYTES_MAX + 1)
                if len(line) > LINE_BYTES_MAX:
                    raise SettingError(f"{file}:{number}: the line has more than {LINE_BYTES_MAX} bytes")
                if not line:
                    return
                if line.strip():
                    yield number, line
    except OSError as problem:
        raise SettingError(
            f"{file}: cannot be read ({problem.strerror}); --orders takes a file of one JSON order a line"
        ) from problem


def _order(file: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        wire = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise SettingError(
            f"{file}:{number}: not JSON ({problem}); one BigCommerce V2 order a line is expected"
        ) from problem
    if not isinstance(wire, dict) or type(wire.get("id")) is not int or not isinstance(wire.get("products"), list):
        raise SettingError(
            f"{file}:{number}: not an expanded BigCommerce V2 order; it needs an integer `id` and a list `products`"
        )
    # A shop shows both; a file that names one of them means it.
    return {"default_currency_code": wire.get("currency_code", "USD"), **wire}
