"""Stages that an order reaches by itself: accepted, then shipped, sometimes in two shipments.

Which orders are split, and how, depends on the seed and the order alone, not on the sequence in which orders come.
"""

from random import Random
from typing import Final

from app.domain.order import AMOUNT_SCALE
from app.sandbox.vendors.flexe.order_store import OrderStore, StoredOrder
from app.sandbox.vendors.simulation import Delays, World, changed_delays

STAGES: Final = ("accepted", "shipped", "completed")
"""The last one is the second shipment of an order that was split."""
DELAYS_MS: Final[Delays] = {"accepted": 50, "shipped": 200, "completed": 150}
_NEXT: Final = {"received": "accepted", "accepted": "shipped", "partially_shipped": "completed"}


class Progression:
    """`split_share` of the orders with several lines leave in two shipments."""

    def __init__(self, world: World, orders: OrderStore, split_share: float, seed: int) -> None:
        self._world, self._orders, self._split_share, self._seed = world, orders, split_share, seed
        self.delays = DELAYS_MS

    def set_delays(self, delays: Delays) -> None:
        """Change delays, also for orders that waited without one. Raises RefusalError for an unknown stage."""
        self.delays = changed_delays("Flexe", self.delays, delays)
        for order in self._orders.all():
            self.schedule(order)

    def schedule(self, order: StoredOrder) -> None:
        """Schedule the order's next stage, if it has one that comes by itself."""
        stage = _NEXT.get(order.progress, "")
        delay = self.delays.get(stage)
        if order.waiting or order.hold or delay is None:
            return
        order.waiting = True
        self._world.schedule.after(delay, lambda: self._reach(order, stage))

    def _reach(self, order: StoredOrder, stage: str) -> None:
        order.waiting = False
        if not order.hold and _NEXT.get(order.progress) == stage:
            self._advance(order, stage)
        self.schedule(order)

    def _advance(self, order: StoredOrder, stage: str) -> None:
        if stage == "accepted":
            self._orders.accept(order)
        else:
            self._orders.ship(order, self.first_part(order) if stage == "shipped" else order.remaining())

    def first_part(self, order: StoredOrder) -> dict[str, int]:
        """Return what the first shipment has of each line: everything, or a part that leaves a remainder."""
        remaining = order.remaining()
        dice = Random(f"{self._seed}/{order.creation.external_id}")
        if len(remaining) < 2 or dice.random() >= self._split_share:
            return remaining
        first, *others = remaining
        # The first line leaves in part, where it has several pieces; of the others each leaves now, or later.
        part = {first: _some(remaining[first], dice)}
        part |= {line: remaining[line] for line in others if dice.random() < 0.5}
        return part if part != remaining else {first: remaining[first]}


def _some(quantity: int, dice: Random) -> int:
    """Return whole pieces of a line, fewer than all; all of it when it has fewer than two."""
    pieces = quantity // AMOUNT_SCALE
    return quantity if pieces < 2 else dice.randint(1, pieces - 1) * AMOUNT_SCALE
