"""Scenario 6 with something left out, done twice or done wrongly, and the numbers that then fall."""

from typing import Any

from app.demo.evidence import Case
from tests.demo.recorded import Edit, Row, drop, marked, put, twice, undone

SHOP, ERP = "bigcommerce", "fno"
ASKED, ANSWERED, BILLED = "sourcing-requested", "sourcing-result", "billing-requested"
ROWS_OF_OURS, STATUS, UPDATE = "dualwrite.iom.salesorders", "order-status", "channel-update-requested"


def every(topic: str, path: str, value: Any) -> Edit:
    """Every record of the topic has that value there; `*` stands for each place of a list."""

    def edit(case: Case) -> None:
        for seen in case.on(topic):
            _set(seen.body, path.split("."), value)

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
    (answer,) = [seen for seen in case.on(ANSWERED) if seen.body["outcome"] != "released"]
    lacking = answer.body["unsourced"][0]["line_id"]
    first = min(case.on(ROWS_OF_OURS), key=lambda seen: seen.offset)
    line = first.body["after"]["Lines"][0]
    first.body["after"]["Lines"].append({**line, "ExternalItemNumber": lacking})


def not_held(case: Case) -> None:
    for seen in case.on(STATUS):
        lines: list[dict[str, Any]] = seen.body["lines"]
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
    ("S63 S63a", "sent under another name", every(BILLED, "action", "Send order to fulfillment")),
    ("S63 S63a S66 S68 S71", "the lines are not at F+O", undone(ERP, "line created")),
    ("S63 S63b", "another warehouse is synchronised", every(ROWS_OF_OURS, "after.Lines.*.ShippingWarehouseId", "X")),
    ("S64 S63 S63b S63c", "a line without stock is synchronised", unsourced_in_the_first_row),
    ("S65", "a line without stock was not held", not_held),
    ("S66", "not picked", undone(ERP, "order picked")),
    ("S67", "another reason", put("order-picked", "reason", "Packed")),
    ("S68", "not delivered", undone(ERP, "order delivered")),
    ("S69", "another reason", put("order-shipped", "reason", "Shipped")),
    ("S70", "the shop was not told of the shipment", drop(UPDATE, reason="Packed")),
    ("S71", "not in the state Completed", put("order-invoiced", "state", "Fulfillment in Process")),
    ("S72", "the shop was not told of the end", drop(UPDATE, reason="Fulfilled")),
]
REFUSED: list[Row] = []
