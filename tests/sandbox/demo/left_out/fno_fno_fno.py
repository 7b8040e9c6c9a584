"""Scenario 4 with something left out, done twice or done wrongly, and the numbers that then fall."""

from tests.sandbox.demo.recorded import (
    Row,
    added,
    changed_later,
    done,
    drop,
    marked,
    put,
    redone,
    swapped,
    twice,
    undone,
)

SHOP, ERP = "bigcommerce", "fno"
REQUESTED, UPDATE, STATUS = "fulfillment-requested", "channel-update-requested", "order-status"
OUR_ROWS, THEIR_ROWS = "dualwrite.iom.salesorders", "dualwrite.fno.salesorders"
SHIPPED, INVOICED = {"reason": "Packed"}, {"reason": "Fulfilled"}

COMPLETED: list[Row] = [
    ("S41 S3", "not created in F+O", undone(ERP, "order created")),
    ("S41 S3", "created twice in F+O", redone(ERP, "order created")),
    ("S42 S3", "no row came", drop(THEIR_ROWS)),
    ("S42", "no order came of it", drop("order-created")),
    ("S42", "two orders came of it", twice("order-created")),
    ("S42", "pushed by a producer", marked("order-created", source="shop/webhook")),
    ("S42", "not caused by a row", marked("order-created", cause="")),
    ("S42", "no company", put("order-created", "order.company", None)),
    ("S42", "another company", put("order-created", "order.company", "demf")),
    ("S42 S44 S48", "created twice in the ledger", twice(STATUS, event="order created")),
    ("S43", "not confirmed", undone(ERP, "order confirmed")),
    ("S43", "confirmed twice", redone(ERP, "order confirmed")),
    ("S44", "not validated", drop("order-validated")),
    ("S44", "validated twice", twice("order-validated")),
    ("S44", "by no policy", put("order-validated", "policies", [])),
    ("S44", "validated before it was confirmed", swapped("order confirmed", "order validated")),
    ("S44", "validated after it was shipped", swapped("order validated", "order shipped")),
    ("S44 S3 S8", "never confirmed here", drop(STATUS, event="order confirmed")),
    ("S45", "not shipped", undone(ERP, "order delivered")),
    ("S45", "shipped twice", redone(ERP, "order delivered")),
    ("S45", "sent to F+O", added(REQUESTED, {"action": "Send order to fulfillment"})),
    ("S45", "billed at F+O", added("billing-requested", {"action": "Send sales order lines to billing"})),
    ("S45 S3", "written to F+O", added(OUR_ROWS, {"after": {}})),
    ("S45", "changed at F+O by us", done(ERP, "order released", by="iom")),
    ("S46", "not raised", drop("order-shipped")),
    ("S46", "raised twice", twice("order-shipped")),
    ("S46", "reason Shipped", put("order-shipped", "reason", "Shipped")),
    ("S46", "another provider", put("order-shipped", "provider", "flexe")),
    ("S46 S3 S8", "the order did not change", drop(STATUS, event="order shipped")),
    ("S47 S8", "not invoiced", undone(ERP, "order invoiced")),
    ("S47", "invoiced twice", redone(ERP, "order invoiced")),
    ("S48", "not received", drop("order-invoiced")),
    ("S48", "received twice", twice("order-invoiced")),
    ("S48", "from another provider", put("order-invoiced", "provider", "sap")),
    ("S48", "another reason", put("order-invoiced", "reason", "Invoiced")),
    ("S48", "changed after the end", changed_later),
    ("S48 S3 S8", "the order did not change", drop(STATUS, event="order invoiced")),
    ("S3 S8", "a change in F+O did not arrive", drop("provider-event", event="order shipped")),
    ("S8", "reported twice", twice("provider-event", event="order invoiced")),
]
REFUSED: list[Row] = [
    ("S44", "not rejected", drop("order-rejected")),
    ("S44", "rejected before it was confirmed", swapped("order confirmed", "order rejected")),
    ("S44", "shipped all the same", added("order-shipped", {"state": "Fulfillment in Process"})),
    ("S43", "not confirmed", undone(ERP, "order confirmed")),
]
