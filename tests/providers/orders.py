"""Orders as a flow hands them to be fulfilled."""

from typing import Any

from msgspec.structs import replace

from app.domain.order import Address, Line, Order


def a_line(line_id: str = "1", quantity: int = 20_000, **changes: Any) -> Line:
    line = Line(line_id, f"SKU-{line_id}", f"Thing {line_id}", quantity, 10_000, quantity)
    return replace(line, **changes)


def an_order(
    order_id: str = "bc-demo-0", lines: tuple[Line, ...] = (a_line("1"), a_line("2")), **changes: Any
) -> Order:
    """Of a shop, without company, site and warehouse, as scenario 2 sends it."""
    address = Address(
        name="Ana Peña", street="1 Pine St", city="Seattle", region="WA", postal_code="98101", country="US"
    )
    order = Order(
        order_id=order_id,
        origin="bigcommerce",
        source_ref="1",
        channel="bigcommerce-3",
        placed_at=1_700_000_000_000,
        currency="USD",
        subtotal=0,
        shipping=0,
        tax=0,
        discount=0,
        total=0,
        ship_to=address,
        bill_to=address,
        lines=lines,
    )
    return replace(order, **changes)
