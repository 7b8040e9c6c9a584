"""Scenario 6: an order of BigCommerce whose lines are sourced one by one, fulfilled and invoiced in F+O (S57-S72).

Some lines have no stock at first: they wait until a receipt releases them, while the others go on. An order that comes
while backorders are disabled stays where nothing was found. Line `3/2` is what a second warehouse ships of line 3.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from app.sandbox.demo.evidence import Case, ObservedRecord
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


def results(case: Case) -> list[ObservedRecord]:
    """Return the order's sourcing results, oldest first."""
    return sorted(case.on("sourcing-result"), key=lambda record: record.offset)


def answer(case: Case) -> ObservedRecord:
    """Return the one result that answers the request, before more stock came. Raises ValueError unless it is one."""
    (result,) = [record for record in results(case) if record.body["outcome"] != "released"]
    return result


def shipped(records: Iterable[ObservedRecord]) -> Shipped:
    """Return what the fulfillment orders of some results ship."""
    orders = [order for record in records for order in record.body["fulfillment_orders"]]
    return Counter(
        (line["line_id"], order["warehouse"], Decimal(line["quantity"])) for order in orders for line in order["lines"]
    )


def base(line_id: str) -> str:
    """Return the id of the line as it came in."""
    return line_id.partition("/")[0]


def assigned_quantities(lines: Iterable[Mapping[str, Any]]) -> Shipped:
    """Return what is to be shipped of the lines that have a shipping warehouse."""
    return Counter(
        (base(line["line_id"]), line["warehouse"], Decimal(line["quantity"])) for line in lines if line["warehouse"]
    )


def lacking(record: ObservedRecord) -> set[str]:
    """Return the ids of lines for which a result has no source."""
    return {line["line_id"] for line in record.body["unsourced"]}


def bills(case: Case) -> list[ObservedRecord]:
    """Return the first attempt of each request to bill, oldest first."""
    first: dict[str, ObservedRecord] = {}
    for record in sorted(case.on("billing-requested"), key=lambda record: record.offset):
        first.setdefault(record.body["effect_id"], record)
    return list(first.values())


def attempts(case: Case, effect_id: str) -> list[tuple[ObservedRecord, ObservedRecord]]:
    """Return each attempt of a request to bill that was synchronised, with its row, oldest first.

    Raises KeyError for a row of an attempt that was never requested.
    """
    requests = [record for record in case.on("billing-requested") if record.body["effect_id"] == effect_id]
    by_attempt = {request.body["attempt"]: request for request in requests}
    rows = [row for row in case.on(OUR_ROWS) if row.body["source"]["effect_id"] == effect_id]
    return sorted(((by_attempt[row.body["source"]["attempt"]], row) for row in rows), key=lambda pair: pair[1].offset)


def assigned_without_warehouse(case: Case) -> bool:
    """S60: company and site by policy, and no warehouse anywhere, as the order is then sent to be sourced."""
    (assignment,) = case.on("order-assigned")
    body, order = assignment.body, case.on("sourcing-requested")[0].body["order"]
    is_same = body["company"] == order["company"] and body["site"] == order["site"]
    complete = bool(order["company"] and order["site"]) and passed(body["policies"])
    everywhere = [body, *body["lines"], order, *order["lines"]]
    return complete and is_same and not any(place["warehouse"] for place in everywhere)


def optimized(case: Case) -> bool:
    """S61: under the literal name of the action, once, because the order was assigned, and answered."""
    requests = case.on("sourcing-requested")
    is_named = {(record.body["provider"], record.body["action"]) for record in requests} == {("dom", OPTIMIZE)}
    because = causes(requests) == causes(case.on("order-assigned"))
    answered = answer(case).body["effect_id"] == requests[0].body["effect_id"]
    return len(requests) == 1 and is_named and because and answered and answer(case).source == "waybill/source"


def one_for_each_source(case: Case) -> bool:
    """S62: a fulfillment order for each source of each lot; together they ship what was sourced, all of each line."""
    ids = [order["fulfillment_order_id"] for record in results(case) for order in record.body["fulfillment_orders"]]
    sources_differ = all(_sources_differ(record.body["fulfillment_orders"]) for record in results(case))
    sums: dict[str, Decimal] = {}
    for line_id, _, quantity in shipped(results(case)).elements():
        sums[line_id] = sums.get(line_id, Decimal(0)) + quantity
    return bool(ids) and len(ids) == len(set(ids)) and sources_differ and sums == _ordered(case)


def _sources_differ(orders: list[Mapping[str, Any]]) -> bool:
    warehouses = [order["warehouse"] for order in orders]
    return len(set(warehouses)) == len(warehouses) and all(order["lines"] and order["site"] for order in orders)


def _ordered(case: Case) -> dict[str, Decimal]:
    (created,) = case.on("order-created")
    return {line["line_id"]: Decimal(line["quantity"]) for line in created.body["order"]["lines"]}


def passed_to_fno(case: Case) -> bool:
    """S63a: a request for each lot under the literal name, answered; F+O has the order once and each line once."""
    requests = case.on("billing-requested")
    is_named = {(record.body["provider"], record.body["action"]) for record in requests} == {("fno", BILL)}
    lots = [record for record in results(case) if record.body["fulfillment_orders"]]
    effects = {record.body["effect_id"] for record in requests}
    answers = {record.body["effect_id"] for record in case.on("provider-result") if record.body["outcome"] == "ok"}
    because = [record.cause for record in bills(case)] == [record.event_id for record in lots]
    lines = len(case.effects("fno", "line created")) == shipped(lots).total()
    return is_named and because and effects <= answers and once(case, "fno", "order created") and lines


