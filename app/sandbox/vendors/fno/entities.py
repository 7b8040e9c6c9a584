"""The entities of a sales order: their fields, who may write them, how long they are, and values in F+O's own form.

Amounts are decimals of four places, dates ISO 8601 text in UTC, enums their symbol; unset are "" and F+O's empty date.
Texts are as long as the columns of Dataverse that the maps "CDS sales order headers" and "CDS sales order lines" pair
them with, or F+O's own type where they are not mapped to a text; dual-write is one transaction on both sides, so that
what one of them does not take is not written.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, NamedTuple

from app.domain.external_keys import units
from app.sandbox.vendors.simulation import RefusalError

EMPTY_DATE: Final = "1900-01-01T12:00:00Z"
AMOUNT_MAX: Final = Decimal(10) ** 12
_PLACES: Final = Decimal("0.0001")

Values = dict[str, Any]
Kind = Literal["text", "amount", "date", "NoYes", "SalesStatus", "SalesOrderProcessingStatus"]
Access = Literal["write", "insert", "read"]
"""`insert`: given once, when the record is created. `read`: F+O's own."""


class EntityField(NamedTuple):
    kind: Kind
    access: Access
    length: int = 0
    """The most characters of a text, in UTF-16 code units."""


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
    """`name` is the AOT entity, as in F+O's error texts."""

    name: str
    key: tuple[str, str]
    fields: Mapping[str, EntityField]

    def empty(self) -> Values:
        kinds = {name: field.kind for name, field in self.fields.items()}
        return {name: _EMPTY.get(kind, SYMBOLS.get(kind, ("",))[0]) for name, kind in kinds.items()}


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
        """Take over what differs, and return the names of the fields that changed."""
        changed = tuple(name for name, value in values.items() if self.values[name] != value)
        self.values |= {name: values[name] for name in changed}
        self.revision += bool(changed)
        return changed


def _fields(kind: Kind, access: Access, names: str) -> dict[str, EntityField]:
    """Return fields by name. `Name:35` has at most 35 characters."""
    parts = (name.partition(":") for name in names.split())
    return {name: EntityField(kind, access, int(length or 0)) for name, _, length in parts}


HEADER: Final = EntityType(
    "SalesOrderHeaderV4Entity",
    ("dataAreaId", "SalesOrderNumber"),
    {
        **_fields("text", "insert", "dataAreaId:4"),
        **_fields("text", "read", "SalesOrderNumber:20 FormattedDelveryAddress:250"),
        **_fields("text", "write", "CustomersOrderReference:60 SalesOrderOriginCode:10 URL:255"),
        **_fields("text", "write", "OrderingCustomerAccountNumber:20 InvoiceCustomerAccountNumber:20 CurrencyCode:3"),
        **_fields("text", "write", "DeliveryModeCode:10 DeliveryTermsCode:10 PaymentTermsName:10 Email:100"),
        **_fields("text", "write", "DefaultShippingSiteId:10 DefaultShippingWarehouseId:10"),
        **_fields("text", "write", "DeliveryAddressName:100 DeliveryAddressDescription:60 DeliveryAddressStreet:250"),
        **_fields("text", "write", "DeliveryAddressCity:80 DeliveryAddressStateId:50 DeliveryAddressZipCode:20"),
        **_fields("text", "write", "DeliveryAddressCountryRegionId:10 DeliveryAddressCountryRegionISOCode:2"),
        **_fields("text", "write", "CustomerRequisitionNumber:20 SalesOrderName:300 LanguageId:7"),
        **_fields("date", "write", "RequestedShippingDate RequestedReceiptDate"),
        **_fields("NoYes", "write", "IsDeliveryAddressOrderSpecific IsSalesProcessingStopped"),
        **_fields("SalesOrderProcessingStatus", "read", "SalesOrderProcessingStatus"),
        **_fields("SalesStatus", "read", "SalesOrderStatus"),
        **_fields("amount", "read", "OrderTotalAmount OrderTotalTaxAmount OrderTotalChargesAmount TotalDiscountAmount"),
        **_fields("date", "read", "OrderCreationDateTime"),
    },
)
LINE: Final = EntityType(
    "SalesOrderLineV3Entity",
    ("dataAreaId", "InventoryLotId"),
    {
        **_fields("text", "insert", "dataAreaId:4 SalesOrderNumber:20"),
        **_fields("text", "read", "InventoryLotId:20"),
        **_fields("amount", "write", "LineNumber"),
        **_fields("text", "write", "ItemNumber:20 ExternalItemNumber:20 LineDescription:1000 SalesUnitSymbol:10"),
        **_fields("text", "write", "ShippingSiteId:10 ShippingWarehouseId:10"),
        **_fields("text", "write", "SalesTaxGroupCode:10 SalesTaxItemGroupCode:10"),
        **_fields("text", "write", "ProductSizeId:10 ProductColorId:10 ProductStyleId:10 ProductConfigurationId:50"),
        **_fields("amount", "write", "OrderedSalesQuantity SalesPrice SalesPriceQuantity LineAmount"),
        **_fields("amount", "write", "LineDiscountAmount LineDiscountPercentage"),
        **_fields("date", "write", "RequestedShippingDate ConfirmedShippingDate"),
        **_fields("SalesStatus", "read", "SalesOrderLineStatus"),
    },
)
STATUS: Final = EntityType(
    "WaybillSalesOrderStatusEntity",
    ("dataAreaId", "SalesOrderNumber"),
    {
        **_fields("text", "insert", "dataAreaId:4 SalesOrderNumber:20"),
        **_fields("SalesOrderProcessingStatus", "write", "ProcessingStatus"),
    },
)
"""An extension of this tenant, not of F+O: a write posts the document that stands for the status
(docs/providers/fno.md)."""


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ms_of(text: str) -> int:
    """Parse ISO 8601, in UTC where no zone is given. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_insert(entity: EntityType, body: Mapping[str, Any]) -> Values:
    """Return the fields of a POST without F+O's own, whose values are assigned. Raises RefusalError with 400."""
    properties = _properties(entity, body).items()
    writable = {name: value for name, value in properties if entity.fields[name].access != "read"}
    return {name: coerce(entity, name, value) for name, value in writable.items()}


