"""Billing documents of SAP as events of our orders: which invoices count, and for which lines. Pure.

A document counts when it is an invoice, posted to accounting (AccountingTransferStatus C) and not cancelled. It leads
back to our order by the sales order of its items.

Requirements: S55, S56.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from app.domain.event_names import EventName
from app.events.model import LineQuantity, ProviderEvent
from app.providers.http_messages import Call
from app.providers.port import RefusedOrder
from app.providers.sap import actions, odata
from app.providers.sap.cursor import Cursor, Quantities, Stamp

PROVIDER: Final = "sap"
POSTED: Final = "C"
INVOICE: Final = "M"
"""Of SDDocumentCategory: no credit memo, no cancellation, no pro forma."""
PAGE_DOCUMENTS: Final = 200
ORDERS_PER_CALL: Final = 20
"""With so many numbers a filter has about 700 characters."""

DOCUMENTS: Final = f"{odata.BILLING}/A_BillingDocument"
ITEMS: Final = f"{odata.BILLING}/A_BillingDocumentItem"
_STATUS: Final = (
    "BillingDocument",
    "SDDocumentCategory",
    "AccountingTransferStatus",
    "BillingDocumentIsCancelled",
    "CancelledBillingDocument",
)
_QUANTITY: Final = ("SalesDocument", "SalesDocumentItem", "BillingQuantity", "BillingQuantityUnit")
_ORDER: Final = ("SalesOrder", "PurchaseOrderByCustomer", actions.SHIP_TO_REFERENCE)
_ITEM: Final = ("SalesOrderItem", actions.SHIP_TO_REFERENCE, "RequestedQuantity", "RequestedQuantityUnit")


class Billed(NamedTuple):
    """A quantity of one item of a sales order."""

    sales_order: str
    item: str
    quantity: int
    unit: str


class Invoice(NamedTuple):
    number: str
    created: int
    billed: tuple[Billed, ...]
    wire: Mapping[str, Any]


class OurLine(NamedTuple):
    line_id: str
    unit: str
    ordered: int


class OurOrder(NamedTuple):
    """A sales order that we created. `lines` are by item; items that were added at SAP are not among them."""

    order_id: str
    lines: Mapping[str, OurLine]

    def is_complete(self, reported: Quantities) -> bool:
        """Return whether all of it is reported as invoiced."""
        return all(reported.get(item, 0) >= line.ordered for item, line in self.lines.items())


class InvoiceReport(NamedTuple):
    """The events of some invoices, and what is refused.

    `reported`: all that is reported of sales orders by now, nothing of one that is reported in full.
    """

    events: list[ProviderEvent]
    refused: list[RefusedOrder]
    reported: dict[str, Quantities]


def list_documents(cursor: Cursor, organization: str, skip: int) -> Call:
    """List the invoices that count, changed longest ago first, from where the cursor starts."""
    conditions = [
        f"SalesOrganization eq {odata.literal(organization)}",
        f"SDDocumentCategory eq {odata.literal(INVOICE)}",
        f"AccountingTransferStatus eq {odata.literal(POSTED)}",
        "BillingDocumentIsCancelled eq false",
    ]
    if cursor.start:
        conditions.insert(0, f"LastChangeDateTime ge {odata.instant(cursor.start)}")
    fields = (*_STATUS, "LastChangeDateTime", "CreationDate", "CreationTime", *_below("to_Item", _QUANTITY))
    return odata.read(
        DOCUMENTS,
        ("$filter", " and ".join(conditions)),
        ("$expand", "to_Item"),
        ("$select", ",".join(fields)),
        ("$orderby", "LastChangeDateTime,BillingDocument"),
        ("$top", str(PAGE_DOCUMENTS)),
        *((("$skip", str(skip)),) if skip else ()),
    )


def list_sales_orders(numbers: Sequence[str], item_reference: str) -> Call:
    """List sales orders with the fields that identify our lines. All releases have them, and `item_reference`."""
    item = dict.fromkeys((*_ITEM, item_reference))
    fields = (*_ORDER, *_below("to_Item", item), *_below("to_Text", ("LongTextID", "LongText")))
    return odata.read(
        actions.ORDERS,
        ("$filter", odata.any_of("SalesOrder", numbers)),
        ("$expand", "to_Item,to_Text"),
        ("$select", ",".join(fields)),
    )


def list_billed(numbers: Sequence[str]) -> Call:
    """List all billing items of these sales orders, with the status of their documents."""
    fields = ("BillingDocument", *_QUANTITY, *_below("to_BillingDocument", _STATUS))
    return odata.read(
        ITEMS,
        ("$filter", odata.any_of("SalesDocument", numbers)),
        ("$expand", "to_BillingDocument"),
        ("$select", ",".join(fields)),
    )


def _below(navigation: str, fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{navigation}/{field}" for field in fields)


def counts(document: odata.Entity) -> bool:
    """Return whether a billing document is an invoice that is posted to accounting and not cancelled."""
    return (
        document.get("AccountingTransferStatus") == POSTED
        and document.get("SDDocumentCategory") == INVOICE
        and document.get("BillingDocumentIsCancelled") is False
        and not document.get("CancelledBillingDocument")
    )


def stamp_of(document: odata.Entity) -> Stamp:
    """Return number and time of change of a document. Raises MalformedReplyError."""
    return Stamp(odata.number_of(document, "BillingDocument"), odata.time_of(document, "LastChangeDateTime"))


def invoice_of(document: dict[str, Any]) -> Invoice:
    """Read an invoice with its items. Raises MalformedReplyError."""
    created = odata.time_of(document, "CreationDate") + odata.duration_of(document, "CreationTime")
    billed = tuple(map(billed_of, filter(_has_order, odata.expanded(document, "to_Item"))))
    return Invoice(odata.number_of(document, "BillingDocument"), created, billed, document)


def _has_order(item: odata.Entity) -> bool:
    """Return whether an item has a sales order. External data and debit requests have none: they are not ours."""
    return bool(item.get("SalesDocument"))


def billed_of(item: odata.Entity) -> Billed:
    """Read a billing item. Raises MalformedReplyError."""
    return Billed(
        odata.number_of(item, "SalesDocument"),
        odata.number_of(item, "SalesDocumentItem"),
        odata.amount_of(item, "BillingQuantity"),
        str(item.get("BillingQuantityUnit") or ""),
    )


def invoiced_quantities(items: Iterable[odata.Entity]) -> Counter[tuple[str, str]]:
    """Return (sales order, item) -> quantity on all invoices that count. Raises MalformedReplyError."""
    quantities: Counter[tuple[str, str]] = Counter()
    for item in items:
        document = item.get("to_BillingDocument")
        if isinstance(document, dict) and counts(document):
            billed = billed_of(item)
            quantities[billed.sales_order, billed.item] += billed.quantity
    return quantities


def our_orders(sales_orders: Iterable[odata.Entity]) -> dict[str, OurOrder]:
    """Return our orders by SAP's number; others are left out. Raises MalformedReplyError."""
    orders = ((actions.number_of_entity(sales_order), _ours(sales_order)) for sales_order in sales_orders)
    return {number: ours for number, ours in orders if ours is not None}


