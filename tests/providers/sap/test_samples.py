"""Field by field: the simulator's answers beside the samples of the reference and the types of SAP's metadata."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.providers.sap.simulated_sap import BASIC, BILLING, SALES, SimulatedSap, open_simulated_sap

SAMPLE: dict[str, Any] = {
    "SalesOrderType": "OR",
    "SalesOrganization": "1010",
    "DistributionChannel": "10",
    "OrganizationDivision": "00",
    "SoldToParty": "10100001",
    "PurchaseOrderByCustomer": "IOM-000123",
    "ExternalDocumentID": "IOM-000123",
    "TransactionCurrency": "USD",
    "RequestedDeliveryDate": "/Date(1700006400000)/",
    "to_Item": {
        "results": [
            {
                "SalesOrderItem": "10",
                "Material": "TG11",
                "RequestedQuantity": "2",
                "RequestedQuantityUnit": "PC",
                "ProductionPlant": "1010",
            }
        ]
    },
    "to_Partner": {"results": [{"PartnerFunction": "SH", "Customer": "10100001"}]},
}
"""The deep insert of the reference."""
ETAG = re.compile(r"W/\"datetimeoffset'\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\d\.\d{7}Z'\"")
TYPES: dict[str, type | re.Pattern[str]] = {
    "String": str,
    "Boolean": bool,
    "DateTime": re.compile(r"/Date\(-?\d+\)/"),
    "DateTimeOffset": re.compile(r"/Date\(-?\d+\+0000\)/"),
    "Time": re.compile(r"PT\d\dH\d\dM\d\dS"),
    "Amount": re.compile(r"-?\d+\.\d\d"),
    "Quantity": re.compile(r"-?\d+\.\d{3}"),
    "Rate": re.compile(r"-?\d+\.\d{9}"),
    "Whole": re.compile(r"-?\d+"),
}
NULLABLE = ("DateTime", "DateTimeOffset")
VENDOR = {
    "A_SalesOrder": {
        "String": """SalesOrder SalesOrderType SalesOrganization DistributionChannel OrganizationDivision SalesGroup
            SalesOffice SalesDistrict SoldToParty CreatedByUser SenderBusinessSystemName ExternalDocumentID
            PurchaseOrderByCustomer PurchaseOrderByShipToParty CustomerPurchaseOrderType OverallDeliveryStatus
            TotalBlockStatus OverallOrdReltdBillgStatus TransactionCurrency SDDocumentReason ShippingCondition
            HeaderBillingBlockReason DeliveryBlockReason CustomerPaymentTerms AssignmentReference
            OverallSDProcessStatus TotalCreditCheckStatus OverallTotalDeliveryStatus OverallSDDocumentRejectionSts""",
        "DateTime": """CreationDate LastChangeDate CustomerPurchaseOrderDate SalesOrderDate PricingDate
            RequestedDeliveryDate""",
        "DateTimeOffset": "LastChangeDateTime ExternalDocLastChangeDateTime",
        "Amount": "TotalNetAmount",
        "Boolean": "CompleteDeliveryIsDefined",
    },
    "A_SalesOrderItem": {
        "String": """SalesOrder SalesOrderItem HigherLevelItem SalesOrderItemCategory SalesOrderItemText
            PurchaseOrderByCustomer PurchaseOrderByShipToParty UnderlyingPurchaseOrderItem Material ExternalItemID
            MaterialByCustomer RequestedQuantityUnit TransactionCurrency ProductionPlant StorageLocation ShippingPoint
            SalesDocumentRjcnReason ItemBillingBlockReason SDProcessStatus DeliveryStatus OrderRelatedBillingStatus""",
        "DateTime": "PricingDate",
        "Quantity": "RequestedQuantity",
        "Amount": "NetAmount TaxAmount",
    },
    "A_SalesOrderHeaderPartner": {"String": "SalesOrder PartnerFunction Customer Supplier Personnel ContactPerson"},
    "A_SalesOrderText": {"String": "SalesOrder Language LongTextID LongText"},
    "A_SalesOrderItemPrElement": {
        "String": """SalesOrder SalesOrderItem PricingProcedureStep PricingProcedureCounter ConditionType
            ConditionCurrency ConditionQuantityUnit TransactionCurrency""",
        "Rate": "ConditionRateValue",
        "Whole": "ConditionQuantity",
        "Amount": "ConditionAmount",
    },
    "A_BillingDocument": {
        "String": """BillingDocument SDDocumentCategory BillingDocumentCategory BillingDocumentType SalesOrganization
            DistributionChannel Division CancelledBillingDocument TransactionCurrency PayerParty CompanyCode
            FiscalYear AccountingDocument SoldToParty PurchaseOrderByCustomer OverallSDProcessStatus
            OverallBillingStatus AccountingPostingStatus AccountingTransferStatus""",
        "DateTime": "CreationDate LastChangeDate BillingDocumentDate",
        "Time": "CreationTime",
        "DateTimeOffset": "LastChangeDateTime",
        "Boolean": "BillingDocumentIsCancelled",
        "Amount": "TotalNetAmount TaxAmount TotalGrossAmount",
    },
    "A_BillingDocumentItem": {
        "String": """BillingDocument BillingDocumentItem SalesDocumentItemCategory Material BillingDocumentItemText
            BillingQuantityUnit BaseUnit TransactionCurrency ReferenceSDDocument ReferenceSDDocumentItem
            ReferenceSDDocumentCategory SalesDocument SalesDocumentItem SalesSDDocumentCategory""",
        "DateTime": "CreationDate",
        "Time": "CreationTime",
        "Quantity": "BillingQuantity BillingQuantityInBaseUnit",
        "Amount": "NetAmount GrossAmount TaxAmount",
    },
}
"""Fields by type, from the metadata of both services; decimals with as many places as a tenant was seen to show."""
NAVIGATIONS = {
    "A_SalesOrder": {"to_Item", "to_Partner", "to_Text"},
    "A_SalesOrderItem": {"to_PricingElement", "to_SalesOrder"},
    "A_SalesOrderHeaderPartner": {"to_SalesOrder"},
    "A_SalesOrderText": {"to_SalesOrder"},
    "A_SalesOrderItemPrElement": {"to_SalesOrderItem"},
    "A_BillingDocument": {"to_Item"},
    "A_BillingDocumentItem": {"to_BillingDocument"},
}


def check(entity: dict[str, Any]) -> None:
    """Every field there is has a name and a type of SAP's; none of the known ones is missing."""
    metadata = entity["__metadata"]
    service, name = metadata["type"].removesuffix("Type").split(".")
    assert metadata["id"] == metadata["uri"]
    assert f"/sap/opu/odata/sap/{service}/{name}(" in metadata["uri"]
    assert ("etag" in metadata) == (name in ("A_SalesOrder", "A_BillingDocument"))
    assert ETAG.fullmatch(metadata.get("etag", "W/\"datetimeoffset'2016-09-02T06%3A15%3A47.1257050Z'\""))
    types = {field: kind for kind, fields in VENDOR[name].items() for field in fields.split()}
    assert entity.keys() == types.keys() | NAVIGATIONS[name] | {"__metadata"}
    for field, kind in types.items():
        check_value(f"{name}.{field}", entity[field], kind)
    for navigation in NAVIGATIONS[name]:
        check_below(entity[navigation])