def parse_patch(entity: EntityType, body: Mapping[str, Any]) -> Values:
    """Return the fields of a PATCH. Raises RefusalError with 400 for a field that cannot be changed."""
    properties = _properties(entity, body)
    for name in properties:
        if entity.fields[name].access != "write":
            infolog = f"Error: Field '{name}' does not allow editing.; Error: Update has been canceled."
            raise write_failed(entity, infolog)
    return {name: coerce(entity, name, value) for name, value in properties.items()}


def coerce(entity: EntityType, name: str, value: object) -> Any:
    """Convert a JSON value to the field's kind. Raises RefusalError with 400."""
    kind = entity.fields[name].kind
    match kind:
        case "text" if isinstance(value, str):
            return _text(entity, name, value)
        case "text" if value is None:
            return ""
        case "amount" if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return _amount(name, Decimal(value))
        case "date" if isinstance(value, str):
            return _date(name, value)
        case _ if value in SYMBOLS.get(kind, ()):
            return value
    raise _wrong_type(name, value, kind)


def _text(entity: EntityType, name: str, value: str) -> str:
    """Return the text without the blanks at its end. Raises RefusalError with 400 for one that is too long."""
    text, most = value.rstrip(" "), entity.fields[name].length
    if units(text) > most:
        infolog = f"Error: The length of the '{name}' attribute exceeded the maximum allowed length of '{most}'."
        raise write_failed(entity, f"{infolog}; Error: Update has been canceled.")
    return text


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


def _properties(entity: EntityType, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a body says of properties. Control information (`@odata.type`, `Field@odata.type`) is not ours to judge:
    OData has a service ignore annotations that it does not know. Raises RefusalError with 400."""
    for name in body:
        annotated = name.partition("@")[0]
        if annotated not in entity.fields and not name.startswith("@"):
            kind = f"Microsoft.Dynamics.DataEntities.{entity.name.removesuffix('Entity')}"
            detail = f"The property '{annotated[:100]}' does not exist on type '{kind}'."
            raise RefusalError(400, "An error has occurred.", detail)
    return {name: value for name, value in body.items() if "@" not in name}


def _wrong_type(name: str, value: object, kind: str) -> RefusalError:
    detail = f"Cannot convert the literal '{str(value)[:100]}' of property '{name}' to the expected type '{kind}'."
    return RefusalError(400, "An error has occurred.", detail)


def write_failed(entity: EntityType, infolog: str) -> RefusalError:
    """Return F+O's answer to a write that its business rules refuse."""
    detail = f"Write failed for table row of type '{entity.name}'. Infolog: {infolog}"
    return RefusalError(400, "An error has occurred.", detail)
