"""Dual-write changes in Debezium's JSON: the envelope as it is, or wrapped as {"schema": ..., "payload": ...}.

Field names are F+O's. Fields of the envelope that no change needs are ignored where Debezium is known to send them.
"""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.dualwrite.change import ChangeSource, Op, SalesOrderChange, SalesOrderRow, SalesOrderRowLine
from app.events.fields import Amount, Count, Name, Text, Time
from app.events.limits import LINES_MAX

_ENVELOPE_EXTRAS: Final = frozenset({"transaction", "ts_us", "ts_ns"})


def _known_date(value: Any) -> Any:
    """F+O writes the year 1900 where there is no date."""
    return None if isinstance(value, str) and value.startswith("1900-01-01") else value


def _date_or_zero(value: Any) -> Any:
    known = _known_date(value)
    return 0 if known is None else known


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RowLineIn(_Row):
    LineNumber: Count
    ItemNumber: Text
    OrderedSalesQuantity: Amount
    SalesPrice: Amount
    LineAmount: Amount
    InventoryLotId: Text = ""
    ExternalItemNumber: Text = ""
    LineDescription: Text = ""
    ShippingSiteId: Name = ""
    ShippingWarehouseId: Name = ""
    SalesOrderLineStatus: Name = ""


class RowIn(_Row):
    dataAreaId: Name  # noqa: N815 F+O's spelling
    SalesOrderNumber: Name
    CurrencyCode: Name
    SalesOrderProcessingStatus: Name
    Lines: Annotated[tuple[RowLineIn, ...], Field(max_length=LINES_MAX)]
    CustomersOrderReference: Text = ""
    SalesOrderOriginCode: Name = ""
    OrderingCustomerAccountNumber: Text = ""
    InvoiceCustomerAccountNumber: Text = ""
    DefaultShippingSiteId: Name = ""
    DefaultShippingWarehouseId: Name = ""
    DeliveryAddressName: Text = ""
    DeliveryAddressStreet: Text = ""
    DeliveryAddressCity: Text = ""
    DeliveryAddressStateId: Name = ""
    DeliveryAddressZipCode: Name = ""
    DeliveryAddressCountryRegionId: Name = ""
    Email: Text = ""
    RequestedShippingDate: Annotated[Time | None, BeforeValidator(_known_date)] = None
    SalesOrderStatus: Name = ""
    IsSalesProcessingStopped: Name = "No"
    isReadyToSync: bool = True  # noqa: N815 the gate's own spelling
    OrderTotalAmount: Amount = 0
    OrderTotalTaxAmount: Amount = 0
    OrderTotalChargesAmount: Amount = 0
    TotalDiscountAmount: Amount = 0
    OrderCreationDateTime: Annotated[Time, BeforeValidator(_date_or_zero)] = 0
    URL: Text = ""

    def row(self) -> SalesOrderRow:
        values = dict(self)
        values["Lines"] = tuple(SalesOrderRowLine(**dict(line)) for line in self.Lines)
        return SalesOrderRow(**values)


class SourceIn(BaseModel):
    """Debezium's source block differs from connector to connector: what is not ours is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    origin: Name
    sequence: Count
    origin_version: Count = 0
    snapshot: Name = "false"
    table: Name = "salesorders"
    name: Name = ""
    connector: Name = "dualwrite"
    ts_ms: Time = 0
    effect_id: Name = ""
    action: Name = ""
    attempt: Count = 0

    @model_validator(mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        """Older Debezium has a boolean `snapshot`."""
        if isinstance(value, dict) and isinstance(value.get("snapshot"), bool):
            return value | {"snapshot": str(value["snapshot"]).lower()}
        return value

    def source(self) -> ChangeSource:
        values = dict(self)
        values["version"] = values.pop("sequence")
        return ChangeSource(**values)


_SOME_ROW: Final[dict[str, Any]] = {
    "anyOf": [{"required": [name], "properties": {name: {"type": "object"}}} for name in ("after", "before")]
}


class ChangeIn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_SOME_ROW)

    op: Op
    ts_ms: Time
    before: RowIn | None = None
    after: RowIn | None = None
    source: SourceIn

    def body(self, _at: int) -> SalesOrderChange:
        before = self.before.row() if self.before else None
        after = self.after.row() if self.after else None
        return SalesOrderChange(self.op, self.ts_ms, before, after, self.source.source())


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what `payload` and ChangeIn take together: the envelope as it is, or wrapped."""
    change = ChangeIn.model_json_schema()
    definitions = change.pop("$defs")
    change["properties"] |= {name: {} for name in sorted(_ENVELOPE_EXTRAS)}
    bare = {"$ref": "#/$defs/ChangeIn"}
    wrapped = {
        "type": "object",
        "properties": {"schema": {}, "payload": bare},
        "required": ["schema", "payload"],
        "additionalProperties": False,
    }
    return {"$defs": {**definitions, "ChangeIn": change}, "anyOf": [bare, wrapped]}


def payload(document: Any) -> Any:
    """The envelope in a Debezium record, without the schema that JsonConverter may wrap around it."""
    if isinstance(document, dict) and set(document) == {"schema", "payload"}:
        document = document["payload"]
    if not isinstance(document, dict):
        return document
    return {name: value for name, value in document.items() if name not in _ENVELOPE_EXTRAS}
