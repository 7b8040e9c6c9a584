"""Orders for the tests of policies: one good order, and changes to it by name."""

from typing import Any

from msgspec.structs import replace

from app.domain.order import Address, Line, Order


def amount(text: str) -> int:
    whole, _, part = text.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole)) * 10_000 + int(f"{part:0<4}"))


def a_line(line_id: str = "1", sku: str = "TEA-001", quantity: str = "2", price: str = "5.25", **changes: Any) -> Line:
    total = amount(quantity) * amount(price) // 10_000
    return replace(Line(line_id, sku, "Thé vert", amount(quantity), amount(price), total), **changes)


def an_address(**changes: str) -> Address:
    good = Address("Zoë Doe", "", "Rue de l'Abbaye 59", "Reims", "", "51100", "FR", "zoe@example.com", "")
    return replace(good, **changes)


def an_order(*lines: Line, **changes: Any) -> Order:
    """An order whose sums are right for its lines; `lines=()` in `changes` makes one without any."""
    lines = changes.pop("lines", lines or (a_line(), a_line("2", "MUG-001", "1", "8.5")))
    subtotal = sum(line.total for line in lines)
    shipping = amount("4.95")
    order = Order(
        order_id="bc-x-1",
        origin="bigcommerce",
        source_ref="1",
        channel="bigcommerce-1",
        placed_at=1_760_000_000_000,
        currency="EUR",
        subtotal=subtotal,
        shipping=shipping,
        tax=0,
        discount=0,
        total=subtotal + shipping,
        ship_to=an_address(),
        bill_to=an_address(),
        lines=lines,
    )
    return replace(order, **changes)


def rule_text(*rules: str, **top: str) -> str:
    """A policy file: the usual top, changed by `top`, and rules as YAML in flow style."""
    head = {
        "policy": "test",
        "version": "1",
        "type": "execution",
        "criticality": "critical",
        "applies_to": "order",
    } | top
    lines = [f"{key}: {value}" for key, value in head.items() if value]
    return "\n".join([*lines, "rules:", *(f"  - {rule}" for rule in rules)]) + "\n"
