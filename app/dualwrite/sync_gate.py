"""The documented sync gate: what an order, or the row of one, must have before dual-write may take it.

Header: company and invoice customer. Lines: at least one, each with its own shipping site and warehouse (the header's
default does not count). Ready-to-sync is a switch, not a field that may be missing; `passes` asks for it too.
Sources: the filters of the maps `salesorders` and `salesorderdetails`; requirements S5, S6.
"""

from app.domain.lifecycle import State
from app.domain.order import Order
from app.events.sales_order_change import SalesOrderRow, line_id

COMPLETED = State.COMPLETED
"""The header filter leaves out invoiced orders: they are read-only."""


def missing(order: Order) -> tuple[str, ...]:
    """Return the paths of the fields that keep an order from F+O, such as `lines.2.warehouse`; empty when none."""
    header = (("company", order.company), ("invoice_customer", order.invoice_customer), ("lines", order.lines))
    names = [name for name, value in header if not value]
    for line in order.lines:
        names += [f"lines.{line.line_id}.{name}" for name in ("site", "warehouse") if not getattr(line, name)]
    return tuple(names)


def passes(order: Order) -> bool:
    """Return whether dual-write takes the order as it is."""
    return order.ready_to_sync and order.state != COMPLETED and not missing(order)


def missing_in(row: SalesOrderRow) -> tuple[str, ...]:
    """Return the same for a row, in F+O's names, with `isReadyToSync` where the switch is off."""
    header = ("dataAreaId", "InvoiceCustomerAccountNumber", "Lines", "isReadyToSync")
    names = [name for name in header if not getattr(row, name)]
    for line in row.Lines:
        needed = ("ShippingSiteId", "ShippingWarehouseId")
        names += [f"Lines.{line_id(row, line)}.{name}" for name in needed if not getattr(line, name)]
    return tuple(names)
