"""Every number holds on a true run, and each turns false when its step is left out, done twice or done wrongly.

A row names what else must fall with it: numbers that speak of the same fact. Nothing more may fall.
"""

from collections.abc import Iterable

import pytest

from app.demo.checks import SCENARIOS
from app.demo.report import judge
from app.demo.solution import SOLUTION
from tests.demo import recorded as run
from tests.demo.recorded import (
    Edit,
    added,
    changed_later,
    done,
    drop,
    echoed,
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

BIGCOMMERCE_FNO: list[tuple[str, str, Edit]] = [
    ("S9", "not created at the shop", undone(SHOP, "order created")),
    ("S9", "created twice at the shop", redone(SHOP, "order created")),
    ("S10 S4", "not pulled", drop("order-created")),
    ("S10", "pulled twice", twice("order-created")),
    ("S10", "pushed by a producer", marked("order-created", source="shop/webhook")),
    ("S10", "of another origin", put("order-created", "order.origin", "fno")),
    ("S10", "not in state New", put("order-created", "order.state", "Validated")),
    ("S10", "a line not in state New", put("order-created", "order.lines.1.state", "Validated")),
    ("S10", "shown in another state", put(STATUS, "state", "Validated", event="order created")),
    ("S10 S20", "created twice in the ledger", twice(STATUS, event="order created")),
    ("S11", "not validated", drop("order-validated")),
    ("S11", "validated twice", twice("order-validated")),
    ("S11", "by no policy", put("order-validated", "policies", [])),
    ("S11", "against a policy", put("order-validated", "policies.1.outcome", "failed")),
    ("S11", "by a policy without a name", put("order-validated", "policies.0.policy", "")),
    ("S11", "rejected as well", added("order-rejected", {"policies": []})),
    ("S11", "validated after it was assigned", swapped("order validated", "order assigned")),
    ("S11", "the order did not change", drop(STATUS, event="order validated")),
    ("S12 S5", "not assigned", drop("order-assigned")),
    ("S12", "assigned twice", twice("order-assigned")),
    ("S12 S5", "no company", put("order-assigned", "company", None)),
    ("S12", "sent without the company", put(REQUESTED, "order.company", None)),
    ("S12", "no site", put("order-assigned", "site", None)),
    ("S12", "no warehouse", put("order-assigned", "warehouse", None)),
    ("S12", "a line without a site", put("order-assigned", "lines.1.site", None)),
    ("S12", "a line without a warehouse", put("order-assigned", "lines.0.warehouse", None)),
    ("S12", "a line sent without a warehouse", put(REQUESTED, "order.lines.1.warehouse", None)),
    ("S12", "no line assigned", put("order-assigned", "lines", [])),
    ("S12 S5", "by no policy", put("order-assigned", "policies", [])),
    ("S12", "a policy failed", put("order-assigned", "policies.1.outcome", "failed")),
    ("S12 S7", "assigned after it was sent", swapped("order assigned", "order sent to fulfillment")),
    ("S13 S6 S12", "not asked for", drop(REQUESTED)),
    ("S13", "under another name", put(REQUESTED, "action", "Send sales order lines to billing")),
    ("S13", "another provider", put(REQUESTED, "provider", "flexe")),
    ("S13", "asked for twice", twice(REQUESTED, {"effect_id": "other"})),
    ("S13", "not answered", drop("provider-result", action="Send order to fulfillment")),
    ("S13", "declined", put("provider-result", "outcome", "declined", action="Send order to fulfillment")),
    ("S13 S3", "not in F+O", undone(ERP, "order created")),
    ("S13 S3", "twice in F+O", redone(ERP, "order created")),
    ("S13 S7 S12", "the order did not change", drop(STATUS, event="order sent to fulfillment")),
    ("S14", "not picked", undone(ERP, "order picked")),
    ("S14", "picked twice", redone(ERP, "order picked")),
    ("S15", "not raised", drop("order-picked")),
    ("S15", "raised twice", twice("order-picked")),
    ("S15", "another type", marked("order-picked", type="order shipped")),
    ("S15", "another state", put("order-picked", "state", "Fulfillment in process")),
    ("S15", "another reason", put("order-picked", "reason", "picked")),
    ("S15", "another reason of a line", put("order-picked", "lines.1.reason", "Packed")),
    ("S15", "no lines", put("order-picked", "lines", [])),
    ("S15", "another provider", put("order-picked", "provider", "flexe")),
    ("S15 S3 S8", "the order did not change", drop(STATUS, event="order picked")),
    ("S15", "changed to another reason", put(STATUS, "reason", "Packed", event="order picked")),
    ("S16", "not delivered", undone(ERP, "order delivered")),
    ("S16", "delivered twice", redone(ERP, "order delivered")),
    ("S17 S18", "not raised", drop("order-shipped")),
    ("S17", "raised twice", twice("order-shipped")),
    ("S17", "reason Shipped", put("order-shipped", "reason", "Shipped")),
    ("S17", "reason Shipped in the status", put(STATUS, "reason", "Shipped", event="order shipped")),
    ("S17", "state completed", put("order-shipped", "state", "Completed")),
    ("S17", "the state changed", put(STATUS, "previous_state", "Validated", event="order shipped")),
    ("S17 S3 S8", "the order did not change", drop(STATUS, event="order shipped")),
    ("S18", "the shop was not asked", drop(UPDATE, **SHIPPED)),
    ("S18", "by another action", put(UPDATE, "action", "Send order status", **SHIPPED)),
    ("S18", "asked for twice", twice(UPDATE, {"effect_id": "other"}, **SHIPPED)),
    ("S18", "not changed at the shop", undone(SHOP, "status changed", status_id=2)),
    ("S18", "changed twice at the shop", redone(SHOP, "status changed", status_id=2)),
    ("S18 S21", "not because of the event", marked(UPDATE, cause="elsewhere")),
    ("S19 S8", "not invoiced", undone(ERP, "order invoiced")),
    ("S19", "invoiced twice", redone(ERP, "order invoiced")),
    ("S20 S21", "not raised", drop("order-invoiced")),
    ("S20", "raised twice", twice("order-invoiced")),
    ("S20", "another reason", put("order-invoiced", "reason", "Invoiced")),
    ("S20", "another state", put(STATUS, "state", "Fulfillment in Process", event="order invoiced")),
    ("S20", "changed after the end", changed_later),
    ("S20 S3 S8", "the order did not change", drop(STATUS, event="order invoiced")),
    ("S21", "the shop was not asked", drop(UPDATE, **INVOICED)),
    ("S21", "by another provider", put(UPDATE, "provider", "fno", **INVOICED)),
    ("S21", "not changed at the shop", undone(SHOP, "status changed", status_id=10)),
    ("S21", "changed twice at the shop", redone(SHOP, "status changed", status_id=10)),
]

BIGCOMMERCE_REFUSED: list[tuple[str, str, Edit]] = [
    ("S11", "not rejected", drop("order-rejected")),
    ("S11", "rejected twice", twice("order-rejected")),
    ("S11", "rejected for no reason", put("order-rejected", "detail", "")),
    ("S11", "rejected by no policy", put("order-rejected", "policies", [])),
    ("S11", "rejected to another reason", put("order-rejected", "reason", "Rejected")),
    ("S11", "the order did not change", drop(STATUS, event="order rejected")),
    ("S11", "validated as well", added("order-validated", {"policies": []})),
    ("S11", "assigned all the same", added("order-assigned", {"company": "USMF"})),
    ("S11", "sent all the same", added(REQUESTED, {"order": {}})),
    ("S11", "billed all the same", added("billing-requested", {"order": {}})),
    ("S11", "in F+O all the same", done(ERP, "order created", number="1")),
    ("S11 S5", "synchronised all the same", added(OUR_ROWS, {"after": {}})),
]
FNO_FNO: list[tuple[str, str, Edit]] = [
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
]
FNO_REFUSED: list[tuple[str, str, Edit]] = [
    ("S44", "not rejected", drop("order-rejected")),
    ("S44", "rejected before it was confirmed", swapped("order confirmed", "order rejected")),
    ("S44", "shipped all the same", added("order-shipped", {"state": "Fulfillment in Process"})),
    ("S43", "not confirmed", undone(ERP, "order confirmed")),
]
SOLUTION_OF_SHOP_ORDERS: list[tuple[str, str, Edit]] = [
    ("S3 S5 S6", "nothing was written to F+O", drop(OUR_ROWS)),
    ("S3", "nothing came from F+O", drop(THEIR_ROWS)),
    ("S3 S8", "a change in F+O did not arrive", drop("provider-event", event="order shipped")),
    ("S3", "what came from F+O was written back", echoed),
    ("S4", "a company on arrival", put("order-created", "order.company", "USMF")),
    ("S5", "the company by no rule", put("order-assigned", "policies.0.rules", [])),
    ("S5", "the company by another policy", put("order-assigned", "policies.0.policy", "assign-anything")),
    ("S5", "a row without a company", put(OUR_ROWS, "after.dataAreaId", None)),
    ("S5", "a row of another company", put(OUR_ROWS, "after.dataAreaId", "FRSI")),
    ("S6", "a row that is not ready", put(OUR_ROWS, "after.isReadyToSync", False)),
    ("S6", "a row that no action asked for", put(OUR_ROWS, "source.effect_id", "")),
    ("S6", "ready before the action", put("order-created", "order.ready_to_sync", True)),
    ("S6", "the action did not make it ready", put(REQUESTED, "order.ready_to_sync", False)),
    ("S7", "no flow", put(STATUS, "flow", "")),
    ("S7", "the flow of another scenario", put(STATUS, "flow", "fno-fno-fno")),
    ("S7", "assigned by no step", put(STATUS, "step", "", event="order assigned")),
    ("S7", "sent by no step", put(STATUS, "step", "", event="order sent to fulfillment")),
    ("S8", "reported twice", twice("provider-event", event="order picked")),
    ("S8", "reported though unchanged", added("provider-event", {"event": "order canceled", "lines": []})),
]
SOLUTION_OF_ERP_ORDERS: list[tuple[str, str, Edit]] = [
    ("S3 S8", "a change in F+O did not arrive", drop("provider-event", event="order shipped")),
    ("S8", "reported twice", twice("provider-event", event="order invoiced")),
]
ROWS = [
    *((1, 0, row) for row in (*BIGCOMMERCE_FNO, *SOLUTION_OF_SHOP_ORDERS)),
    *((1, 1, row) for row in BIGCOMMERCE_REFUSED),
    *((4, 0, row) for row in (*FNO_FNO, *SOLUTION_OF_ERP_ORDERS)),
    *((4, 1, row) for row in FNO_REFUSED),
]
ORDERS = ("completed", "refused")


def numbers() -> set[str]:
    return {*SOLUTION, *(number for _, checks in SCENARIOS.values() for number in checks)}


@pytest.mark.parametrize("scenario", [1, 4])
def test_every_number_holds_on_a_true_run(scenario: int) -> None:
    report = judge("", run.complete(scenario), run.DEFINITIONS)
    assert [number for number, held in report.requirements.items() if not held] == []
    assert report.truth


def test_a_slow_answer_is_no_fault() -> None:
    cases = run.complete(1)
    run.answered_late(cases[0])
    assert run.missing(cases) == set()


@pytest.mark.parametrize(
    ("scenario", "position", "row"),
    [pytest.param(*row, id=f"{row[0]}-{ORDERS[row[1]]}-{row[2][0].split()[0]}: {row[2][1]}") for row in ROWS],
)
def test_a_step_that_is_left_out_is_missed(scenario: int, position: int, row: tuple[str, str, Edit]) -> None:
    cases = run.complete(scenario)
    row[2](cases[position])
    assert run.missing(cases) == set(row[0].split())


def first_numbers(rows: Iterable[tuple[int, int, tuple[str, str, Edit]]]) -> set[str]:
    return {row[0].split()[0] for _, _, row in rows}


def test_every_number_is_seen_to_fail() -> None:
    assert first_numbers(ROWS) == numbers()
    assert numbers() == {f"S{n}" for n in (*range(3, 22), *range(41, 49))}


@pytest.mark.parametrize("scenario", [1, 4])
def test_one_order_that_falls_short_is_enough(scenario: int) -> None:
    cases = [*run.complete(scenario), *run.complete(scenario)]
    undone(ERP, "order invoiced")(cases[2])
    assert "S19" in run.missing(cases) or "S47" in run.missing(cases)


@pytest.mark.parametrize("scenario", [1, 4])
def test_no_number_holds_of_nothing(scenario: int) -> None:
    cases = run.complete(scenario)
    for case in cases:
        case.records, case.deeds = [], []
    speaks_of = {*SCENARIOS[scenario][1], *(n for n, (_, of) in SOLUTION.items() if scenario in of)}
    assert run.missing(cases) == speaks_of
