"""Scenario 1: an order of BigCommerce, fulfilled and invoiced in Finance + Operations (S9-S21)."""

from typing import Final

from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import bigcommerce_orders
from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.step_checks import (
    COMPLETED_AT_SHOP,
    FULFILLED,
    PACKED,
    PICKED,
    by_provider,
    carried_out,
    channel_updated,
    completed,
    in_turn,
    once,
    pulled,
    reported,
    validated,
)
from app.sandbox.demo.step_checks import assigned as policies_assigned

SEND: Final = "Send order to fulfillment"
SHIPPED_AT_SHOP: Final = 2


def assigned(case: Case) -> bool:
    """S12: before anything is sent."""
    requests = case.on("fulfillment-requested")
    return policies_assigned(case, requests) and in_turn(case, "order assigned", "order sent to fulfillment")


def sent_to_fulfillment(case: Case) -> bool:
    """S13: requested under the literal name of the action, answered, and F+O has the order once."""
    counted = case.events().count("order sent to fulfillment") == 1
    return carried_out(case, "fulfillment-requested", "fno", SEND) and counted and once(case, "fno", "order created")


def packed(case: Case) -> bool:
    """S17: the reason becomes Packed, the state is left as it was."""
    before = {
        (record.body["previous_state"], record.body["previous_reason"]) for record in case.changes("order shipped")
    }
    return reported(case, "order-shipped", PACKED) and before == {PICKED}


SCENARIO: Final = Scenario(
    number=1,
    flow="bigcommerce-fno-fno",
    origin="bigcommerce",
    seed="/_sim/bigcommerce/orders?touch=1",
    orders=lambda series: bigcommerce_orders(series.store, series.count, used_ids=series.used_ids),
    calls=frozenset({"bigcommerce", "fno"}),
    checks={
        "S9": lambda case: once(case, "bigcommerce", "order created"),
        "S10": pulled,
        "S11": validated,
        "S12": assigned,
        "S13": sent_to_fulfillment,
        "S14": lambda case: once(case, "fno", "order picked"),
        "S15": lambda case: reported(case, "order-picked", PICKED) and by_provider(case, "order-picked", "fno"),
        "S16": lambda case: once(case, "fno", "order delivered"),
        "S17": packed,
        "S18": lambda case: channel_updated(case, "order-shipped", PACKED, SHIPPED_AT_SHOP),
        "S19": lambda case: once(case, "fno", "order invoiced"),
        "S20": completed,
        "S21": lambda case: channel_updated(case, "order-invoiced", FULFILLED, COMPLETED_AT_SHOP),
    },
)
