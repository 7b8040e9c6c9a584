"""The two entities of a sales order: their fields, who may write them, and values in F+O's own form.

Amounts are decimals of four places, dates ISO 8601 text in UTC, enums their symbol; unset are "" and F+O's empty date.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from app.providers.simulation import RefusalError

EMPTY_DATE: Final = "1900-01-01T12:00:00Z"
TEXT_CHARACTERS_MAX: Final = 1000
AMOUNT_MAX: Final = Decimal(10) ** 12
_PLACES: Final = Decimal("0.0001")

Values = dict[str, Any]
Kind = Literal["text", "amount", "date", "NoYes", "SalesStatus", "SalesOrderProcessingStatus"]
Access = Literal["write", "insert", "read"]
"""`insert`: given once, when the record is created. `read`: F+O's own."""

SYMBOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "NoYes": ("No", "Yes"),
    "SalesStatus": ("None", "Backorder", "Delivered", "Invoiced", "Canceled"),
    "SalesOrderProcessingStatus": (
        "Active",
        "Confirmed",
        "Picked",
        "PartiallyDelivered",
        "Delivered",
        "Invoiced",
        "PartiallyInvoiced",
        "Canceled",
    ),
}
_EMPTY: Final[Mapping[str, Any]] = {"text": "", "amount": Decimal("0.0000"), "date": EMPTY_DATE}


@dataclass(frozen=True, slots=True)
class EntityType:
    """`name` is the AOT entity, as in F+O's error texts; `fields` gives kind and access by field name."""

    name: str
    key: tuple[str, str]
    fields: Mapping[str, tuple[Kind, Access]]

    def empty(self) -> Values:
        return {name: _EMPTY.get(kind, SYMBOLS.get(kind, ("",))[0]) for name, (kind, _) in self.fields.items()}


