"""Rows, orders and changes for the tests of dual-write."""

from typing import Any

from msgspec.structs import replace

from app.domain.order import Address, Line, Order
from app.dualwrite.sales_order_mapping import FILES, SalesOrders, load
from app.dualwrite.status_handler import StatusHandler
from app.events.sales_order_change import ChangeSource, Op, SalesOrderChange, SalesOrderRow, SalesOrderRowLine
from app.resources import read_text

TEXTS = {file: read_text(file) for file in FILES}
ORDERS: SalesOrders = load(TEXTS)
MIRROR = StatusHandler(ORDERS)
AT = 1_760_000_000_000


def a_line(number: int = 1, **fields: Any) -> SalesOrderRowLine:
    line = SalesOrderRowLine(
        LineNumber=number,
        ItemNumber=f"100{number}",
        OrderedSalesQuantity=20_000,
        SalesPrice=125_000,
        LineAmount=250_000,
        InventoryLotId=f"LOT-{number}",
        LineDescription=f"Lamp {number}",
        ShippingSiteId="1",
        ShippingWarehouseId="13",
        SalesOrderLineStatus="Backorder",
    )
    return replace(line, **fields)


def a_row(status: str = "Active", lines: int = 2, **fields: Any) -> SalesOrderRow:
    row = SalesOrderRow(
        dataAreaId="USMF",
        SalesOrderNumber="SO-000123",
        CurrencyCode="USD",
        SalesOrderProcessingStatus=status,
        Lines=tuple(a_line(number) for number in range(1, lines + 1)),
        OrderingCustomerAccountNumber="C-1",
        InvoiceCustomerAccountNumber="C-2",
        DefaultShippingSiteId="1",
        DefaultShippingWarehouseId="13",
        DeliveryAddressName="Ada Moreno",
        DeliveryAddressStreet="1 Main Street",
        DeliveryAddressCity="Springfield",
        DeliveryAddressStateId="IL",
        DeliveryAddressZipCode="62701",
        DeliveryAddressCountryRegionId="USA",
        Email="ada@example.com",
        OrderTotalAmount=500_000,
        OrderCreationDateTime=AT,
    )
    return replace(row, **fields)


def with_lines(row: SalesOrderRow, *statuses: str) -> SalesOrderRow:
    """The row with these line statuses, one a line."""
    pairs = zip(row.Lines, statuses, strict=True)
    return replace(row, Lines=tuple(replace(line, SalesOrderLineStatus=status) for line, status in pairs))


def our_row(status: str = "Active", lines: int = 2, **fields: Any) -> SalesOrderRow:
    """The row of an order that we made."""
    row = a_row(status, lines, SalesOrderOriginCode="IOM", CustomersOrderReference="bc-s1-77", **fields)
    return replace(row, Lines=tuple(replace(line, ExternalItemNumber=f"9{line.LineNumber}") for line in row.Lines))


def a_change(
    after: SalesOrderRow | None,
    version: int = 1,
    op: Op = "u",
    before: SalesOrderRow | None = None,
    origin: str = "fno",
    **source: Any,
) -> SalesOrderChange:
    return SalesOrderChange(op, AT + version, before, after, ChangeSource(origin, version, name="fno", **source))


def an_order(**fields: Any) -> Order:
    """A shop's order that has passed the assignment policies."""
    lines = tuple(
        Line(f"9{n}", f"100{n}", f"Lamp {n}", 20_000, 125_000, 250_000, reference=str(n), site="1", warehouse="13")
        for n in (1, 2)
    )
    address = Address(name="Ada Moreno", street="1 Main Street", city="Springfield", region="IL", country="US")
    order = Order(
        order_id="bc-s1-77",
        origin="bigcommerce",
        source_ref="77",
        channel="bigcommerce",
        placed_at=AT,
        currency="USD",
        subtotal=500_000,
        shipping=0,
        tax=0,
        discount=0,
        total=500_000,
        ship_to=address,
        bill_to=address,
        lines=lines,
        customer="11",
        company="USMF",
        invoice_customer="C-2",
        site="1",
        warehouse="13",
        ready_to_sync=True,
    )
    return replace(order, **fields)
