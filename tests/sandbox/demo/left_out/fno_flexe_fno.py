"""Scenario 3 with something left out, done twice or done wrongly, and the numbers that then fall."""

from tests.sandbox.demo.left_out import flexe, origin
from tests.sandbox.demo.recorded import Row, changed_later, done, drop, echoed, marked, put, redone, twice, undone

ERP = "fno"
REQUESTED, UPDATE = "fulfillment-requested", "channel-update-requested"
STATUS, OUR_ROWS = "order-status", "dualwrite.iom.salesorders"
TELL = {"action": "Send order status"}

COMPLETED: list[Row] = [
    *origin.erp("S32", "S33", "S34", "S35", parts="S36 S37", ended="S40", told="S38"),
    *origin.validation("S35"),
    *flexe.sending("S36", "S35", also=""),
    ("S36", "sent without its company", put(REQUESTED, "order.company", None)),
    *flexe.shipping("S37", also="S38", status="S3 S8"),
    ("S38", "not asked for", drop(UPDATE)),
    ("S38", "under another name", put(UPDATE, "action", "Send order to fulfillment")),
    ("S38", "asked for twice", twice(UPDATE, {"effect_id": "other"})),
    ("S38", "not answered", drop("provider-result", **TELL)),
    ("S38", "declined", put("provider-result", "outcome", "declined", **TELL)),
    ("S38", "not because it was shipped", marked(UPDATE, cause="elsewhere")),
    ("S38 S3", "no row went to F+O", drop(OUR_ROWS)),
    ("S38", "a row that nobody asked for", put(OUR_ROWS, "source.effect_id", "other")),
    ("S38", "a row without the status", put(OUR_ROWS, "after.SalesOrderProcessingStatus", "Active")),
    ("S38", "the status did not arrive", undone(ERP, "order delivered")),
    ("S38", "F+O set it itself", undone(ERP, "order delivered", by="iom")),
    ("S38", "told twice", redone(ERP, "order delivered")),
    ("S38", "created again", done(ERP, "line created", lot="1")),
    ("S38", "changed beside the status", done(ERP, "order changed", by="iom")),
    ("S39 S8", "not invoiced", undone(ERP, "order invoiced")),
    ("S39", "invoiced twice", redone(ERP, "order invoiced")),
    ("S40", "not raised", drop("order-invoiced")),
    ("S40", "raised twice", twice("order-invoiced")),
    ("S40", "another provider", put("order-invoiced", "provider", "sap")),
    ("S40", "another reason", put("order-invoiced", "reason", "Invoiced")),
    ("S40", "changed after the end", changed_later),
    ("S40 S3 S8", "the order did not change", drop(STATUS, event="order invoiced")),
    ("S3", "what came from F+O was written back", echoed),
    ("S8 S3", "a status did not arrive", drop("provider-event", provider=ERP, event="order shipped")),
    ("S8", "reported twice", twice("provider-event", provider=ERP, event="order invoiced")),
]
REFUSED: list[Row] = origin.refusal("S35", at_fno=True)
