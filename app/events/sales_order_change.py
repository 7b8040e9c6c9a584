"""One dual-write record: an F+O sales order with its lines, in a Debezium envelope. The codec knows its wire form.

Field names are F+O's own, in both directions. Amounts and quantities are integers of ten-thousandths, times
milliseconds since the epoch, UTC. `DeliveryAddress...` fields are flat, as in F+O's entity.
"""

from typing import Final, Literal

from msgspec import Struct

from app.domain.personal_data import Personal
from app.errors import RecordError
from app.events.sales_order_reference import order_of

IOM: Final = "IOM"
"""SalesOrderOriginCode of orders that Waybill made."""
FNO_PREFIX: Final = "fno"

Op = Literal["c", "u", "d", "r"]
"""Created, updated, deleted, read (initial sync)."""


class SalesOrderRowLine(Struct, frozen=True):
    """`InventoryLotId` is F+O's key, empty until it has the line. `ExternalItemNumber` stands for our line id on our
    orders."""

    LineNumber: int
    ItemNumber: str
    OrderedSalesQuantity: int
    SalesPrice: int
    LineAmount: int
    InventoryLotId: str = ""
    ExternalItemNumber: str = ""
    LineDescription: str = ""
    ShippingSiteId: str = ""
    ShippingWarehouseId: str = ""
    SalesOrderLineStatus: str = ""
    """None, Backorder, Delivered, Invoiced or Canceled (F+O's SalesStatus)."""


class SalesOrderRow(Struct, frozen=True):
    """Text that a side does not know is empty, as in F+O; `RequestedShippingDate` is None where none is asked for.

    `CustomersOrderReference` stands for our order id on our orders, together with `URL` (see `sales_order_reference`).
    """

    dataAreaId: str  # noqa: N815 F+O's spelling
    SalesOrderNumber: str
    CurrencyCode: str
    SalesOrderProcessingStatus: str
    Lines: tuple[SalesOrderRowLine, ...]
    CustomersOrderReference: str = ""
    SalesOrderOriginCode: str = ""
    OrderingCustomerAccountNumber: Personal[str] = ""
    InvoiceCustomerAccountNumber: str = ""
    DefaultShippingSiteId: str = ""
    DefaultShippingWarehouseId: str = ""
    DeliveryAddressName: Personal[str] = ""
    DeliveryAddressStreet: Personal[str] = ""
    DeliveryAddressCity: Personal[str] = ""
    DeliveryAddressStateId: Personal[str] = ""
    DeliveryAddressZipCode: Personal[str] = ""
    DeliveryAddressCountryRegionId: str = ""
    Email: Personal[str] = ""
    RequestedShippingDate: int | None = None
    SalesOrderStatus: str = ""
    IsSalesProcessingStopped: str = "No"
    """F+O's NoYes: "Yes" or "No"."""
    isReadyToSync: bool = True  # noqa: N815 the gate's own spelling; rows born in F+O are always ready
    OrderTotalAmount: int = 0
    OrderTotalTaxAmount: int = 0
    OrderTotalChargesAmount: int = 0
    TotalDiscountAmount: int = 0
    OrderCreationDateTime: int = 0
    URL: str = ""


class ChangeSource(Struct, frozen=True):
    """Where a change comes from. In Avro `version` is called `sequence`, in JSON `waybill_version` as well.

    `name` is the side that wrote the record, `origin` the side whose change it carries. They differ when a side applied
    the other's change (an echo); `origin_version` is then the other side's version. `version` only grows, per order and
    side.
    """

    origin: str
    version: int
    origin_version: int = 0
    snapshot: str = "false"
    table: str = "salesorders"
    name: str = ""
    connector: str = "dualwrite"
    ts_ms: int = 0
    effect_id: str = ""
    """Our extension: the effect that asked for this write, so that `apply` can answer it. Empty for a plain change."""
    action: str = ""
    attempt: int = 0
    """Action and attempt of that effect, which its answer repeats."""


class SalesOrderChange(Struct, frozen=True):
    """One change of a row; `before` is None where there was none or it is not known, `after` on a deletion."""

    op: Op
    ts_ms: int
    before: SalesOrderRow | None
    after: SalesOrderRow | None
    source: ChangeSource

    @property
    def row(self) -> SalesOrderRow:
        """The row after the change, or the last one of a deleted order.

        Raises RecordError("invalid") when there is neither.
        """
        row = self.before if self.after is None else self.after
        if row is None:
            raise RecordError("invalid", f"op {self.op!r} has neither `before` nor `after`; send the row")
        return row


def made_by_us(row: SalesOrderRow) -> bool:
    """Return whether Waybill made the order. F+O compares codes without regard to case."""
    return row.SalesOrderOriginCode.upper() == IOM


def order_id(row: SalesOrderRow) -> str:
    """Return our id of a row's order. Raises RecordError("invalid") when the fields that make it up do not say it."""
    if made_by_us(row):
        if not row.CustomersOrderReference:
            raise RecordError(
                "invalid", "SalesOrderOriginCode is IOM, so CustomersOrderReference has to be our order id"
            )
        name = order_of(row.CustomersOrderReference, row.URL)
        if name is None:
            raise RecordError(
                "invalid",
                f"CustomersOrderReference {row.CustomersOrderReference!r} is the digest of an order id that URL has to"
                f" say, but URL is {row.URL[:80]!r}; map URL (msdyn_url) from F+O, or restore it there",
            )
        return name
    if not row.dataAreaId or not row.SalesOrderNumber:
        raise RecordError("invalid", "an order of F+O needs dataAreaId and SalesOrderNumber; they make up its order id")
    return id_at_fno(row.dataAreaId, row.SalesOrderNumber)


def id_at_fno(company: str, number: str) -> str:
    """Return our id of an order that was born in F+O."""
    return f"{FNO_PREFIX}-{company.lower()}-{number}"


def line_id(row: SalesOrderRow, line: SalesOrderRowLine) -> str:
    """Return our id of a line: on F+O's orders its number, on ours what stands for our own id (see `item_number_of`).

    A line that somebody in F+O added to an order of ours has no id of ours: its number stands behind a prefix, so
    that it never meets one.
    """
    if not made_by_us(row):
        return str(line.LineNumber)
    return line.ExternalItemNumber or f"{FNO_PREFIX}-{line.LineNumber}"
