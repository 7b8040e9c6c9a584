"""The sales orders and billing documents of one tenant, and every change to them. In memory; a restart loses them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final

from app.sandbox.vendors.odata_filter import Filter
from app.sandbox.vendors.sap.drafts import draft_order, number
from app.sandbox.vendors.sap.entities import DAY_MS, Entity, EntityType, parse_fields
from app.sandbox.vendors.sap.invoicing import (
    CANCELLATION,
    INVOICE,
    add_billed,
    check_billable,
    document_of,
    is_standing,
    total,
)
from app.sandbox.vendors.sap.refusals import SapError
from app.sandbox.vendors.sap.schema import BILLING, BILLING_ITEM
from app.sandbox.vendors.simulation import World

PROVIDER: Final = "sap"
ORDERS_MAX: Final = 200_000
_FIRST_DOCUMENT: Final = 90_000_000
_FIRST_ENTRY: Final = 9_400_000_000

Notify = Callable[[str, str], None]
"""Kind of a notification, and the number of the document."""


class OrderStore:
    """`kind` is what a sales order is in this release, `sold_to` the one business partner there is.

    `changed` is called when an order is new or may go on.
    """

    def __init__(self, world: World, kind: EntityType, sold_to: str, notify: Notify) -> None:
        self._world, self._kind, self._sold_to, self._notify = world, kind, sold_to, notify
        self.on_change: Callable[[Entity], None] = _ignore
        self.by_number: dict[str, Entity] = {}
        self.billing_documents: dict[str, Entity] = {}
        """Changed longest ago first."""
        self._by_reference: dict[str, list[Entity]] = {}
        self._billed: dict[str, list[Entity]] = {}
        self._numbers, self._documents, self._entries = count(1), count(_FIRST_DOCUMENT), count(_FIRST_ENTRY)
        self._last_change = 0

    def create(self, body: Mapping[str, Any]) -> Entity:
        """Create a sales order with all that is below it, or nothing. Raises SapError."""
        if len(self.by_number) >= ORDERS_MAX:
            raise SapError(400, "V1/311", f"SAP holds {ORDERS_MAX} orders already; start the simulators anew")
        order = draft_order(self._kind, body, self._sold_to, self._stamp())
        number(order, str(next(self._numbers)))
        self.by_number[order.values["SalesOrder"]] = order
        self._by_reference.setdefault(order.values["PurchaseOrderByCustomer"], []).append(order)
        sales_order = order.values["SalesOrder"]
        self.record_effect(order, "order created", sales_order=sales_order, items=len(order.lists["to_Item"]))
        self._notify("salesorder.v1.SalesOrder.Created.v1", sales_order)
        self.on_change(order)
        return order

    def patch(self, order: Entity, body: Mapping[str, Any]) -> None:
        """Change fields of a header. Raises SapError with 400."""
        fields = parse_fields(order.kind, body, "write")
        changes = {name: value for name, value in fields.items() if order.values[name] != value}
        if not changes:
            return
        reference = order.values["PurchaseOrderByCustomer"]
        order.values |= changes
        self._stamp_change(order)
        if "PurchaseOrderByCustomer" in changes:
            self._by_reference[reference].remove(order)
            self._by_reference.setdefault(changes["PurchaseOrderByCustomer"], []).append(order)
        self.record_effect(order, "order changed", fields=sorted(changes))
        self._notify("salesorder.v1.SalesOrder.Changed.v1", order.values["SalesOrder"])
        self.on_change(order)

    def bill(self, order: Entity, quantities: Mapping[str, Decimal], transfer_status: str) -> Entity:
        """Create a billing document over these quantities by item, not posted to accounting yet. Raises SapError."""
        check_billable(order, quantities, self.open_quantities(order))
        document = self._document(order, INVOICE, transfer_status)
        for item in order.lists["to_Item"]:
            if quantity := quantities.get(item.values["SalesOrderItem"]):
                add_billed(document, order, item, quantity)
        self._add_document(document, order)
        return document

    def post(self, document: Entity) -> None:
        """Transfer the document to accounting: from now on the order, or this part of it, is invoiced."""
        if document.values["AccountingTransferStatus"] in ("C", "E"):
            return
        entry = {"AccountingDocument": str(next(self._entries)), "AccountingPostingStatus": "C"}
        document.values |= {**entry, "AccountingTransferStatus": "C"}
        self.touch(document)
        lines = {item.values["SalesDocumentItem"]: f"{item.values['BillingQuantity']:.3f}" for item in _items(document)}
        order = self.by_number[_items(document)[0].values["SalesDocument"]]
        self.record_effect(order, "order invoiced", billing_document=document.values["BillingDocument"], items=lines)

    def cancel(self, document: Entity) -> Entity:
        """Create the document that cancels this one. Raises SapError."""
        number = document.values["BillingDocument"]
        if not is_standing(document):
            raise SapError(400, "VF/043", f"Billing document {number} cannot be cancelled")
        order = self.by_number[_items(document)[0].values["SalesDocument"]]
        reversal = self._document(order, CANCELLATION, "C")
        reversal.values["CancelledBillingDocument"] = number
        for item in _items(document):
            reversal.add("to_Item", dict(item.values))
        document.values |= {"BillingDocumentIsCancelled": True, "AccountingTransferStatus": "E"}
        self._add_document(reversal, order)
        self.touch(document)
        self.record_effect(order, "invoice canceled", billing_document=number, by=reversal.values["BillingDocument"])
        return reversal

    def open_quantities(self, order: Entity) -> dict[str, Decimal]:
        """Return the quantity that is not billed yet, by item, without rejected items."""
        remaining = {
            item.values["SalesOrderItem"]: item.values["RequestedQuantity"]
            for item in order.lists["to_Item"]
            if not item.values["SalesDocumentRjcnReason"]
        }
        for item in self._billed.get(order.values["SalesOrder"], ()):
            if item.parent is not None and is_standing(item.parent):
                remaining[item.values["SalesDocumentItem"]] -= item.values["BillingQuantity"]
        return {number: quantity for number, quantity in remaining.items() if quantity > 0}

    def order(self, name: str) -> Entity | None:
        """Return the order with SAP's number, or with our order id."""
        return self.by_number.get(name.lstrip("0")) or next(iter(self.with_reference(name)), None)

    def with_reference(self, reference: str) -> list[Entity]:
        return self._by_reference.get(reference, [])

    def candidates(self, kind: EntityType, query_filter: Filter) -> Iterable[Entity]:
        """Return the records that a filter has to look at: few of them where an index has them."""
        if kind is BILLING_ITEM and "SalesDocument" in query_filter.equal:
            return [item for number in query_filter.equal["SalesDocument"] for item in self._billed.get(number, ())]
        roots = self._some_documents(query_filter) if kind.service == BILLING else self._some_orders(query_filter)
        return (entity for root in roots for entity in root.of_kind(kind))

    def with_key(self, kind: EntityType, key: Sequence[str]) -> Entity | None:
        root = (self.billing_documents if kind.service == BILLING else self.by_number).get(key[0])
        entities = () if root is None else root.of_kind(kind)
        return next((entity for entity in entities if [entity.values[name] for name in kind.key] == [*key]), None)

    def _some_orders(self, query_filter: Filter) -> Iterable[Entity]:
        if "SalesOrder" in query_filter.equal:
            return [self.by_number[number] for number in query_filter.equal["SalesOrder"] if number in self.by_number]
        if "PurchaseOrderByCustomer" in query_filter.equal:
            references = query_filter.equal["PurchaseOrderByCustomer"]
            return [order for reference in references for order in self.with_reference(reference)]
        return self.by_number.values()

    def _some_documents(self, query_filter: Filter) -> Iterator[Entity]:
        if "BillingDocument" in query_filter.equal:
            yield from (
                self.billing_documents[name]
                for name in query_filter.equal["BillingDocument"]
                if name in self.billing_documents
            )
            return
        least = query_filter.least.get("LastChangeDateTime", 0)
        for document in reversed(self.billing_documents.values()):
            if document.values["LastChangeDateTime"] < least:
                return
            yield document

    def record_effect(self, order: Entity, kind: str, **detail: object) -> None:
        self._world.journal.effect(PROVIDER, kind, order.values["PurchaseOrderByCustomer"], detail)

    def _add_document(self, document: Entity, order: Entity) -> None:
        """Make the document visible, and bring the order's billing status up to date."""
        total(document)
        self.billing_documents[document.values["BillingDocument"]] = document
        self._billed.setdefault(order.values["SalesOrder"], []).extend(_items(document))
        remaining = self.open_quantities(order)
        ordered = {item.values["SalesOrderItem"]: item.values["RequestedQuantity"] for item in order.lists["to_Item"]}
        status = "A" if remaining == ordered else "B" if remaining else "C"
        order.values |= {"OverallOrdReltdBillgStatus": status, "OverallSDProcessStatus": status}
        self._stamp_change(order)
        if is_standing(document):
            self._notify("billingdocument.v1.BillingDocument.Created.v1", document.values["BillingDocument"])

    def _document(self, order: Entity, kind: tuple[str, str], transfer_status: str) -> Entity:
        return document_of(order, kind, str(next(self._documents)), self._stamp(), transfer_status)

    def touch(self, document: Entity) -> None:
        """Record a change of the document, which is the one that changed last from now on."""
        self._stamp_change(document)
        self.billing_documents[document.values["BillingDocument"]] = self.billing_documents.pop(
            document.values["BillingDocument"]
        )

    def _stamp_change(self, entity: Entity) -> None:
        now = self._stamp()
        entity.values |= {"LastChangeDateTime": now, "LastChangeDate": now - now % DAY_MS}

    def _stamp(self) -> int:
        """Return the time, but never the same twice, so that a changed record has another ETag."""
        self._last_change = max(self._world.clock(), self._last_change + 1)
        return self._last_change


def _ignore(_order: Entity) -> None:
    return


def _items(document: Entity) -> Sequence[Entity]:
    return document.lists["to_Item"]
