"""Scenario 5: an order of Finance + Operations, fulfilled by Flexe, invoiced in SAP (S49-S56). F+O is told nothing."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import fno_orders
from app.sandbox.demo.partial_reports import ordered, reports, shipped_by_flexe, whole_by_last_part
from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.scenarios.fno_flexe_fno import sent_with_company
from app.sandbox.demo.step_checks import (
    carried_out,
    causes,
    invoiced_by,
    leaves_fno_alone,
    mirrored_in,
    once,
    validated_after_confirmation,
)

BILL: Final = "Create sales order for accounting"


def invoiced_in_sap(case: Case) -> bool:
    """S55: SAP has the order once, since Flexe shipped it, and has invoiced all of it, in one document or several."""
    requests = case.on("billing-requested")
    because = causes(requests[:1]) == causes(case.on("order-shipped"))
    created = carried_out(case, "billing-requested", "sap", BILL) and once(case, "sap", "order created")
    documents = [entry.detail for entry in case.effects("sap", "order invoiced")]
    numbers = [document["billing_document"] for document in documents]
    total = sum((_pieces(document["items"]) for document in documents), Decimal(0))
    return because and created and len(numbers) == len(set(numbers)) and total == sum(ordered(case).values())


def _pieces(items: Mapping[str, str]) -> Decimal:
    return sum(map(Decimal, items.values()), Decimal(0))


def invoice_received(case: Case) -> bool:
    """S56: every invoice was received once, the last one completed the order, and F+O was told nothing of it."""
    reported_documents = {record.body["reference"] for record in reports(case, "sap", "order invoiced")}
    documents = {entry.detail["billing_document"] for entry in case.effects("sap", "order invoiced")}
    whole = whole_by_last_part(case, "order-invoiced", "sap")
    return invoiced_by(case, "sap") and reported_documents == documents and whole and leaves_fno_alone(case)


SCENARIO: Final = Scenario(
    number=5,
    flow="fno-flexe-sap",
    origin="fno",
    seed="/_sim/fno/orders?automatic=Confirmed",
    orders=lambda series: fno_orders(series.company, series.stamp, series.count, scenario=5, origin="SAP"),
    calls=frozenset({"flexe", "sap"}),
    checks={
        "S49": lambda case: once(case, "fno", "order created"),
        "S50": mirrored_in,
        "S51": lambda case: once(case, "fno", "order confirmed"),
        "S52": validated_after_confirmation,
        "S53": sent_with_company,
        "S54": shipped_by_flexe,
        "S55": invoiced_in_sap,
        "S56": invoice_received,
    },
)