@dataclass(slots=True)
class Entity:
    """One record. `revision` grows with each change, and with it the ETag."""

    values: Values
    record_id: int
    revision: int = 1

    @property
    def etag(self) -> str:
        return f'W/"{b64encode(f"{self.revision},{self.record_id}".encode()).decode()}"'

    def change(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Take over what differs; the names of the fields that changed."""
        changed = tuple(name for name, value in values.items() if self.values[name] != value)
        self.values |= {name: values[name] for name in changed}
        self.revision += bool(changed)
        return changed


def _fields(kind: Kind, access: Access, names: str) -> dict[str, tuple[Kind, Access]]:
    return dict.fromkeys(names.split(), (kind, access))


HEADER: Final = EntityType(
    "SalesOrderHeaderV4Entity",
    ("dataAreaId", "SalesOrderNumber"),
    {
        **_fields("text", "insert", "dataAreaId"),
        **_fields("text", "read", "SalesOrderNumber FormattedDelveryAddress"),
        **_fields("text", "write", "CustomersOrderReference SalesOrderOriginCode OrderingCustomerAccountNumber"),
        **_fields("text", "write", "InvoiceCustomerAccountNumber CurrencyCode DeliveryModeCode DeliveryTermsCode"),
        **_fields("text", "write", "PaymentTermsName DefaultShippingSiteId DefaultShippingWarehouseId Email"),
        **_fields("text", "write", "DeliveryAddressName DeliveryAddressDescription DeliveryAddressStreet"),
        **_fields("text", "write", "DeliveryAddressCity DeliveryAddressStateId DeliveryAddressZipCode"),
        **_fields("text", "write", "DeliveryAddressCountryRegionId DeliveryAddressCountryRegionISOCode"),
        **_fields("text", "write", "CustomerRequisitionNumber SalesOrderName LanguageId"),
        **_fields("date", "write", "RequestedShippingDate RequestedReceiptDate"),
        **_fields("NoYes", "write", "IsDeliveryAddressOrderSpecific IsSalesProcessingStopped"),
        # Bidirectional in the dual-write map (salesorders), so writable here although the entity shows it read-only.
        **_fields("SalesOrderProcessingStatus", "write", "SalesOrderProcessingStatus"),
        **_fields("SalesStatus", "read", "SalesOrderStatus"),
        **_fields("amount", "read", "OrderTotalAmount OrderTotalTaxAmount OrderTotalChargesAmount TotalDiscountAmount"),
        **_fields("date", "read", "OrderCreationDateTime"),
    },
)
LINE: Final = EntityType(
    "SalesOrderLineV3Entity",
    ("dataAreaId", "InventoryLotId"),
    {
        **_fields("text", "insert", "dataAreaId SalesOrderNumber"),
        **_fields("text", "read", "InventoryLotId"),
        **_fields("amount", "write", "LineNumber"),
        **_fields("text", "write", "ItemNumber ExternalItemNumber LineDescription SalesUnitSymbol"),
        **_fields("text", "write", "ShippingSiteId ShippingWarehouseId SalesTaxGroupCode SalesTaxItemGroupCode"),
        **_fields("text", "write", "ProductSizeId ProductColorId ProductStyleId ProductConfigurationId"),
        **_fields("amount", "write", "OrderedSalesQuantity SalesPrice SalesPriceQuantity LineAmount"),
        **_fields("amount", "write", "LineDiscountAmount LineDiscountPercentage"),
        **_fields("date", "write", "RequestedShippingDate ConfirmedShippingDate"),
        **_fields("SalesStatus", "read", "SalesOrderLineStatus"),
    },
)


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ms_of(text: str) -> int:
    """Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def inserted(entity: EntityType, body: Mapping[str, Any]) -> Values:
    """The fields of a POST. F+O's own fields are ignored: their values are assigned. Raises RefusalError with 400."""
    _check_known(entity, body)
    writable = {name: value for name, value in body.items() if entity.fields[name][1] != "read"}
    return {name: coerced(entity, name, value) for name, value in writable.items()}


def patched(entity: EntityType, body: Mapping[str, Any]) -> Values:
    """The fields of a PATCH. Raises RefusalError with 400 for a field that cannot be changed."""
    _check_known(entity, body)
    for name in body:
        if entity.fields[name][1] != "write":
            infolog = f"Error: Field '{name}' does not allow editing.; Error: Update has been canceled."
            raise write_failed(entity, infolog)
    return {name: coerced(entity, name, value) for name, value in body.items()}


def coerced(entity: EntityType, name: str, value: object) -> Any:
    """A JSON value as the field's kind. Raises RefusalError with 400."""
    kind = entity.fields[name][0]
    match kind:
        case "text" if isinstance(value, str) and len(value) <= TEXT_CHARACTERS_MAX:
            return value
        case "text" if value is None:
            return ""
        case "amount" if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return _amount(name, Decimal(value))
        case "date" if isinstance(value, str):
            return _date(name, value)
        case _ if value in SYMBOLS.get(kind, ()):
            return value
    raise _wrong_type(name, value, kind)


def _amount(name: str, value: Decimal) -> Decimal:
    try:
        if abs(value) < AMOUNT_MAX:
            return value.quantize(_PLACES)
    except InvalidOperation:
        pass  # NaN and the like: the same answer as for a number that is too great.
    raise _wrong_type(name, value, "Decimal")


def _date(name: str, value: str) -> str:
    try:
        return iso(ms_of(value))
    except (ValueError, OverflowError) as exc:
        raise _wrong_type(name, value, "DateTimeOffset") from exc


def _check_known(entity: EntityType, body: Mapping[str, Any]) -> None:
    for name in body:
        if name not in entity.fields and not name.startswith("@odata."):
            kind = f"Microsoft.Dynamics.DataEntities.{entity.name.removesuffix('Entity')}"
            detail = f"The property '{name[:100]}' does not exist on type '{kind}'."
            raise RefusalError(400, "An error has occurred.", detail)


def _wrong_type(name: str, value: object, kind: str) -> RefusalError:
    detail = f"Cannot convert the literal '{str(value)[:100]}' of property '{name}' to the expected type '{kind}'."
    return RefusalError(400, "An error has occurred.", detail)


def write_failed(entity: EntityType, infolog: str) -> RefusalError:
    """F+O's answer to a write that its business rules refuse."""
    detail = f"Write failed for table row of type '{entity.name}'. Infolog: {infolog}"
    return RefusalError(400, "An error has occurred.", detail)
