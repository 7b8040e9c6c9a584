"""Scenario 2: an order of BigCommerce, fulfilled by Flexe, invoiced in Finance + Operations (S22-S31).

Flexe gets it while it has no company; that, site and warehouse are set once Flexe has shipped, for accounting. The shop
is told once, after the invoice.
"""

from typing import Final

from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import bigcommerce_orders
from app.sandbox.demo.partial_reports import sent_to_flexe, shipped_by_flexe
from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.step_checks import (
    COMPLETED_AT_SHOP,
    FULFILLED,
    carried_out,
    causes,
    channel_updated,
    invoiced_by,
    once,
    pulled,
    validated,
    written_by,
)
from app.sandbox.demo.step_checks import assigned as policies_assigned

CHANNEL: Final = 3
BILL: Final = "Send sales order lines to billing"


def sent_without_company(case: Case) -> bool:
    """S25: while the order has no company."""
    companies = {record.body["order"]["company"] for record in case.on("fulfillment-requested")}
    return sent_to_flexe(case) and companies == {None}


def assigned_after_shipment(case: Case) -> bool:
    """S27: because Flexe has shipped all of it, and in what is then sent to F+O."""
    because = causes(case.on("order-assigned")) == causes(case.on("order-shipped"))
    (shipped,) = case.changes("order shipped")
    (changed,) = [record for record in case.on("order-status") if record.body["event"] == "order assigned"]
    return because and shipped.offset < changed.offset and policies_assigned(case, case.on("billing-requested"))


def sent_for_billing(case: Case) -> bool:
    """S28: requested once the order is assigned; F+O has it once, with its lines, and nothing was written before."""
    requests = case.on("billing-requested")
    follows = causes(requests[:1]) == causes(case.on("order-assigned"))
    written = written_by(case, {record.body["effect_id"] for record in requests})
    lines = len(case.effects("fno", "line created")) == len(requests[0].body["order"]["lines"])
    return (
        carried_out(case, "billing-requested", "fno", BILL) and follows and written and _is_there_once(case) and lines
    )


def _is_there_once(case: Case) -> bool:
    return once(case, "fno", "order created") and once(case, "fno", "order released")


def updated_once(case: Case) -> bool:
    """S31: the completion is the only status that the shop got."""
    only = len(case.effects("bigcommerce", "status changed")) == 1
    requests = {record.body["effect_id"] for record in case.on("channel-update-requested")}
    return only and len(requests) == 1 and channel_updated(case, "order-invoiced", FULFILLED, COMPLETED_AT_SHOP)


SCENARIO: Final = Scenario(
    number=2,
    flow="bigcommerce-flexe-fno",
    origin="bigcommerce",
    seed="/_sim/bigcommerce/orders?touch=1",
    orders=lambda series: bigcommerce_orders(
        series.store, series.count, scenario=2, channel=CHANNEL, used_ids=series.used_ids
    ),
    calls=frozenset({"bigcommerce", "flexe", "fno"}),
    checks={
        "S22": lambda case: once(case, "bigcommerce", "order created"),
        "S23": pulled,
        "S24": validated,
        "S25": sent_without_company,
        "S26": shipped_by_flexe,
        "S27": assigned_after_shipment,
        "S28": sent_for_billing,
        "S29": lambda case: once(case, "fno", "order invoiced"),
        "S30": lambda case: invoiced_by(case, "fno"),
        "S31": updated_once,
    },
)