def check_value(where: str, value: Any, kind: str) -> None:
    wanted = TYPES[kind]
    if isinstance(wanted, re.Pattern):
        assert (value is None and kind in NULLABLE) or wanted.fullmatch(value), f"{where} = {value!r}"
    else:
        assert isinstance(value, wanted), f"{where} = {value!r}"


def check_below(value: dict[str, Any]) -> None:
    if "__metadata" in value:
        check(value)
    elif "results" in value:
        assert value["results"], "expanded for this test, so there is one"
        for below in value["results"]:
            check(below)
    else:
        assert value["__deferred"].keys() == {"uri"}


@pytest.fixture
async def tenant() -> AsyncIterator[SimulatedSap]:
    async with open_simulated_sap() as tenant:
        yield tenant


async def test_the_references_deep_insert(tenant: SimulatedSap) -> None:
    status, body = await tenant.call("POST", f"{SALES}/A_SalesOrder", SAMPLE)
    order = body["d"]
    assert (status, body.keys()) == (201, {"d"})
    assert (order["SalesOrder"], order["OverallSDProcessStatus"]) == ("1", "A")
    # SAP's metadata says sap:creatable=false of ExternalDocumentID: what the sample gives there is not kept.
    echoed = SAMPLE.keys() - {"ExternalDocumentID", "to_Item", "to_Partner"}
    assert {name: order[name] for name in echoed} == {name: SAMPLE[name] for name in echoed}
    item = order["to_Item"]["results"][0]
    assert {**SAMPLE["to_Item"]["results"][0], "RequestedQuantity": "2.000"}.items() <= item.items()
    order["to_Text"] = {"__deferred": {"uri": "u"}}
    check(order)


