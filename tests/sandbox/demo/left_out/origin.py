"""What the first steps of an order may lack: it comes into being, comes in, is confirmed, is validated."""

from tests.sandbox.demo.recorded import Row, added, done, drop, marked, put, redone, swapped, twice, undone

SHOP, ERP = "bigcommerce", "fno"
STATUS, OUR_ROWS, THEIR_ROWS = "order-status", "dualwrite.iom.salesorders", "dualwrite.fno.salesorders"


def shop(created: str, came_in: str, parts: str, ended: str) -> list[Row]:
    """`parts` are the numbers that look up what was ordered, `ended` is that of the end."""
    return [
        (created, "not created at the shop", undone(SHOP, "order created")),
        (created, "created twice at the shop", redone(SHOP, "order created")),
        (f"{came_in} S4 {parts}", "not pulled", drop("order-created")),
        (f"{came_in} {parts}", "pulled twice", twice("order-created")),
        (came_in, "pushed by a producer", marked("order-created", source="shop/webhook")),
        (came_in, "of another origin", put("order-created", "order.origin", ERP)),
        (came_in, "not in state New", put("order-created", "order.state", "Validated")),
        (came_in, "a line not in state New", put("order-created", "order.lines.1.state", "Validated")),
        (f"{came_in} {ended}", "created twice in the ledger", twice(STATUS, event="order created")),
    ]


def erp(
    created: str, came_in: str, confirmed: str, decided: str, parts: str, ended: str, told: str = "", alone: str = ""
) -> list[Row]:
    """`parts` and `ended` as above; `told` looks at what else F+O has of it, `alone` falls where its confirmation is
    all that F+O says."""
    return [
        (f"{created} S3 {told}", "not created in F+O", undone(ERP, "order created")),
        (f"{created} S3 {told}", "created twice in F+O", redone(ERP, "order created")),
        (f"{came_in} S3", "no row came", drop(THEIR_ROWS)),
        (f"{came_in} {parts}", "no order came of it", drop("order-created")),
        (f"{came_in} {parts}", "two orders came of it", twice("order-created")),
        (came_in, "pushed by a producer", marked("order-created", source="shop/webhook")),
        (came_in, "not caused by a row", marked("order-created", cause="")),
        (f"{came_in} {decided} {ended}", "created twice in the ledger", twice(STATUS, event="order created")),
        (f"{confirmed} {alone}", "not confirmed", undone(ERP, "order confirmed")),
        (confirmed, "confirmed twice", redone(ERP, "order confirmed")),
        (decided, "validated before it was confirmed", swapped("order confirmed", "order validated")),
        (f"{decided} S3 S8", "never confirmed here", drop(STATUS, event="order confirmed")),
    ]


def validation(decided: str) -> list[Row]:
    return [
        (decided, "not validated", drop("order-validated")),
        (decided, "validated twice", twice("order-validated")),
        (decided, "by no policy", put("order-validated", "policies", [])),
        (decided, "against a policy", put("order-validated", "policies.1.outcome", "failed")),
        (decided, "rejected as well", added("order-rejected", {"policies": []})),
    ]


def refusal(decided: str, at_fno: bool) -> list[Row]:
    """`at_fno`: the order is F+O's own."""
    sent = [] if at_fno else [(f"{decided}", "in F+O all the same", done(ERP, "order created", number="1"))]
    return [
        *sent,
        (decided, "not rejected", drop("order-rejected")),
        (decided, "rejected twice", twice("order-rejected")),
        (decided, "rejected for no reason", put("order-rejected", "detail", "")),
        (decided, "rejected by no policy", put("order-rejected", "policies", [])),
        (decided, "the order did not change", drop(STATUS, event="order rejected")),
        (decided, "validated as well", added("order-validated", {"policies": []})),
        (decided, "sent all the same", added("fulfillment-requested", {"order": {}})),
        (decided, "billed all the same", added("billing-requested", {"order": {}})),
        (decided, "at Flexe all the same", done("flexe", "order created", id="FXO-1")),
        (decided, "in SAP all the same", done("sap", "order created", sales_order="1")),
        (f"{decided}" if at_fno else f"{decided} S5", "synchronised all the same", added(OUR_ROWS, {"after": {}})),
    ]