def _ours(sales_order: odata.Entity) -> OurOrder | None:
    order_id = str(sales_order.get("PurchaseOrderByCustomer") or "")
    mark = str(sales_order.get(actions.SHIP_TO_REFERENCE) or "")
    if order_id == mark:
        order_id = _long_id(sales_order)
    if not order_id or not actions.has_mark(sales_order, order_id):
        return None
    lines = {}
    for item in odata.expanded(sales_order, "to_Item"):
        if line_id := actions.line_id_of(item, mark):
            unit, ordered = str(item.get("RequestedQuantityUnit") or ""), odata.amount_of(item, "RequestedQuantity")
            lines[odata.number_of(item, "SalesOrderItem")] = OurLine(line_id, unit, ordered)
    return OurOrder(order_id, lines)


def _long_id(sales_order: odata.Entity) -> str:
    texts = odata.expanded(sales_order, "to_Text")
    return next((str(text.get("LongText")).strip() for text in texts if text.get("LongTextID") == actions.TEXT_ID), "")


def report(
    invoices: Iterable[Invoice],
    orders: Mapping[str, OurOrder],
    quantities: Mapping[tuple[str, str], int],
    reported: Mapping[str, Quantities],
) -> InvoiceReport:
    """Return the events of invoices, given oldest first: one for each order on each invoice.

    Never more of a line is reported than is invoiced at SAP: what was reported of an invoice that was cancelled later
    counts for the invoice that replaces it.
    """
    reporter = _Reporter(orders, quantities, reported)
    for invoice in invoices:
        for number in dict.fromkeys(billed.sales_order for billed in invoice.billed):
            if number in orders:
                reporter.add(invoice, number)
    return reporter.report()


class _Reporter:
    """Collects the events of invoices, one invoice and sales order after the other."""

    def __init__(
        self,
        orders: Mapping[str, OurOrder],
        quantities: Mapping[tuple[str, str], int],
        reported: Mapping[str, Quantities],
    ) -> None:
        """`quantities` are invoiced at SAP by (sales order, item), `reported` what was reported before."""
        self._orders = orders
        self._quantities = quantities
        self._reported_before = reported
        self._reported: dict[str, Quantities] = {}
        self._events: list[ProviderEvent] = []
        self._refused: list[RefusedOrder] = []

    def add(self, invoice: Invoice, number: str) -> None:
        """Report what the invoice adds to the sales order of this number."""
        order = self._orders[number]
        so_far = Counter(self._reported.get(number, self._reported_before.get(number, {})))
        lines = []
        for item, quantity in self._quantities_on(invoice, number).items():
            added = min(quantity, self._quantities.get((number, item), 0) - so_far[item])
            if added > 0:
                so_far[item] += added
                lines.append(LineQuantity(order.lines[item].line_id, added))
        if lines:
            self._reported[number] = dict(so_far)
            event = ProviderEvent(
                order_id=order.order_id,
                provider=PROVIDER,
                event=EventName.ORDER_INVOICED,
                reference=invoice.number,
                occurred_at=invoice.created,
                lines=tuple(lines),
            )
            self._events.append(event)

    def report(self) -> InvoiceReport:
        in_part = {
            number: {} if self._orders[number].is_complete(so_far) else so_far
            for number, so_far in self._reported.items()
        }
        return InvoiceReport(self._events, self._refused, in_part)

    def _quantities_on(self, invoice: Invoice, number: str) -> Counter[str]:
        """Return item -> quantity on the invoice, of our lines. Items in another unit than ordered are refused."""
        lines = self._orders[number].lines
        quantities: Counter[str] = Counter()
        for billed in invoice.billed:
            if billed.sales_order != number or billed.item not in lines:
                continue
            unit = lines[billed.item].unit
            if billed.unit != unit:
                reason = f"item {billed.item} is billed in {billed.unit!r}, not {unit!r}"
                self._refused.append(refuse(invoice.wire, reason))
                continue
            quantities[billed.item] += billed.quantity
        return quantities


def refuse(document: Mapping[str, Any], reason: str) -> RefusedOrder:
    number = str(document.get("BillingDocument"))
    detail = f"billing document {number}: {reason}; correct it at SAP, it is read again when it changes"
    return RefusedOrder(number, detail, msgspec.json.encode(document))
