"""What Flexe's part of three scenarios may lack."""

from tests.sandbox.demo.recorded import Row, because_of_first, drop, lost, marked, put, redone, swapped, twice, undone

FLEXE = "flexe"
REQUESTED, STATUS, REPORT = "fulfillment-requested", "order-status", "provider-event"
SHIPMENT = {"provider": FLEXE, "event": "order shipped"}


def sending(sent: str, decided: str, also: str) -> list[Row]:
    """`sent` and `decided` are the numbers of the sending and of the validation, `also` falls where neither is seen."""
    return [
        (sent, "not asked for", drop(REQUESTED)),
        (sent, "under another name", put(REQUESTED, "action", "Send to Flexe")),
        (sent, "another provider", put(REQUESTED, "provider", "dhl")),
        (sent, "asked for twice", twice(REQUESTED, {"effect_id": "other"})),
        (sent, "not answered", drop("provider-result", action="Send order to fulfillment")),
        (sent, "declined", put("provider-result", "outcome", "declined", action="Send order to fulfillment")),
        (sent, "not at Flexe", undone(FLEXE, "order created")),
        (sent, "twice at Flexe", redone(FLEXE, "order created")),
        (f"{sent} {also}", "the order did not change", drop(STATUS, event="order sent to fulfillment")),
        (decided, "sent before it was validated", swapped("order validated", "order sent to fulfillment")),
    ]


def shipping(shipped: str, also: str, status: str, part: str = "") -> list[Row]:
    """`also` are the numbers that hang on the event "order shipped", `status` those that hang on the changes by it,
    `part` on there being one alone."""
    return [
        (shipped, "did not leave", undone(FLEXE, "order shipped")),
        (shipped, "left twice", redone(FLEXE, "order shipped")),
        (shipped, "no shipment was reported", drop(REPORT, **SHIPMENT)),
        (shipped, "the first shipment was not reported", lost(REPORT, 0, **SHIPMENT)),
        (shipped, "the last shipment was not reported", lost(REPORT, -1, **SHIPMENT)),
        (shipped, "one shipment too many was reported", twice(REPORT, {"reference": "FXS-0"}, **SHIPMENT)),
        (shipped, "reported with less than was ordered", put(REPORT, "lines.0.quantity", "0.5000", **SHIPMENT)),
        (shipped, "reported of another line", put(REPORT, "lines.0.line_id", "77", **SHIPMENT)),
        (shipped, "reported as the whole order", put(REPORT, "lines", [], **SHIPMENT)),
        (f"{shipped} {also}", "not raised", drop("order-shipped")),
        (shipped, "raised twice", twice("order-shipped")),
        (shipped, "another type", marked("order-shipped", type="order sent")),
        (shipped, "reason Shipped", put("order-shipped", "reason", "Shipped")),
        (shipped, "reason Shipped of a line", put("order-shipped", "lines.1.reason", "Shipped")),
        (shipped, "another provider", put("order-shipped", "provider", "fno")),
        (f"{shipped} {also}", "raised by the first part", because_of_first("order-shipped", FLEXE, "order shipped")),
        (f"{shipped} {status}", "the order did not change", drop(STATUS, event="order shipped")),
        (f"{shipped} {part}", "a part changed the order", put(STATUS, "previous_reason", "?", event="order shipped")),
    ]
