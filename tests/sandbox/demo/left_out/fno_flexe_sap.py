"""Scenario 5 with something left out, done twice or done wrongly, and the numbers that then fall."""

from tests.sandbox.demo.left_out import flexe, origin
from tests.sandbox.demo.recorded import (
    Row,
    added,
    because_of_first,
    changed_later,
    done,
    drop,
    lost,
    marked,
    put,
    redone,
    twice,
    undone,
)

ERP, SAP = "fno", "sap"
REQUESTED, BILLING, STATUS, REPORT = "fulfillment-requested", "billing-requested", "order-status", "provider-event"
BILL = {"action": "Create sales order for accounting"}
MORE = {"billing_document": "9", "items": {"10": "1"}}
INVOICE = {"provider": SAP, "event": "order invoiced"}

COMPLETED: list[Row] = [
    *origin.erp("S49", "S50", "S51", "S52", parts="S53 S54 S55 S56", ended="S56", alone="S3 S8"),
    *origin.validation("S52"),
    *flexe.sending("S53", "S52", also=""),
    ("S53", "sent without its company", put(REQUESTED, "order.company", None)),
    *flexe.shipping("S54", also="S55", status=""),
    ("S55", "not sent to SAP", drop(BILLING)),
    ("S55", "under another name", put(BILLING, "action", "Send sales order lines to billing")),
    ("S55", "asked for twice", twice(BILLING, {"effect_id": "other"})),
    ("S55", "not answered", drop("provider-result", **BILL)),
    ("S55", "declined", put("provider-result", "outcome", "declined", **BILL)),
    ("S55", "sent before it was shipped", marked(BILLING, cause="elsewhere")),
    ("S55", "not in SAP", undone(SAP, "order created")),
    ("S55", "twice in SAP", redone(SAP, "order created")),
    ("S55 S56", "not invoiced", undone(SAP, "order invoiced")),
    ("S55", "an invoice twice", redone(SAP, "order invoiced")),
    (
        "S55 S56",
        "invoiced with more than was ordered",
        done(SAP, "order invoiced", **MORE),
    ),
    ("S56", "not received", drop("order-invoiced")),
    ("S56", "received twice", twice("order-invoiced")),
    ("S56", "from another provider", put("order-invoiced", "provider", ERP)),
    ("S56", "another reason", put("order-invoiced", "reason", "Invoiced")),
    ("S56", "received by the first part", because_of_first("order-invoiced", SAP, "order invoiced")),
    ("S56", "the first invoice was not reported", lost(REPORT, 0, **INVOICE)),
    ("S56", "the last invoice was not reported", lost(REPORT, -1, **INVOICE)),
    ("S56", "one invoice too many was reported", twice(REPORT, {"reference": "9"}, **INVOICE)),
    ("S56", "reported with less than was ordered", put(REPORT, "lines.0.quantity", "0.5000", **INVOICE)),
    ("S56", "the order did not change", drop(STATUS, event="order invoiced")),
    ("S56", "changed after the end", changed_later),
    ("S56", "F+O was asked to do something", added("channel-update-requested", {"provider": ERP})),
    ("S56 S3", "F+O was told", added("dualwrite.iom.salesorders", {"after": {}})),
    ("S56", "F+O was changed by us", done(ERP, "order changed", by="iom")),
    ("S8 S3", "a status did not arrive", drop(REPORT, provider=ERP, event="order confirmed")),
    ("S8", "reported twice", twice(REPORT, provider=ERP, event="order confirmed")),
]
REFUSED: list[Row] = origin.refusal("S52", at_fno=True)
