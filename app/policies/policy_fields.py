"""The fields that policies may read and set: one closed table. Names in rules are looked up, never used as code."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """What a rule looks at: the order once, or each of its lines."""

    ORDER = "order"
    LINE = "line"


class FieldKind(StrEnum):
    """Fields of one kind are comparable. Money and quantities are integers of ten-thousandths, times milliseconds."""

    TEXT = "text"
    MONEY = "money"
    QUANTITY = "quantity"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Field:
    """`path` is the attribute below the order or the line; `nullable` says that it may be None."""

    owner: Scope
    path: str
    kind: FieldKind
    nullable: bool = False

    @property
    def variable(self) -> str:
        """Its local variable in a compiled policy."""
        return f"{self.owner}_{self.path.replace('.', '_')}"


_ADDRESS: Final = ("name", "company", "street", "city", "region", "postal_code", "country", "email", "phone")
_ORDER_TEXT: Final = ("order_id", "origin", "source_ref", "channel", "currency", "customer", "state", "reason")
_LINE_TEXT: Final = ("line_id", "sku", "name", "reference", "state", "reason")


def _table(*fields: Field) -> dict[str, Field]:
    return {field.path: field for field in fields}


ORDER_FIELDS: Final = _table(
    *(Field(Scope.ORDER, path, FieldKind.TEXT) for path in _ORDER_TEXT),
    *(
        Field(Scope.ORDER, f"{address}.{part}", FieldKind.TEXT)
        for address in ("ship_to", "bill_to")
        for part in _ADDRESS
    ),
    *(Field(Scope.ORDER, path, FieldKind.MONEY) for path in ("subtotal", "shipping", "tax", "discount", "total")),
    *(Field(Scope.ORDER, path, FieldKind.TEXT, True) for path in ("company", "invoice_customer", "site", "warehouse")),
    Field(Scope.ORDER, "placed_at", FieldKind.TIME),
    Field(Scope.ORDER, "requested_ship_date", FieldKind.TIME, True),
)
LINE_FIELDS: Final = _table(
    *(Field(Scope.LINE, path, FieldKind.TEXT) for path in _LINE_TEXT),
    Field(Scope.LINE, "quantity", FieldKind.QUANTITY),
    *(Field(Scope.LINE, path, FieldKind.MONEY) for path in ("unit_price", "total")),
    *(Field(Scope.LINE, path, FieldKind.TEXT, True) for path in ("site", "warehouse")),
)
READABLE: Final[dict[Scope, dict[str, Field]]] = {
    Scope.ORDER: ORDER_FIELDS,
    Scope.LINE: LINE_FIELDS | {f"order.{name}": field for name, field in ORDER_FIELDS.items()},
}
"""By scope, the names that its rules may read."""
SETTABLE: Final[dict[Scope, tuple[str, ...]]] = {
    Scope.ORDER: ("company", "invoice_customer", "site", "warehouse"),
    Scope.LINE: ("site", "warehouse"),
}
"""What the event "order assigned" can carry, in the order in which changes are reported."""
IMMUTABLE: Final = frozenset({"company"})
"""Never overwritten once it has data: F+O makes the company read-only when a record is saved."""
