"""Scenario 2: an order of BigCommerce, fulfilled by Flexe, invoiced in Finance + Operations (S22-S31).

Flexe gets it while it has no company; that, site and warehouse are set once Flexe has shipped, for accounting. The shop
is told once, after the invoice.
"""

from typing import Final

from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import bigcommerce_orders
from app.sandbox.demo.parts import sent_to_flexe, shipped_by_flexe
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
from app.sandbox.demo.step_checks import assigned as placed

CHANNEL: Final = 3
BILL: Final = "Send sales order lines to billing"


def sent_without_company(case: Case) -> bool:
    """S25."""
    companies = {seen.body["order"]["company"] for seen in case.on("fulfillment-requested")}
    return sent_to_flexe(case) and companies == {None}


def assigned_after_shipment(case: Case) -> bool:
    """S27: because Flexe has shipped all of it, and in what is then sent to F+O."""
    because = causes(case.on("order-assigned")) == causes(case.on("order-shipped"))
    (shipped,) = case.changes("order shipped")
    (changed,) = [seen for seen in case.on("order-status") if seen.body["event"] == "order assigned"]
    return because and shipped.offset < changed.offset and placed(case, case.on("billing-requested"))


def sent_for_billing(case: Case) -> bool:
    """S28: asked for once the order is assigned; F+O holds it once, with its lines, and nothing was written before."""
    asked = case.on("billing-requested")
    follows = causes(asked[:1]) == causes(case.on("order-assigned"))
    written = written_by(case, {seen.body["effect_id"] for seen in asked})
    lines = len(case.did("fno", "line created")) == len(asked[0].body["order"]["lines"])
    return carried_out(case, "billing-requested", "fno", BILL) and follows and written and _held_once(case) and lines


def _held_once(case: Case) -> bool:
    return once(case, "fno", "order created") and once(case, "fno", "order released")


def told_once(case: Case) -> bool:
    """S31: the shop heard of nothing but the completion."""
    only = len(case.did("bigcommerce", "status changed")) == 1
    asked = {seen.body["effect_id"] for seen in case.on("channel-update-requested")}
    return only and len(asked) == 1 and channel_updated(case, "order-invoiced", FULFILLED, COMPLETED_AT_SHOP)


SCENARIO: Final = Scenario(
    number=2,
    flow="bigcommerce-flexe-fno",
    origin="bigcommerce",
    seed="/_sim/bigcommerce/orders?touch=1",
    orders=lambda run: bigcommerce_orders(run.store, run.count, scenario=2, channel=CHANNEL, taken=run.taken),
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
        "S31": told_once,
    },
)
