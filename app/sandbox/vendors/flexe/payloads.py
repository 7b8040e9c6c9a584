"""JSON bodies of the 3PL contract: what POST /v1/outbound-orders takes, and how an order is shown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from app.providers.flexe import quantities
from app.sandbox.vendors.simulation import RefusalError

LINES_MAX: Final = 1000
ID_CHARS_MAX: Final = 128
TEXT_CHARS_MAX: Final = 1024

Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
Quantity = Annotated[str, Meta(pattern=r"^[0-9]{1,14}(\.[0-9]{1,4})?$")]
Wire = dict[str, Any]


class DeliveryAddress(Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    company: Text = ""
    address: Text = ""
    city: Text = ""
    region: Text = ""
    postal_code: Text = ""
    country: Text = ""
    email: Text = ""
    phone: Text = ""


class OrderedItem(Struct, frozen=True, forbid_unknown_fields=True):
    line_ref: Id
    sku: Id
    quantity: Quantity


class OrderCreation(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a creation. Two are the same order when all of it is the same."""

    external_id: Id
    owner_id: Id
    ship_to: DeliveryAddress
    items: Annotated[tuple[OrderedItem, ...], Meta(min_length=1, max_length=LINES_MAX)]
    warehouse_id: Id | None = None
    requested_ship_date: str | None = None

    def ordered(self) -> dict[str, int]:
        """Return the quantity of each line, in ten-thousandths."""
        return {item.line_ref: quantities.from_text(item.quantity) for item in self.items}


def decode_body(body: bytes, shape: type[msgspec.Struct]) -> Any:
    """Decode a body. Raises RefusalError: 400 for what is not JSON, 422 with the path of a wrong field."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as exc:
        raise RefusalError(422, str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise RefusalError(400, f"The body is not JSON: {exc}") from exc


def parse_creation(body: bytes) -> OrderCreation:
    """Return a creation that can be carried out. Raises RefusalError that names the field."""
    creation: OrderCreation = decode_body(body, OrderCreation)
    try:
        ordered = creation.ordered()
        if creation.requested_ship_date is not None:
            date.fromisoformat(creation.requested_ship_date)
    except ValueError as exc:
        raise RefusalError(422, f"quantity or requested_ship_date: {exc}") from exc
    if len(ordered) != len(creation.items):
        raise RefusalError(422, "items: a line_ref is there twice")
    return creation


def iso(ms: int) -> str:
    """Format a time as `2026-01-31T12:00:00.123Z`."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def item_payloads(creation: OrderCreation, quantity_of: Mapping[str, int]) -> list[Wire]:
    """Return the lines that have a quantity, given in ten-thousandths."""
    return [
        {"line_ref": item.line_ref, "sku": item.sku, "quantity": quantities.to_text(quantity_of[item.line_ref])}
        for item in creation.items
        if item.line_ref in quantity_of
    ]


def line_payloads(creation: OrderCreation, shipped: Mapping[str, int]) -> Sequence[Wire]:
    """Return all lines as ordered, with the quantities shipped."""
    return [
        {**msgspec.to_builtins(item), "quantity_shipped": quantities.to_text(shipped.get(item.line_ref, 0))}
        for item in creation.items
    ]
