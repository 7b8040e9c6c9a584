"""Billing documents as SAP makes them of a sales order: header, items, totals, and what may be billed at all."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from app.sandbox.vendors.sap.drafts import net_amount
from app.sandbox.vendors.sap.entities import DAY_MS, Entity
from app.sandbox.vendors.sap.refusals import SapError
from app.sandbox.vendors.sap.schema import BILLING_DOCUMENT

INVOICE: Final = ("M", "F2")
"""Category and type."""
CANCELLATION: Final = ("N", "S1")
_COMPANY: Final = "1010"
_STEP: Final = 10


def document_of(order: Entity, kind: tuple[str, str], number: str, now: int, transfer_status: str) -> Entity:
    """Return a billing document without items; `now` in ms."""
    today = now - now % DAY_MS
    dates = dict.fromkeys(("CreationDate", "BillingDocumentDate", "LastChangeDate"), today)
    names = ("SalesOrganization", "DistributionChannel", "SoldToParty", "TransactionCurrency")
    values = {name: order.values[name] for name in (*names, "PurchaseOrderByCustomer")}
    party = {"PayerParty": order.values["SoldToParty"], "Division": order.values["OrganizationDivision"]}
    status = {"AccountingTransferStatus": transfer_status, "AccountingPostingStatus": "A", "OverallBillingStatus": "A"}
    own = {"BillingDocument": number, "SDDocumentCategory": kind[0], "BillingDocumentType": kind[1]}
    times = {"CreationTime": now % DAY_MS, "LastChangeDateTime": now}
    company = {"CompanyCode": _COMPANY, "FiscalYear": f"{datetime.fromtimestamp(now / 1000, UTC):%Y}"}
    return Entity(BILLING_DOCUMENT, {**values, **party, **dates, **status, **own, **times, **company})


def check_billable(order: Entity, quantities: Mapping[str, Decimal], open_quantities: Mapping[str, Decimal]) -> None:
    """Raises SapError when nothing, or more than is left, would be billed."""
    number = order.values["SalesOrder"]
    if order.values["HeaderBillingBlockReason"]:
        raise SapError(400, "VF/015", f"Sales order {number} is blocked for billing")
    if not any(quantities.values()):
        raise SapError(400, "VF/044", f"Nothing of sales order {number} is left to be billed")
    for item, quantity in quantities.items():
        if not 0 <= quantity <= open_quantities.get(item, Decimal(0)):
            remaining = open_quantities.get(item, 0)
            raise SapError(400, "VF/045", f"Item {item} of sales order {number} has {remaining} left to be billed")


def add_billed(document: Entity, order: Entity, item: Entity, quantity: Decimal) -> None:
    """Add a quantity of an item of the order as an item of the document."""
    number, values = order.values["SalesOrder"], item.values
    net, unit = net_amount(item, quantity), values["RequestedQuantityUnit"]
    position = str((len(document.lists["to_Item"]) + 1) * _STEP)
    quantities = {"BillingQuantity": quantity, "BillingQuantityInBaseUnit": quantity}
    units = {"BillingQuantityUnit": unit, "BaseUnit": unit, "TransactionCurrency": values["TransactionCurrency"]}
    source = {"SalesDocument": number, "SalesDocumentItem": values["SalesOrderItem"], "SalesSDDocumentCategory": "C"}
    reference = {"ReferenceSDDocument": number, "ReferenceSDDocumentItem": values["SalesOrderItem"]}
    amounts = {"NetAmount": net, "GrossAmount": net, "Material": values["Material"]}
    own = {"BillingDocumentItem": position, "ReferenceSDDocumentCategory": "C"}
    dates = {name: document.values[name] for name in ("CreationDate", "CreationTime")}
    document.add("to_Item", {**quantities, **units, **source, **reference, **amounts, **own, **dates})


def total(document: Entity) -> None:
    """Add the items up."""
    for name, of_items in (
        ("TotalNetAmount", "NetAmount"),
        ("TaxAmount", "TaxAmount"),
        ("TotalGrossAmount", "GrossAmount"),
    ):
        document.values[name] = sum((item.values[of_items] for item in document.lists["to_Item"]), Decimal(0))


def is_standing(document: Entity) -> bool:
    """Return whether it is an invoice that was not cancelled."""
    return document.values["SDDocumentCategory"] == INVOICE[0] and not document.values["BillingDocumentIsCancelled"]