def warehouse_first(case: Case) -> bool:
    """S63b: the lines have their source's warehouse in the request itself, and in what was synchronised for it.

    A repeated attempt has the state of its own time: a lot that came meanwhile is in it, too.
    """
    lots = [record for record in results(case) if record.body["fulfillment_orders"]]
    so_far = [shipped(lots[:count]) for count in range(1, len(lots) + 1)]
    for position, bill in enumerate(bills(case)):
        synced = attempts(case, bill.body["effect_id"])
        if assigned_quantities(bill.body["order"]["lines"]) != so_far[position] or not synced:
            return False
        for request, row in synced:
            expected = so_far[position:] if request.body["attempt"] > 1 else [so_far[position]]
            if _in_row(row) != assigned_quantities(request.body["order"]["lines"]) or _in_row(row) not in expected:
                return False
    return len(bills(case)) == len(lots) > 0


def _in_row(row: ObservedRecord) -> Shipped:
    return Counter(
        (base(line["ExternalItemNumber"]), line["ShippingWarehouseId"], Decimal(line["OrderedSalesQuantity"]))
        for line in row.body["after"]["Lines"]
    )


def _lines_in_row(row: ObservedRecord) -> set[str]:
    return {line["ExternalItemNumber"] for line in row.body["after"]["Lines"]}


def selected_by_warehouse(case: Case) -> bool:
    """S63c: every line that has a shipping warehouse is synchronised, and no other is."""
    for bill in bills(case):
        synced = attempts(case, bill.body["effect_id"])
        if not synced or any(_lines_in_row(row) != _with_warehouse(request) for request, row in synced):
            return False
    return bool(bills(case))


def _with_warehouse(request: ObservedRecord) -> set[str]:
    return {line["line_id"] for line in request.body["order"]["lines"] if line["warehouse"]}


def unsourced_left_out(case: Case) -> bool:
    """S64: lines without stock are in nothing that was synchronised before they got some; the others are, at once."""
    waiting, ahead = lacking(answer(case)), shipped([answer(case)])
    synced = [row for bill in bills(case) for _, row in attempts(case, bill.body["effect_id"])]
    later = [record for record in results(case) if record is not answer(case)]
    released_at = {line_id: record.at_ms for record in later for line_id in _lines(record)}
    for row in synced:
        early = {line_id for line_id in waiting if released_at.get(line_id, row.at_ms + 1) > row.at_ms}
        if early & set(map(base, _lines_in_row(row))):
            return False
    if not ahead:
        return all(bill.cause != answer(case).event_id for bill in bills(case))
    return set(map(base, _lines_in_row(synced[0]))) == {line_id for line_id, _, _ in ahead}


def backordered_and_released(case: Case) -> bool:
    """S65: a line without stock is on backorder hold until stock releases it, and then it has a source and a row like
    any other. With backorders disabled there is no hold: it was not found, and goes nowhere."""
    lines = lacking(answer(case))
    waits = answer(case).body["waits"]
    effects = _because_of(case, answer(case))
    statuses = {line["line_id"]: status(line) for record in effects for line in record.body["lines"]}
    if any(statuses.get(line_id) != (BACKORDERED if waits else NOT_FOUND) for line_id in lines):
        return False
    releases = [record for record in results(case) if record.body["outcome"] == "released"]
    released = {line_id for record in releases for line_id in _lines(record)}
    return released == (lines if waits else set())


def _lines(record: ObservedRecord) -> set[str]:
    return {line_id for line_id, _, _ in shipped([record])}


def _because_of(case: Case, cause: ObservedRecord) -> list[ObservedRecord]:
    return [record for record in case.on("order-status") if record.cause == cause.event_id]


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
    """Check that F+O did it when it had all lines: one that is added opens the order again."""
    kinds = [entry.kind for entry in case.effects("fno")]
    return kind in kinds[len(kinds) - kinds[::-1].index("line created") :]


PARTS_OF_S63: Final = (passed_to_fno, warehouse_first, selected_by_warehouse)
SCENARIO: Final = Scenario(
    number=6,
    flow="bigcommerce-dom-fno-fno",
    origin="bigcommerce",
    seed="/_sim/bigcommerce/orders?touch=1",
    orders=lambda series: bigcommerce_orders(
        series.store, series.count, scenario=6, channel=CHANNEL, used_ids=series.used_ids
    ),
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
        "S64": unsourced_left_out,
        "S65": backordered_and_released,
        "S66": lambda case: after_last_line(case, "order picked"),
        "S67": lambda case: reached(case, "order-picked", PICKED),
        "S68": lambda case: after_last_line(case, "order delivered"),
        "S69": packed,
        "S70": lambda case: channel_updated(case, "order-shipped", PACKED, SHIPPED_AT_SHOP),
        "S71": lambda case: completed(case) and after_last_line(case, "order invoiced"),
        "S72": lambda case: channel_updated(case, "order-invoiced", FULFILLED, COMPLETED_AT_SHOP),
    },
)
