"""The entities and functions of both services: fields with their types and lengths as in SAP's metadata.

Fields that nothing here reads or sets are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.sandbox.vendors.sap.entities import Access, ComplexType, EntityField, EntityType, Function, Kind

SALES: Final = "API_SALES_ORDER_SRV"
BILLING: Final = "API_BILLING_DOCUMENT_SRV"


def _fields(kind: Kind, access: Access, names: str) -> dict[str, EntityField]:
    """Return fields by name. `Name:35` has at most 35 characters, or digits."""
    parts = (name.partition(":") for name in names.split())
    return {name: EntityField(kind, access, int(length or 0)) for name, _, length in parts}


_PRICE: Final = EntityType(
    SALES,
    "A_SalesOrderItemPrElement",
    ("SalesOrder", "SalesOrderItem", "PricingProcedureStep", "PricingProcedureCounter"),
    {
        **_fields("number", "read", "SalesOrder:10 SalesOrderItem:6"),
        **_fields("number", "insert", "PricingProcedureStep:3 PricingProcedureCounter:3"),
        **_fields("text", "insert", "ConditionType:4"),
        **_fields("rate", "write", "ConditionRateValue"),
        **_fields("text", "write", "ConditionCurrency:5 ConditionQuantityUnit:3"),
        **_fields("whole", "write", "ConditionQuantity"),
        **_fields("amount", "read", "ConditionAmount"),
        **_fields("text", "read", "TransactionCurrency:5"),
    },
    single="to_SalesOrderItem",
)
_PARTNER: Final = EntityType(
    SALES,
    "A_SalesOrderHeaderPartner",
    ("SalesOrder", "PartnerFunction"),
    {
        **_fields("number", "read", "SalesOrder:10"),
        **_fields("text", "insert", "PartnerFunction:2"),
        **_fields("text", "write", "Customer:10 Supplier:10 Personnel:8 ContactPerson:10"),
    },
    single="to_SalesOrder",
)
_TEXT: Final = EntityType(
    SALES,
    "A_SalesOrderText",
    ("SalesOrder", "Language", "LongTextID"),
    {
        **_fields("number", "read", "SalesOrder:10"),
        **_fields("text", "insert", "Language:2 LongTextID:4"),
        **_fields("text", "write", "LongText"),
    },
    single="to_SalesOrder",
)
SALES_ORDER_ITEM: Final = EntityType(
    service=SALES,
    name="A_SalesOrderItem",
    key=("SalesOrder", "SalesOrderItem"),
    fields={
        **_fields("number", "read", "SalesOrder:10"),
        **_fields("number", "insert", "SalesOrderItem:6"),
        **_fields("number", "insert", "HigherLevelItem:6"),
        **_fields("text", "write", "SalesOrderItemCategory:4 SalesOrderItemText:40 PurchaseOrderByCustomer:35"),
        **_fields("text", "write", "PurchaseOrderByShipToParty:35 UnderlyingPurchaseOrderItem:6 Material:40"),
        **_fields("text", "read", "ExternalItemID:40"),
        **_fields("text", "write", "MaterialByCustomer:35"),
        **_fields("date", "write", "PricingDate"),
        **_fields("quantity", "write", "RequestedQuantity"),
        **_fields("text", "write", "RequestedQuantityUnit:3"),
        **_fields("text", "read", "TransactionCurrency:5"),
        **_fields("amount", "read", "NetAmount TaxAmount:14"),
        **_fields("text", "write", "ProductionPlant:4 StorageLocation:4 ShippingPoint:4 SalesDocumentRjcnReason:2"),
        **_fields("text", "write", "ItemBillingBlockReason:2"),
        **_fields("text", "read", "SDProcessStatus:1 DeliveryStatus:1 OrderRelatedBillingStatus:1"),
    },
    lists={"to_PricingElement": _PRICE},
    single="to_SalesOrder",
)
SALES_ORDER: Final = EntityType(
    service=SALES,
    name="A_SalesOrder",
    key=("SalesOrder",),
    fields={
        **_fields("number", "read", "SalesOrder:10"),
        **_fields("text", "insert", "SalesOrderType:4 SalesOrganization:4 DistributionChannel:2"),
        **_fields("text", "insert", "OrganizationDivision:2"),
        **_fields("text", "write", "SalesGroup:3 SalesOffice:4 SalesDistrict:6 SoldToParty:10"),
        **_fields("date", "read", "CreationDate LastChangeDate"),
        **_fields("text", "read", "CreatedByUser:12 SenderBusinessSystemName:60 ExternalDocumentID:40"),
        **_fields("instant", "read", "LastChangeDateTime ExternalDocLastChangeDateTime"),
        **_fields("text", "write", "PurchaseOrderByCustomer:35 PurchaseOrderByShipToParty:35"),
        **_fields("text", "write", "CustomerPurchaseOrderType:4"),
        **_fields("date", "write", "CustomerPurchaseOrderDate SalesOrderDate"),
        **_fields("amount", "read", "TotalNetAmount"),
        **_fields("text", "read", "OverallDeliveryStatus:1 TotalBlockStatus:1 OverallOrdReltdBillgStatus:1"),
        **_fields("text", "write", "TransactionCurrency:5 SDDocumentReason:3"),
        **_fields("date", "write", "PricingDate RequestedDeliveryDate"),
        **_fields("text", "write", "ShippingCondition:2"),
        **_fields("flag", "write", "CompleteDeliveryIsDefined"),
        **_fields("text", "write", "HeaderBillingBlockReason:2 DeliveryBlockReason:2 CustomerPaymentTerms:4"),
        **_fields("text", "write", "AssignmentReference:18"),
        **_fields("text", "read", "OverallSDProcessStatus:1 TotalCreditCheckStatus:1 OverallTotalDeliveryStatus:1"),
        **_fields("text", "read", "OverallSDDocumentRejectionSts:1"),
    },
    lists={"to_Item": SALES_ORDER_ITEM, "to_Partner": _PARTNER, "to_Text": _TEXT},
    etag="LastChangeDateTime",
)
BILLING_ITEM: Final = EntityType(
    BILLING,
    "A_BillingDocumentItem",
    ("BillingDocument", "BillingDocumentItem"),
    {
        **_fields("number", "read", "BillingDocument:10 BillingDocumentItem:6"),
        **_fields("text", "read", "SalesDocumentItemCategory:4"),
        **_fields("date", "read", "CreationDate"),
        **_fields("time", "read", "CreationTime"),
        **_fields("text", "read", "Material:40 BillingDocumentItemText:40"),
        **_fields("quantity", "read", "BillingQuantity:13"),
        **_fields("text", "read", "BillingQuantityUnit:3"),
        **_fields("quantity", "read", "BillingQuantityInBaseUnit:13"),
        **_fields("text", "read", "BaseUnit:3"),
        **_fields("amount", "read", "NetAmount"),
        **_fields("text", "read", "TransactionCurrency:5"),
        **_fields("amount", "read", "GrossAmount TaxAmount:14"),
        **_fields("number", "read", "ReferenceSDDocument:10 ReferenceSDDocumentItem:6"),
        **_fields("text", "read", "ReferenceSDDocumentCategory:4"),
        **_fields("number", "read", "SalesDocument:10 SalesDocumentItem:6"),
        **_fields("text", "read", "SalesSDDocumentCategory:4"),
    },
    single="to_BillingDocument",
)
BILLING_DOCUMENT: Final = EntityType(
    service=BILLING,
    name="A_BillingDocument",
    key=("BillingDocument",),
    fields={
        **_fields("number", "read", "BillingDocument:10"),
        **_fields("text", "read", "SDDocumentCategory:4 BillingDocumentCategory:1 BillingDocumentType:4"),
        **_fields("date", "read", "CreationDate"),
        **_fields("time", "read", "CreationTime"),
        **_fields("date", "read", "LastChangeDate"),
        **_fields("instant", "read", "LastChangeDateTime"),
        **_fields("text", "read", "SalesOrganization:4 DistributionChannel:2 Division:2"),
        **_fields("date", "read", "BillingDocumentDate"),
        **_fields("flag", "read", "BillingDocumentIsCancelled"),
        **_fields("number", "read", "CancelledBillingDocument:10"),
        **_fields("amount", "read", "TotalNetAmount"),
        **_fields("text", "read", "TransactionCurrency:5"),
        **_fields("amount", "read", "TaxAmount:14 TotalGrossAmount:17"),
        **_fields("text", "read", "PayerParty:10 CompanyCode:4 FiscalYear:4"),
        **_fields("number", "read", "AccountingDocument:10"),
        **_fields("text", "read", "SoldToParty:10 PurchaseOrderByCustomer:35 OverallSDProcessStatus:1"),
        **_fields("text", "read", "OverallBillingStatus:1 AccountingPostingStatus:1 AccountingTransferStatus:1"),
    },
    lists={"to_Item": BILLING_ITEM},
    etag="LastChangeDateTime",
)
CANCEL: Final = Function(
    "Cancel",
    "POST",
    BILLING_DOCUMENT,
    ComplexType(
        "CancelResult",
        {
            **_fields("number", "read", "BillingDocument:10 CancellationBillingDocument:10"),
            **_fields("text", "read", "SystemMessageType:1 SystemMessageIdentification:20 SystemMessageNumber:3"),
            **_fields("text", "read", "SystemMessageText:256 SystemMessageVariable1:50 SystemMessageVariable2:50"),
            **_fields("text", "read", "SystemMessageVariable3:50 SystemMessageVariable4:50"),
        },
    ),
)


@dataclass(frozen=True)
class Service:
    """`types` are its entities by entity set, `root` is the one that all others lie below."""

    name: str
    root: EntityType
    functions: Mapping[str, Function]

    @property
    def types(self) -> Mapping[str, EntityType]:
        return {kind.name: kind for kind in _with_all_below(self.root)}


def _with_all_below(kind: EntityType) -> Iterator[EntityType]:
    yield kind
    for below in kind.lists.values():
        yield from _with_all_below(below)


def services(*, item_reference: bool = True) -> Mapping[str, Service]:
    """Both services by name. `item_reference`: whether items have UnderlyingPurchaseOrderItem, which older releases
    lack."""
    order = SALES_ORDER
    if not item_reference:
        fields = {
            name: field for name, field in SALES_ORDER_ITEM.fields.items() if name != "UnderlyingPurchaseOrderItem"
        }
        order = replace(order, lists={**order.lists, "to_Item": replace(SALES_ORDER_ITEM, fields=fields)})
    both = (Service(SALES, order, {}), Service(BILLING, BILLING_DOCUMENT, {CANCEL.name: CANCEL}))
    return {service.name: service for service in both}
