"""Scenario 6: an order of BigCommerce whose lines are sourced one by one, fulfilled and invoiced in F+O (S57-S72).

Some lines have no stock at first: they wait until a receipt releases them, while the others go on. An order that comes
while backorders are disabled stays where nothing was found. Line `3/2` is what a second warehouse ships of line 3.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from app.sandbox.demo.evidence import Case, Seen
from app.sandbox.demo.made_orders import bigcommerce_orders
from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.step_checks import (
    COMPLETED_AT_SHOP,
    FULFILLED,
    OUR_ROWS,
    PACKED,
    PICKED,
    causes,
    channel_updated,
    completed,
    once,
    passed,
    pulled,
    status,
    validated,
)

CHANNEL: Final = 6
OPTIMIZE: Final = "Send to fulfillment optimization"
BILL: Final = "Send sales order lines to billing"
SHIPPED_AT_SHOP: Final = 2
BACKORDERED: Final = ("On Hold", "Backorder hold")
NOT_FOUND: Final = ("On Hold", "Inventory not found")
FURTHER: Final[Mapping[tuple[str, str], set[tuple[str, str]]]] = {
    PICKED: {PICKED, PACKED, FULFILLED},
    PACKED: {PACKED, FULFILLED},
}
"""Where lines may stand when the whole order has got there: the last line makes it so, the others may be further."""
Shipped = Counter[tuple[str, str, Decimal]]
"""How often (line of the order as it came in, warehouse, quantity)."""


def results(case: Case) -> list[Seen]:
    return sorted(case.on("sourcing-result"), key=lambda seen: seen.offset)


def answer(case: Case) -> Seen:
    """What was answered to the request, before any more stock came. Raises ValueError when that is not one."""
    (found,) = [seen for seen in results(case) if seen.body["outcome"] != "released"]
    return found


def shipped(found: Iterable[Seen]) -> Shipped:
    """What the fulfillment orders of some results ship."""
    orders = [order for seen in found for order in seen.body["fulfillment_orders"]]
    return Counter(
        (line["line_id"], order["warehouse"], Decimal(line["quantity"])) for order in orders for line in order["lines"]
    )


def base(line_id: str) -> str:
    """The line as it came in."""
    return line_id.partition("/")[0]


def placed(lines: Iterable[Mapping[str, Any]]) -> Shipped:
    """The lines of an order that have a shipping warehouse."""
    return Counter(
        (base(line["line_id"]), line["warehouse"], Decimal(line["quantity"])) for line in lines if line["warehouse"]
    )


def lacking(seen: Seen) -> set[str]:
    return {line["line_id"] for line in seen.body["unsourced"]}


def bills(case: Case) -> list[Seen]:
    """The first attempt of each request to bill, oldest first."""
    first: dict[str, Seen] = {}
    for seen in sorted(case.on("billing-requested"), key=lambda seen: seen.offset):
        first.setdefault(seen.body["effect_id"], seen)
    return list(first.values())


def attempts(case: Case, effect_id: str) -> list[tuple[Seen, Seen]]:
    """Return each attempt of a request to bill that was synchronised, with its row, oldest first.

    Raises KeyError for a row of an attempt that nobody asked for.
    """
    asked = {seen.body["attempt"]: seen for seen in case.on("billing-requested") if seen.body["effect_id"] == effect_id}
    rows = [row for row in case.on(OUR_ROWS) if row.body["source"]["effect_id"] == effect_id]
    return sorted(((asked[row.body["source"]["attempt"]], row) for row in rows), key=lambda pair: pair[1].offset)


def assigned_without_warehouse(case: Case) -> bool:
    """S60: company and site by policy, and no warehouse anywhere, as the order is then sent to be sourced."""
    (found,), asked = case.on("order-assigned"), case.on("sourcing-requested")
    order = asked[0].body["order"]
    named = found.body["company"] == order["company"] and found.body["site"] == order["site"]
    complete = bool(order["company"] and order["site"]) and passed(found.body["policies"])
    everywhere = [found.body, *found.body["lines"], order, *order["lines"]]
    return complete and named and not any(place["warehouse"] for place in everywhere)


def optimized(case: Case) -> bool:
    """S61: under the literal name of the action, once, because the order was assigned, and answered."""
    asked = case.on("sourcing-requested")
    named = {(seen.body["provider"], seen.body["action"]) for seen in asked} == {("dom", OPTIMIZE)}
    because = causes(asked) == causes(case.on("order-assigned"))
    answered = answer(case).body["effect_id"] == asked[0].body["effect_id"]
    return len(asked) == 1 and named and because and answered and answer(case).source == "waybill/source"


def one_for_each_source(case: Case) -> bool:
    """S62: a fulfillment order for each source of each lot; together they ship what was sourced, all of each line."""
    ids = [order["fulfillment_order_id"] for seen in results(case) for order in seen.body["fulfillment_orders"]]
    each = all(_sources_differ(seen.body["fulfillment_orders"]) for seen in results(case))
    sums: dict[str, Decimal] = {}
    for line_id, _, quantity in shipped(results(case)).elements():
        sums[line_id] = sums.get(line_id, Decimal(0)) + quantity
    return bool(ids) and len(ids) == len(set(ids)) and each and sums == _ordered(case)


def _sources_differ(orders: list[Mapping[str, Any]]) -> bool:
    warehouses = [order["warehouse"] for order in orders]
    return len(set(warehouses)) == len(warehouses) and all(order["lines"] and order["site"] for order in orders)


def _ordered(case: Case) -> dict[str, Decimal]:
    (created,) = case.on("order-created")
    return {line["line_id"]: Decimal(line["quantity"]) for line in created.body["order"]["lines"]}


def passed_to_fno(case: Case) -> bool:
    """S63a: a request for each lot under the literal name, answered; F+O has the order once and each line once."""
    asked = case.on("billing-requested")
    named = {(seen.body["provider"], seen.body["action"]) for seen in asked} == {("fno", BILL)}
    lots = [seen for seen in results(case) if seen.body["fulfillment_orders"]]
    effects = {seen.body["effect_id"] for seen in asked}
    answers = {seen.body["effect_id"] for seen in case.on("provider-result") if seen.body["outcome"] == "ok"}
    because = [seen.cause for seen in bills(case)] == [seen.event_id for seen in lots]
    lines = len(case.did("fno", "line created")) == shipped(lots).total()
    return named and because and effects <= answers and once(case, "fno", "order created") and lines


def warehouse_first(case: Case) -> bool:
    """S63b: the lines have their source's warehouse in the request itself, and in what was synchronised for it.

    An attempt that is repeated tells what is true by then: a lot that came meanwhile is in it, too.
    """
    lots = [seen for seen in results(case) if seen.body["fulfillment_orders"]]
    so_far = [shipped(lots[:count]) for count in range(1, len(lots) + 1)]
    for position, bill in enumerate(bills(case)):
        synced = attempts(case, bill.body["effect_id"])
        if placed(bill.body["order"]["lines"]) != so_far[position] or not synced:
            return False
        for asked, row in synced:
            allowed = so_far[position:] if asked.body["attempt"] > 1 else [so_far[position]]
            if _in_row(row) != placed(asked.body["order"]["lines"]) or _in_row(row) not in allowed:
                return False
    return len(bills(case)) == len(lots) > 0


def _in_row(row: Seen) -> Shipped:
    return Counter(
        (base(line["ExternalItemNumber"]), line["ShippingWarehouseId"], Decimal(line["OrderedSalesQuantity"]))
        for line in row.body["after"]["Lines"]
    )


def _lines_in_row(row: Seen) -> set[str]:
    return {line["ExternalItemNumber"] for line in row.body["after"]["Lines"]}


def selected_by_warehouse(case: Case) -> bool:
    """S63c: every line that has a shipping warehouse is synchronised, and no other is."""
    for bill in bills(case):
        synced = attempts(case, bill.body["effect_id"])
        if not synced or any(_lines_in_row(row) != _with_warehouse(asked) for asked, row in synced):
            return False
    return bool(bills(case))


def _with_warehouse(asked: Seen) -> set[str]:
    return {line["line_id"] for line in asked.body["order"]["lines"] if line["warehouse"]}


def left_out(case: Case) -> bool:
    """S64: lines without stock are in nothing that was synchronised before they got some; the others are, at once."""
    waiting, ahead = lacking(answer(case)), shipped([answer(case)])
    synced = [row for bill in bills(case) for _, row in attempts(case, bill.body["effect_id"])]
    later = [seen for seen in results(case) if seen is not answer(case)]
    released_at = {line_id: seen.at_ms for seen in later for line_id in _lines(seen)}
    for row in synced:
        early = {line_id for line_id in waiting if released_at.get(line_id, row.at_ms + 1) > row.at_ms}
        if early & set(map(base, _lines_in_row(row))):
            return False
    if not ahead:
        return all(bill.cause != answer(case).event_id for bill in bills(case))
    return set(map(base, _lines_in_row(synced[0]))) == {line_id for line_id, _, _ in ahead}


def held_and_released(case: Case) -> bool:
    """S65: a line without stock is on backorder hold until stock releases it, and then it has a source and a row like
    any other. With backorders disabled there is no hold: it was not found, and goes nowhere."""
    lines, waits = lacking(answer(case)), answer(case).body["waits"]
    shown = {line["line_id"]: status(line) for seen in _because_of(case, answer(case)) for line in seen.body["lines"]}
    if any(shown.get(line_id) != (BACKORDERED if waits else NOT_FOUND) for line_id in lines):
        return False
    released = {line_id for seen in results(case) if seen.body["outcome"] == "released" for line_id in _lines(seen)}
    return released == (lines if waits else set())


def _lines(seen: Seen) -> set[str]:
    return {line_id for line_id, _, _ in shipped([seen])}


def _because_of(case: Case, cause: Seen) -> list[Seen]:
    return [seen for seen in case.on("order-status") if seen.cause == cause.event_id]


def reached(case: Case, topic: str, expected: tuple[str, str]) -> bool:
    """S67, S69: raised once for the whole order, when its last line got there, with the exact strings."""
    (raised,), (change,) = case.on(topic), case.changes(topic.replace("-", " "))
    lines = {status(line) for line in raised.body["lines"]}
    return status(raised.body) == status(change.body) == expected and expected in lines and lines <= FURTHER[expected]


def packed(case: Case) -> bool:
    """S69: the reason becomes Packed, the state is left as it was."""
    (change,) = case.changes("order shipped")
    before = (change.body["previous_state"], change.body["previous_reason"])
    return reached(case, "order-shipped", PACKED) and before == PICKED


def after_last_line(case: Case, kind: str) -> bool:
    """F+O did it when it had all lines: one that is added opens the order again."""
    kinds = [deed.kind for deed in case.did("fno")]
    return kind in kinds[len(kinds) - kinds[::-1].index("line created") :]


PARTS_OF_S63: Final = (passed_to_fno, warehouse_first, selected_by_warehouse)
SCENARIO: Final = Scenario(
    number=6,
    flow="bigcommerce-dom-fno-fno",
    origin="bigcommerce",
    seed="/_sim/bigcommerce/orders?touch=1",
    orders=lambda run: bigcommerce_orders(run.store, run.count, scenario=6, channel=CHANNEL, taken=run.taken),
    calls=frozenset({"bigcommerce", "fno"}),
    by_line=True,
    sent_by="bill",
    asked_on="sourcing-requested",
    checks={
        "S57": lambda case: once(case, "bigcommerce", "order created"),
        "S58": pulled,
        "S59": validated,
        "S60": assigned_without_warehouse,
        "S61": optimized,
        "S62": one_for_each_source,
        "S63": lambda case: all(part(case) for part in PARTS_OF_S63),
        "S63a": passed_to_fno,
        "S63b": warehouse_first,
        "S63c": selected_by_warehouse,
        "S64": left_out,
        "S65": held_and_released,
        "S66": lambda case: after_last_line(case, "order picked"),
        "S67": lambda case: reached(case, "order-picked", PICKED),
        "S68": lambda case: after_last_line(case, "order delivered"),
        "S69": packed,
        "S70": lambda case: channel_updated(case, "order-shipped", PACKED, SHIPPED_AT_SHOP),
        "S71": lambda case: completed(case) and after_last_line(case, "order invoiced"),
        "S72": lambda case: channel_updated(case, "order-invoiced", FULFILLED, COMPLETED_AT_SHOP),
    },
)
