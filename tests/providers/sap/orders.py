"""Orders as a flow hands them to be billed at SAP."""

from typing import Any

from app.domain.order import Address, Line, Order
from app.events.model import BillingRequested
from app.providers.port import Action
from app.providers.sap.actions import SalesArea

AREA = SalesArea("OR", "1010", "10", "00", "10100001", "PPR0")
PASSWORD = "simulated-sap-password"
USER = "SIMULATED_USER"


def a_line(number: int = 1, **fields: Any) -> Line:
    values: dict[str, Any] = {
        "line_id": str(number),
        "sku": f"SKU-{number}",
        "name": f"Œuvre {number}",
        "quantity": 20_000,
        "unit_price": 125_000,
        "total": 250_000,
    }
    return Line(**{**values, **fields})


def an_order(order_id: str = "fno-usmf-so-500", **fields: Any) -> Order:
    values: dict[str, Any] = {
        "order_id": order_id,
        "origin": "fno",
        "source_ref": "SO-500",
        "channel": "SAP",
        "placed_at": 1_551_822_011_000,
        "currency": "USD",
        "subtotal": 500_000,
        "shipping": 0,
        "tax": 0,
        "discount": 0,
        "total": 500_000,
        "ship_to": Address("Jane O'Doe", street="555 East Street", city="Austin", country="US"),
        "bill_to": Address("Jane O'Doe", street="555 East Street", city="Austin", country="US"),
        "lines": (a_line(1), a_line(2)),
    }
    return Order(**{**values, **fields})


def billing(order: Order, *, repeated: bool = False, name: str = "Create sales order for accounting") -> Action:
    body = BillingRequested(order, "e1", "sap", "Create sales order for accounting", 1, "http")
    return Action(name, "e1", order.order_id, 1, repeated, body)
