"""Stock of the simulated warehouse: on hand and allocated, by sku. What nobody counted has the default."""

from collections.abc import Mapping

from app.providers.flexe import quantities
from app.sandbox.vendors.flexe.payloads import Wire


class WarehouseStock:
    """Quantities in ten-thousandths. `allocated` is promised to orders and still there."""

    def __init__(self, default: int) -> None:
        self._default = default
        self._on_hand: dict[str, int] = {}
        self._allocated: dict[str, int] = {}

    def count(self, sku: str, on_hand: int) -> None:
        """Set the quantity on hand to what was counted."""
        self._on_hand[sku] = on_hand

    def on_hand(self, sku: str) -> int:
        return self._on_hand.get(sku, self._default)

    def allocate(self, sku: str, quantity: int) -> None:
        """Promise a quantity, or take a promise back where it is negative."""
        self._allocated[sku] = self._allocated.get(sku, 0) + quantity

    def missing(self, demand: Mapping[str, int]) -> list[str]:
        """Return the skus whose stock does not cover the demand."""
        return [sku for sku, quantity in demand.items() if self.on_hand(sku) < quantity]

    def take(self, demand: Mapping[str, int]) -> None:
        """Ship allocated quantities."""
        for sku, quantity in demand.items():
            self._on_hand[sku] = self.on_hand(sku) - quantity
            self.allocate(sku, -quantity)

    def to_payload(self, sku: str) -> Wire:
        on_hand, allocated = self.on_hand(sku), self._allocated.get(sku, 0)
        return {
            "sku": sku,
            "on_hand": quantities.to_text(on_hand),
            "allocated": quantities.to_text(allocated),
            "available": quantities.to_text(max(0, on_hand - allocated)),
        }
