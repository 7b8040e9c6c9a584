"""The checks that rules call by name, for what operators cannot say. Each looks at the whole order.

The answer is the problem in words, "" for none. Of several problems the first few are named, the rest counted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from app.definitions.model_errors import describe
from app.definitions.yaml_document import Node
from app.domain.order import AMOUNT_SCALE, Line, Order
from app.policies.codes import COUNTRIES, CURRENCIES, POSTAL_CODE_OPTIONAL
from app.policies.literals import LiteralError, amount
from app.policies.sentences import clean, line_name, money, number

PROBLEMS_SHOWN_MAX: Final = 3
TAX_ON_TOP: Final = "on top"
TAX_INCLUDED: Final = "included"


def joined(problems: Iterable[str], shown_max: int = PROBLEMS_SHOWN_MAX) -> str:
    """Return the first problems in one sentence, and how many more there are."""
    rest = iter(problems)
    text = "; ".join(islice(rest, shown_max))
    more = sum(1 for _ in rest)
    return f"{text}; and {more} more" if more else text


def lines_present(order: Order) -> str:
    return "" if order.lines else "the order has no lines"


def unique_line_ids(order: Order) -> str:
    """Return which lines have no id of their own. One SKU on two lines is legal."""
    return joined(_repeated(order.lines))


def _repeated(lines: Iterable[Line]) -> Iterable[str]:
    ids: set[str] = set()
    for position, line in enumerate(lines, start=1):
        if not line.line_id.strip():
            yield f"line number {position} (SKU {clean(line.sku)}) has no id"
        elif line.line_id in ids:
            yield f"{line_name(line)} has an id that another line has too"
        ids.add(line.line_id)


def known_currency(order: Order) -> str:
    if order.currency in CURRENCIES:
        return ""
    return f"currency {clean(order.currency) or 'none'} is not a currency of ISO 4217"


def ship_to_complete(order: Order) -> str:
    """Return what a carrier lacks: name (or company), street, city, a country of ISO 3166-1, its postal code.

    An address without any country passes: imports leave it out, and `ship-to country given` asks for it.
    """
    to = order.ship_to
    missing = [
        what
        for what, value in (("name", to.name.strip() or to.company.strip()), ("street", to.street), ("city", to.city))
        if not value.strip()
    ]
    country = to.country.strip()
    if country and to.country not in COUNTRIES:
        return f"ship-to country {clean(to.country)} is not a country code of ISO 3166-1 (two capital letters)"
    if country and to.country not in POSTAL_CODE_OPTIONAL and not to.postal_code.strip():
        missing.append(f"postal code (needed in {to.country})")
    return f"ship-to address has no {', no '.join(missing)}" if missing else ""


def ship_to_country_given(order: Order) -> str:
    if order.ship_to.country.strip():
        return ""
    return "ship-to address has no country; what depends on it takes its default"


def totals_add_up(order: Order, tolerance: int, tax: str) -> str:
    """Return where line totals, subtotal and total differ by more than `tolerance` for each line.

    A line total may be below quantity times price (a discount on the line), never above, and never negative. With `tax`
    "on top" the total is subtotal + shipping + tax - discount; "included" says that the amounts contain tax.
    """
    slack = tolerance * max(1, len(order.lines))
    return joined(problem for part in (_lines(order, tolerance), _sums(order, slack, tax)) for problem in part)


def _lines(order: Order, tolerance: int) -> Iterable[str]:
    for line in order.lines:
        if line.total < 0:
            yield f"{line_name(line)}: total {money(line.total)} is negative"
        elif (line.total - tolerance) * AMOUNT_SCALE > line.quantity * line.unit_price:
            most = f"{number(line.quantity)} x {money(line.unit_price)}"
            yield f"{line_name(line)}: total {money(line.total)} is more than {most}"


def _sums(order: Order, slack: int, tax: str) -> Iterable[str]:
    lines = sum(line.total for line in order.lines)
    if abs(lines - order.subtotal) > slack:
        yield f"subtotal {money(order.subtotal)} is not the sum of the lines, {money(lines)}"
    on_top = tax == TAX_ON_TOP
    total = order.subtotal + order.shipping + (order.tax if on_top else 0) - order.discount
    if abs(total - order.total) > slack:
        what = "subtotal + shipping + tax - discount" if on_top else "subtotal + shipping - discount"
        yield f"total {money(order.total)} is not {what}, {money(total)}"
    if order.subtotal < 0 or order.total < 0:
        yield f"subtotal {money(order.subtotal)} or total {money(order.total)} is negative"


def _tax(node: Node) -> str:
    if node in (TAX_ON_TOP, TAX_INCLUDED):
        return str(node)
    raise LiteralError(f"{describe(node)} is not a way to treat tax", f"write `{TAX_ON_TOP}` or `{TAX_INCLUDED}`")


def _tolerance(node: Node) -> int:
    value = amount(node)
    if value < 0:
        raise LiteralError(f"{describe(node)} is negative", 'write zero or more, such as "0.01"')
    return value


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """`parameters` are all needed: by name, the function that reads its value from YAML."""

    run: Callable[..., str]
    parameters: dict[str, Callable[[Node], int | str]] = field(default_factory=dict)


CHECKS: Final[dict[str, NamedCheck]] = {
    "lines present": NamedCheck(lines_present),
    "unique line ids": NamedCheck(unique_line_ids),
    "known currency": NamedCheck(known_currency),
    "ship-to complete": NamedCheck(ship_to_complete),
    "ship-to country given": NamedCheck(ship_to_country_given),
    "totals add up": NamedCheck(totals_add_up, {"tolerance": _tolerance, "tax": _tax}),
}
