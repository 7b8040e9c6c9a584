"""The entities of both services: fields with their types and lengths as in SAP's metadata.

Fields that nothing here reads or sets are left out.
"""

from collections.abc import Mapping
from typing import Final

from app.providers.sap.simulator.entities import Access, EntityType, Field, Kind

SALES: Final = "API_SALES_ORDER_SRV"
BILLING: Final = "API_BILLING_DOCUMENT_SRV"


def _fields(kind: Kind, access: Access, names: str) -> dict[str, Field]:
    """`Name:35` has at most 35 characters."""
    parts = (name.partition(":") for name in names.split())
    return {name: Field(kind, access, int(length or 0)) for name, _, length in parts}


_PRICE: Final = EntityType(
    SALES,
    "A_SalesOrderItemPrElement",
    ("SalesOrder", "SalesOrderItem", "PricingProcedureStep", "PricingProcedureCounter"),
    {
        **_fields("number", "read", "SalesOrder SalesOrderItem"),
        **_fields("text", "insert", "PricingProcedureStep:3 PricingProcedureCounter:3 ConditionType:4"),
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
        **_fields("number", "read", "SalesOrder"),
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
        **_fields("number", "read", "SalesOrder"),
        **_fields("text", "insert", "Language:2 LongTextID:4"),
        **_fields("text", "write", "LongText"),
    },
    single="to_SalesOrder",
)
SALES_ORDER_ITEM: Final = EntityType(
    SALES,
    "A_SalesOrderItem",
    ("SalesOrder", "SalesOrderItem"),
    {
        **_fields("number", "read", "SalesOrder"),
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
        **_fields("amount", "read", "NetAmount TaxAmount"),
        **_fields("text", "write", "ProductionPlant:4 StorageLocation:4 ShippingPoint:4 SalesDocumentRjcnReason:2"),
        **_fields("text", "write", "ItemBillingBlockReason:2"),
        **_fields("text", "read", "SDProcessStatus:1 DeliveryStatus:1 OrderRelatedBillingStatus:1"),
    },
    {"to_PricingElement": _PRICE},
    "to_SalesOrder",
)
SALES_ORDER: Final = EntityType(
    SALES,
    "A_SalesOrder",
    ("SalesOrder",),
    {
        **_fields("number", "read", "SalesOrder"),
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
    {"to_Item": SALES_ORDER_ITEM, "to_Partner": _PARTNER, "to_Text": _TEXT},
    etag="LastChangeDateTime",
)
BILLING_ITEM: Final = EntityType(
    BILLING,
    "A_BillingDocumentItem",
    ("BillingDocument", "BillingDocumentItem"),
    {
        **_fields("number", "read", "BillingDocument BillingDocumentItem"),
        **_fields("text", "read", "SalesDocumentItemCategory"),
        **_fields("date", "read", "CreationDate"),
        **_fields("time", "read", "CreationTime"),
        **_fields("text", "read", "Material BillingDocumentItemText"),
        **_fields("quantity", "read", "BillingQuantity"),
        **_fields("text", "read", "BillingQuantityUnit"),
        **_fields("quantity", "read", "BillingQuantityInBaseUnit"),
        **_fields("text", "read", "BaseUnit"),
        **_fields("amount", "read", "NetAmount"),
        **_fields("text", "read", "TransactionCurrency"),
        **_fields("amount", "read", "GrossAmount TaxAmount"),
        **_fields("number", "read", "ReferenceSDDocument ReferenceSDDocumentItem"),
        **_fields("text", "read", "ReferenceSDDocumentCategory"),
        **_fields("number", "read", "SalesDocument SalesDocumentItem"),
        **_fields("text", "read", "SalesSDDocumentCategory"),
    },
    single="to_BillingDocument",
)
BILLING_DOCUMENT: Final = EntityType(
    BILLING,
    "A_BillingDocument",
    ("BillingDocument",),
    {
        **_fields("number", "read", "BillingDocument"),
        **_fields("text", "read", "SDDocumentCategory BillingDocumentCategory BillingDocumentType"),
        **_fields("date", "read", "CreationDate"),
        **_fields("time", "read", "CreationTime"),
        **_fields("date", "read", "LastChangeDate"),
        **_fields("instant", "read", "LastChangeDateTime"),
        **_fields("text", "read", "SalesOrganization DistributionChannel Division"),
        **_fields("date", "read", "BillingDocumentDate"),
        **_fields("flag", "read", "BillingDocumentIsCancelled"),
        **_fields("number", "read", "CancelledBillingDocument"),
        **_fields("amount", "read", "TotalNetAmount"),
        **_fields("text", "read", "TransactionCurrency"),
        **_fields("amount", "read", "TaxAmount TotalGrossAmount"),
        **_fields("text", "read", "PayerParty CompanyCode FiscalYear"),
        **_fields("number", "read", "AccountingDocument"),
        **_fields("text", "read", "SoldToParty PurchaseOrderByCustomer OverallSDProcessStatus OverallBillingStatus"),
        **_fields("text", "read", "AccountingPostingStatus AccountingTransferStatus"),
    },
    {"to_Item": BILLING_ITEM},
    etag="LastChangeDateTime",
)
TYPES: Final[Mapping[str, Mapping[str, EntityType]]] = {
    SALES: {kind.name: kind for kind in (SALES_ORDER, SALES_ORDER_ITEM)},
    BILLING: {kind.name: kind for kind in (BILLING_DOCUMENT, BILLING_ITEM)},
}
"""The collections of each service that can be asked for by themselves."""