async def test_a_sales_order_field_by_field(tenant: SimulatedSap) -> None:
    text, price = (
        {"Language": "EN", "LongTextID": "TX01", "LongText": "x"},
        {"ConditionRateValue": "1", "ConditionType": "PPR0"},
    )
    item = {**SAMPLE["to_Item"]["results"][0], "to_PricingElement": {"results": [price]}}
    await tenant.create(to_Text=[text], to_Item=[item])
    expand = "$expand=to_Item/to_PricingElement,to_Partner,to_Text"
    check(await tenant.get(f"{SALES}/A_SalesOrder('1')?{expand}"))
    check(await tenant.get(f"{SALES}/A_SalesOrderItem(SalesOrder='1',SalesOrderItem='10')?$expand=to_SalesOrder"))


async def test_a_billing_document_field_by_field(tenant: SimulatedSap) -> None:
    await tenant.create()
    for ms in (150, 200):
        tenant.let_pass(ms)
        document = await tenant.get(f"{BILLING}/A_BillingDocument('90000000')?$expand=to_Item")
        check(document)
    known = {"BillingDocumentType": "F2", "SDDocumentCategory": "M", "AccountingTransferStatus": "C"}
    linked = {"PurchaseOrderByCustomer": "IOM-000123", "SoldToParty": "10100001", "TotalNetAmount": "25.00"}
    assert (known | linked).items() <= document.items()
    path = f"{BILLING}/A_BillingDocumentItem?$filter=SalesDocument eq '1'&$expand=to_BillingDocument"
    for row in await tenant.rows(path):
        check(row)


async def test_lists_and_errors_have_the_references_shape(tenant: SimulatedSap) -> None:
    for number in range(4):
        await tenant.create(f"o-{number}")
    body = await tenant.get(f"{SALES}/A_SalesOrder?$inlinecount=allpages")
    assert (body.keys(), body["__count"]) == ({"__count", "results", "__next"}, "4")
    assert "$skiptoken=" in body["__next"]
    for row in body["results"]:
        check(row)
    status, refused = await tenant.call("POST", f"{SALES}/A_SalesOrder", {**SAMPLE, "SoldToParty": "1"})
    assert (status, refused["error"].keys()) == (400, {"code", "message", "innererror"})
    assert refused["error"]["code"] == "V1/302"
    assert refused["error"]["message"].keys() == {"lang", "value"}


async def test_the_token_comes_with_its_cookies(tenant: SimulatedSap) -> None:
    tenant.client.session.cookie_jar.clear()
    headers = {**BASIC, "x-csrf-token": "fetch", "Accept": "application/json"}
    response = await tenant.client.get(f"{SALES}/", headers=headers)
    names = [cookie.split("=")[0] for cookie in response.headers.getall("Set-Cookie")]
    assert any(name.startswith("SAP_SESSIONID_") for name in names)
    assert any(name.startswith("sap-XSRF_") for name in names)
    assert response.headers["x-csrf-token"]
    assert "d" in json.loads(await response.text())
