"""Scenario 3: an order of Finance + Operations, fulfilled by Flexe, invoiced in Finance + Operations (S32-S40).

F+O has the order already: it is told that it left, and nothing is created there.
"""

from typing import Final

from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import fno_orders
from app.sandbox.demo.partial_reports import sent_to_flexe, shipped_by_flexe
from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.step_checks import (
    OUR_ROWS,
    carried_out,
    causes,
    invoiced_by,
    mirrored_in,
    once,
    validated_after_confirmation,
    written_by,
)

TELL: Final = "Send order status"


def sent_with_company(case: Case) -> bool:
    """S36: with the company that it came with."""
    (created,) = case.on("order-created")
    companies = {record.body["order"]["company"] for record in case.on("fulfillment-requested")}
    return sent_to_flexe(case) and companies == {created.body["order"]["company"]}


def status_sent(case: Case) -> bool:
    """S38: a status, because of the shipment, and nothing but that: the order is there once, as F+O made it."""
    requests = case.on("channel-update-requested")
    because = causes(requests[:1]) == causes(case.on("order-shipped"))
    written = written_by(case, {record.body["effect_id"] for record in requests})
    is_delivered = {row.body["after"]["SalesOrderProcessingStatus"] for row in case.on(OUR_ROWS)} == {"Delivered"}
    by_us = [entry.kind for entry in case.effects("fno") if entry.detail.get("by") == "iom"]
    is_only = by_us == ["order delivered"] and not case.effects("fno", "line created")
    is_single = carried_out(case, "channel-update-requested", "fno", TELL) and once(case, "fno", "order created")
    return is_single and because and written and is_delivered and is_only


SCENARIO: Final = Scenario(
    number=3,
    flow="fno-flexe-fno",
    origin="fno",
    seed="/_sim/fno/orders?automatic=Confirmed,Invoiced",
    orders=lambda series: fno_orders(series.company, series.stamp, series.count, scenario=3, origin="FLEXE"),
    calls=frozenset({"flexe", "fno"}),
    checks={
        "S32": lambda case: once(case, "fno", "order created"),
        "S33": mirrored_in,
        "S34": lambda case: once(case, "fno", "order confirmed"),
        "S35": validated_after_confirmation,
        "S36": sent_with_company,
        "S37": shipped_by_flexe,
        "S38": status_sent,
        "S39": lambda case: once(case, "fno", "order invoiced"),
        "S40": lambda case: invoiced_by(case, "fno"),
    },
)
