"""Dual-write changes in JSON: Debezium's envelope around a row with its lines, as those write it who know Waybill.

Field names are F+O's. Null stands for what is not there. Rows of connectors are turned into this first (`debezium`).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.events.intake_limits import LINES_MAX
from app.events.json_fields import Amount, Count, Name, Text, Time, few_lines
from app.events.sales_order_change import ChangeSource, Op, SalesOrderChange, SalesOrderRow, SalesOrderRowLine

OURS: Final = "dualwrite"
"""The connector of who writes this envelope on purpose; the field may be absent."""
_ENVELOPE_EXTRAS: Final = frozenset({"transaction", "ts_us", "ts_ns"})
_OTHER_NAMES: Final = {
    "origin": "waybill_origin",
    "sequence": "waybill_version",
    "origin_version": "waybill_origin_version",
}


def _date_or_none(value: Any) -> Any:
    """Return a date, None for the year 1900: F+O writes it where there is no date."""
    return None if isinstance(value, str) and value.startswith("1900-01-01") else value


def _date_or_zero(value: Any) -> Any:
    date = _date_or_none(value)
    return 0 if date is None else date


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        return {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value


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
    Lines: Annotated[tuple[RowLineIn, ...], Field(max_length=LINES_MAX), BeforeValidator(few_lines)]
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
    RequestedShippingDate: Annotated[Time | None, BeforeValidator(_date_or_none)] = None
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
    """Debezium's source block differs from connector to connector: what is not ours is ignored.

    `waybill_origin` is the side whose change it is, F+O where nobody says; `waybill_version` grows with each change of
    an order. `origin` and `sequence` are other names of them; where a connector writes those, they mean other things.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    waybill_version: Count
    waybill_origin: Literal["fno", "iom"] = "fno"
    waybill_origin_version: Count = 0
    snapshot: Name = "false"
    table: Name = "salesorders"
    name: Name = ""
    connector: Name = OURS
    ts_ms: Time = 0
    effect_id: Name = ""
    action: Name = ""
    attempt: Count = 0

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        there = {name: each for name, each in value.items() if each is not None}
        # Older Debezium has a boolean `snapshot`.
        if isinstance(there.get("snapshot"), bool):
            there["snapshot"] = str(there["snapshot"]).lower()
        return {ours: there[name] for name, ours in _OTHER_NAMES.items() if name in there} | there

    def source(self) -> ChangeSource:
        values = dict(self)
        for name in ("origin", "version", "origin_version"):
            values[name] = values.pop(f"waybill_{name}")
        return ChangeSource(**values)


def is_ours(source: Mapping[str, Any]) -> bool:
    """Return whether who wrote a source block knows Waybill: no connector has a plain number as `sequence`."""
    sequence = source.get("sequence")
    plain = sequence.isdecimal() if isinstance(sequence, str) else isinstance(sequence, int | Decimal)
    return plain or "waybill_version" in source or source.get("connector", OURS) == OURS


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

    @model_validator(mode="before")
    @classmethod
    def _without_extras(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: each for name, each in value.items() if name not in _ENVELOPE_EXTRAS}

    def change(self) -> SalesOrderChange:
        before = self.before.row() if self.before else None
        after = self.after.row() if self.after else None
        return SalesOrderChange(op=self.op, ts_ms=self.ts_ms, before=before, after=after, source=self.source.source())


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the envelope as it is, or wrapped as JsonConverter does.

    Debezium's own rows are absent: their columns are the user's.
    """
    change = ChangeIn.model_json_schema()
    definitions = change.pop("$defs")
    change["properties"] |= {name: {} for name in sorted(_ENVELOPE_EXTRAS)}
    for name in ("RowIn", "RowLineIn", "SourceIn"):
        _take_null(definitions[name])
    source = definitions["SourceIn"]
    source["properties"] |= {name: source["properties"][ours] for name, ours in _OTHER_NAMES.items()}
    source["required"] = [name for name in source["required"] if name != "waybill_version"]
    source["anyOf"] = [{"required": [name]} for name in ("waybill_version", "sequence")]
    bare = {"$ref": "#/$defs/ChangeIn"}
    wrapped = {
        "type": "object",
        "properties": {"schema": {}, "payload": bare},
        "required": ["schema", "payload"],
        "additionalProperties": False,
    }
    return {"$defs": {**definitions, "ChangeIn": change}, "anyOf": [bare, wrapped]}


def _take_null(schema: dict[str, Any]) -> None:
    """Let null stand for an absent field, wherever the field may be absent."""
    for name, field in schema["properties"].items():
        if name not in schema["required"]:
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}]}
