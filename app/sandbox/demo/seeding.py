"""Seeds orders at their origin, in portions: all at once, or evenly over some time."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import httpx

from app.errors import WaybillError
from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.scenarios import SCENARIOS

PORTION_MAX: Final = 100
STEP_S: Final = 0.5
"""Seconds between two portions of orders that appear over some time."""
ANSWER_TIMEOUT_S: Final = 60.0


async def seed(client: httpx.AsyncClient, orders: Sequence[DemoOrder], over_s: float) -> None:
    """Seed all orders and return after `over_s` seconds. Raises WaybillError when a simulator refuses some."""
    began = time.monotonic()
    for due_s, path, portion in portions(orders, over_s):
        await asyncio.sleep(max(0.0, began + due_s - time.monotonic()))
        answer = await client.post(path, json=[order.wire for order in portion], timeout=ANSWER_TIMEOUT_S)
        if not answer.is_success:
            raise WaybillError(f"the simulator refused the orders: {answer.status_code} {answer.text[:500]}")


def portions(orders: Sequence[DemoOrder], over_s: float) -> Iterator[tuple[float, str, list[DemoOrder]]]:
    """Yield seconds from now, path and orders of each portion: those of all scenarios side by side."""
    steps = max(1, int(over_s / STEP_S))
    for step in range(steps):
        for scenario in SCENARIOS.values():
            own = [order for order in orders if order.scenario == scenario.number]
            due = iter(own[len(own) * step // steps : len(own) * (step + 1) // steps])
            while portion := list(islice(due, PORTION_MAX)):
                yield step * over_s / steps, scenario.seed, portion
