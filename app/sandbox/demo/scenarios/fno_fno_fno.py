"""Scenario 4: an order of Finance + Operations, fulfilled and invoiced there (S41-S48). Nothing is sent to anyone."""

from typing import Final

from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import fno_orders
from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.step_checks import (
    PACKED,
    REQUESTS,
    by_provider,
    invoiced_by,
    leaves_fno_alone,
    mirrored_in,
    once,
    reported,
    validated_after_confirmation,
)


def shipped_alone(case: Case) -> bool:
    """S45: F+O ships, and no request is made to anyone."""
    has_requests = any(case.on(topic) for topic in REQUESTS)
    return once(case, "fno", "order delivered") and leaves_fno_alone(case) and not has_requests


SCENARIO: Final = Scenario(
    number=4,
    flow="fno-fno-fno",
    origin="fno",
    seed="/_sim/fno/orders",
    orders=lambda series: fno_orders(series.company, series.stamp, series.count),
    calls=frozenset(),
    checks={
        "S41": lambda case: once(case, "fno", "order created"),
        "S42": mirrored_in,
        "S43": lambda case: once(case, "fno", "order confirmed"),
        "S44": validated_after_confirmation,
        "S45": shipped_alone,
        "S46": lambda case: reported(case, "order-shipped", PACKED) and by_provider(case, "order-shipped", "fno"),
        "S47": lambda case: once(case, "fno", "order invoiced"),
        "S48": lambda case: invoiced_by(case, "fno"),
    },
)
