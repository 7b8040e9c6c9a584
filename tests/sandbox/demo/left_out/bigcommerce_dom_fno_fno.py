"""Scenario 6 with something left out, done twice or done wrongly, and the numbers that then fall."""

from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.sandbox.demo.evidence import Case, ObservedRecord
from tests.sandbox.demo.recorded import Edit, Row, drop, marked, put, redone, twice, undone

SHOP, ERP = "bigcommerce", "fno"
ASKED, ANSWERED, BILLED = "sourcing-requested", "sourcing-result", "billing-requested"
ROWS_OF_OURS, STATUS, UPDATE = "dualwrite.iom.salesorders", "order-status", "channel-update-requested"


def every(topic: str, path: str, value: Any) -> Edit:
    """Every record of the topic has that value there; `*` stands for each place of a list."""

    def edit(case: Case) -> None:
        for record in case.on(topic):
            _set(record.body, path.split("."), value)

    return edit


def _set(body: Any, path: list[str], value: Any) -> None:
    head, *rest = path
    if head == "*":
        for each in body:
            _set(each, rest, value)
    elif rest:
        _set(body[head], rest, value)
    else:
        body[head] = value


def unsourced_in_the_first_row(case: Case) -> None:
    """A line that had no stock was synchronised with the others."""
    (answer,) = [record for record in case.on(ANSWERED) if record.body["outcome"] != "released"]
    lacking = answer.body["unsourced"][0]["line_id"]
    first = min(case.on(ROWS_OF_OURS), key=lambda record: record.offset)
    line = first.body["after"]["Lines"][0]
    first.body["after"]["Lines"].append({**line, "ExternalItemNumber": lacking})


def repeated_after_the_release(case: Case) -> None:
    """F+O was away when the first lot was sent; the attempt that it took has the lot that was released meanwhile."""
    requests = sorted(case.on(BILLED), key=lambda record: record.offset)
    first, last = requests[0], requests[-1]
    effect = first.body["effect_id"]
    (row,) = [
        record for record in case.on(ROWS_OF_OURS) if record.body["source"]["effect_id"] == last.body["effect_id"]
    ]
    source = {**row.body["source"], "effect_id": effect, "attempt": 2}
    asked_again = {**first.body, "attempt": 2, "order": deepcopy(last.body["order"])}
    case.records += [
        replace(last, event_id="asked again", offset=last.offset + 1, body=asked_again),
        replace(row, event_id="row again", offset=row.offset + 1, body={**deepcopy(row.body), "source": source}),
    ]
    put("provider-result", "attempt", 2, effect_id=effect)(case)


def repeated_before_the_release(case: Case) -> None:
    repeated_after_the_release(case)
    released = max(record.at_ms for record in case.on(ANSWERED))
    row = case.records.pop()
    case.records.append(replace(row, at_ms=released - 1))


def repeated_with_half_a_row(case: Case) -> None:
    repeated_after_the_release(case)
    case.records[-1].body["after"]["Lines"].pop()


def not_released(case: Case) -> None:
    """What waited has no source in the end, though it is at F+O."""
    case.records = [record for record in case.records if not _releases(record)]


def _releases(record: ObservedRecord) -> bool:
    return record.topic == ANSWERED and record.body["outcome"] == "released"


def half_a_line(case: Case) -> None:
    (answer,) = [record for record in case.on(ANSWERED) if not _releases(record)]
    line = answer.body["fulfillment_orders"][0]["lines"][0]
    line["quantity"] = Decimal(line["quantity"]) / 2


def left_out_later(case: Case) -> None:
    """The last row lacks a line that has a warehouse."""
    max(case.on(ROWS_OF_OURS), key=lambda record: record.offset).body["after"]["Lines"].pop()


def reported_twice(case: Case) -> None:
    """F+O's picking of some lines came as two reports."""
    (first, *_) = [record for record in case.on("provider-event") if record.body["event"] == "order picked"]
    last = max(record.offset for record in case.on("provider-event"))
    case.records.append(replace(first, event_id=first.event_id[::-1], offset=last + 1))


def not_held(case: Case) -> None:
    for record in case.on(STATUS):
        lines: list[dict[str, Any]] = record.body["lines"]
        for line in lines:
            if line["reason"] == "Backorder hold":
                line["reason"] = "Needs attention"


COMPLETED: list[Row] = [
    ("S57", "not created at the shop", undone(SHOP, "order created")),
    ("S58", "pushed by a producer", marked("order-created", source="shop/webhook")),
    ("S59", "against a policy", put("order-validated", "policies.1.outcome", "failed")),
    ("S60", "a warehouse was assigned", put("order-assigned", "warehouse", "EU-HAM")),
    ("S60", "a line had a warehouse when it was to be sourced", put(ASKED, "order.lines.0.warehouse", "EU-HAM")),
    ("S60", "no site", every("order-assigned", "site", None)),
    ("S61", "under another name", put(ASKED, "action", "Send order to fulfillment")),
    ("S61", "asked for twice", twice(ASKED)),
    ("S61", "answered by somebody else", marked(ANSWERED, source="waybill/test")),
    ("S62", "two fulfillment orders with one id", every(ANSWERED, "fulfillment_orders.*.fulfillment_order_id", "FO1")),
    ("S62 S63 S63b", "half of a line is shipped", half_a_line),
    ("S63 S63a S66 S68 S71", "the lines are not at F+O", undone(ERP, "line created")),
    ("S63a S63", "sent under another name", every(BILLED, "action", "Send order to fulfillment")),
    ("S63a S63", "not answered", drop("provider-result")),
    ("S63b S63", "another warehouse is synchronised", every(ROWS_OF_OURS, "after.Lines.*.ShippingWarehouseId", "X")),
    ("S63c S63 S63b S8", "a line with a warehouse is left out", left_out_later),
    ("S64 S63 S63b S63c", "a line without stock is synchronised", unsourced_in_the_first_row),
    ("S64", "an attempt has a line that is released only later", repeated_before_the_release),
    ("S63c S63 S63b", "an attempt synchronises less than it asked for", repeated_with_half_a_row),
    ("S65 S62 S63 S63a S63b S64", "never released", not_released),
    ("S65", "a line without stock was not held", not_held),
    ("S8", "lines were reported twice", reported_twice),
    ("S7", "sent by another step", put(STATUS, "step", "source", event="order sent to fulfillment")),
    ("S3 S8", "F+O's delivery never arrived", drop("provider-event", event="order shipped")),
    ("S66", "not picked", undone(ERP, "order picked")),
    ("S67", "another reason", put("order-picked", "reason", "Packed")),
    ("S68", "not delivered", undone(ERP, "order delivered")),
    ("S69", "another reason", put("order-shipped", "reason", "Shipped")),
    ("S70", "the shop was not told of the shipment", drop(UPDATE, reason="Packed")),
    ("S71", "not in the state Completed", put("order-invoiced", "state", "Fulfillment in Process")),
    ("S72", "the shop was not told of the end", drop(UPDATE, reason="Fulfilled")),
]
REFUSED: list[Row] = [
    ("S59", "not rejected", drop("order-rejected")),
    ("S58 S4", "not pulled", drop("order-created")),
    ("S57", "created twice at the shop", redone(SHOP, "order created")),
]
NOT_FOUND: list[Row] = [
    (
        "S65",
        "held although backorders are off",
        put(STATUS, "lines.0.reason", "Backorder hold", event="order not sourced"),
    ),
    ("S61 S64 S65", "not answered", drop(ANSWERED)),
    ("S60", "no company", every("order-assigned", "company", None)),
]
