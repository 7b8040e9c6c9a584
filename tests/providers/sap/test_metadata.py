"""What the simulated SAP says of itself in $metadata, read by an independent OData client that works by it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pyodata
import pytest
import requests
from pyodata.exceptions import HttpError

from tests.providers.sap.simulated_sap import (
    BASIC,
    BILLING,
    ITEM,
    ORDER,
    PRICE,
    SALES,
    SimulatedSap,
    open_simulated_sap,
)
from tests.providers.sap.test_samples import NAVIGATIONS, VENDOR

T = TypeVar("T")
EDM = {
    "String": "Edm.String",
    "Boolean": "Edm.Boolean",
    "DateTime": "Edm.DateTime",
    "DateTimeOffset": "Edm.DateTimeOffset",
    "Time": "Edm.Time",
    "Amount": "Edm.Decimal",
    "Quantity": "Edm.Decimal",
    "Rate": "Edm.Decimal",
    "Whole": "Edm.Decimal",
}
KEYS = {
    "A_SalesOrder": ["SalesOrder"],
    "A_SalesOrderItem": ["SalesOrder", "SalesOrderItem"],
    "A_SalesOrderHeaderPartner": ["SalesOrder", "PartnerFunction"],
    "A_SalesOrderText": ["SalesOrder", "Language", "LongTextID"],
    "A_SalesOrderItemPrElement": [
        "SalesOrder",
        "SalesOrderItem",
        "PricingProcedureStep",
        "PricingProcedureCounter",
    ],
    "A_BillingDocument": ["BillingDocument"],
    "A_BillingDocumentItem": ["BillingDocument", "BillingDocumentItem"],
}
LENGTHS = {
    "A_SalesOrder": """SalesOrder:10 SalesOrderType:4 SalesOrganization:4 DistributionChannel:2 OrganizationDivision:2
        SoldToParty:10 PurchaseOrderByCustomer:35 PurchaseOrderByShipToParty:35 TransactionCurrency:5
        ExternalDocumentID:40 SenderBusinessSystemName:60""",
    "A_SalesOrderItem": """SalesOrder:10 SalesOrderItem:6 Material:40 MaterialByCustomer:35 SalesOrderItemText:40
        PurchaseOrderByShipToParty:35 UnderlyingPurchaseOrderItem:6 RequestedQuantityUnit:3""",
    "A_SalesOrderItemPrElement": "PricingProcedureStep:3 PricingProcedureCounter:3 ConditionType:4",
    "A_SalesOrderText": "SalesOrder:10 LongTextID:4",
    "A_BillingDocument": """BillingDocument:10 SDDocumentCategory:4 BillingDocumentType:4 CancelledBillingDocument:10
        AccountingTransferStatus:1 AccountingDocument:10 PurchaseOrderByCustomer:35 FiscalYear:4""",
    "A_BillingDocumentItem": """BillingDocument:10 BillingDocumentItem:6 SalesDocument:10 SalesDocumentItem:6
        Material:40 BillingQuantityUnit:3 ReferenceSDDocumentCategory:4""",
}
"""Of SAP's metadata of both services."""
RESULT = """BillingDocument:10 CancellationBillingDocument:10 SystemMessageType:1 SystemMessageIdentification:20
    SystemMessageNumber:3 SystemMessageText:256 SystemMessageVariable1:50 SystemMessageVariable2:50
    SystemMessageVariable3:50 SystemMessageVariable4:50"""
DECIMALS = {
    ("A_SalesOrder", "TotalNetAmount"): (16, 3),
    ("A_SalesOrderItem", "RequestedQuantity"): (15, 3),
    ("A_SalesOrderItemPrElement", "ConditionRateValue"): (24, 9),
    ("A_SalesOrderItemPrElement", "ConditionQuantity"): (5, 0),
    ("A_BillingDocument", "TaxAmount"): (14, 3),
    ("A_BillingDocument", "TotalGrossAmount"): (17, 3),
    ("A_BillingDocumentItem", "BillingQuantity"): (13, 3),
}


class Client:
    """pyodata over `requests`, in a thread of its own: the simulator answers meanwhile."""

    def __init__(self, tenant: SimulatedSap) -> None:
        self._tenant, self.session = tenant, requests.Session()
        self.session.auth = ("user", "pa:ss")

    async def opened(self, path: str) -> Any:
        return await self.do(lambda: pyodata.Client(str(self._tenant.client.make_url(path)), self.session))

    async def do(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    async def sign_in(self, path: str) -> None:
        url = str(self._tenant.client.make_url(f"{path}/"))
        token = await self.do(lambda: self.session.head(url, headers={"x-csrf-token": "Fetch"}))
        self.session.headers["x-csrf-token"] = token.headers["x-csrf-token"]


@pytest.fixture
async def tenant() -> AsyncIterator[SimulatedSap]:
    async with open_simulated_sap() as tenant:
        yield tenant


@pytest.fixture
async def client(tenant: SimulatedSap) -> AsyncIterator[Client]:
    client = Client(tenant)
    yield client
    client.session.close()


def lengths(text: str) -> list[tuple[str, int]]:
    """The fields of a table above, with the most characters that each has."""
    parts = (part.partition(":") for part in text.split())
    return [(name, int(length)) for name, _, length in parts]


def collections_of(path: str) -> list[str]:
    return [name for name in VENDOR if name.startswith("A_Billing") is (path == BILLING)]


@pytest.mark.parametrize("path", [SALES, BILLING])
async def test_entities_are_those_of_the_answers(client: Client, path: str) -> None:
    schema = (await client.opened(path)).schema
    assert sorted(entity_set.name for entity_set in schema.entity_sets) == sorted(collections_of(path))
    for name in collections_of(path):
        kind = schema.entity_set(name).entity_type
        assert kind.name == f"{name}Type"
        types = {field: EDM[type_] for type_, fields in VENDOR[name].items() for field in fields.split()}
        assert {field.name: field.typ.name for field in kind.proprties()} == types
        assert [key.name for key in kind.key_proprties] == KEYS[name]
        assert {navigation.name for navigation in kind.nav_proprties} == NAVIGATIONS[name]


@pytest.mark.parametrize("path", [SALES, BILLING])
async def test_limits_are_those_of_saps_metadata(client: Client, path: str) -> None:
    schema = (await client.opened(path)).schema
    for name in collections_of(path):
        kind = schema.entity_set(name).entity_type
        for field, length in lengths(LENGTHS.get(name, "")):
            assert kind.proprty(field).max_length == length, f"{name}.{field}"
    for (name, field), limits in DECIMALS.items():
        if name in collections_of(path):
            decimal = schema.entity_set(name).entity_type.proprty(field)
            assert (decimal.precision, decimal.scale) == limits, f"{name}.{field}"
    assert (
        schema.entity_set(collections_of(path)[0]).entity_type.proprty(KEYS[collections_of(path)[0]][0]).nullable
        is False
    )


async def test_only_what_may_be_written_is_said_to_be_so(client: Client) -> None:
    order = (await client.opened(SALES)).schema.entity_set("A_SalesOrder").entity_type
    writable = ("SoldToParty", "PurchaseOrderByCustomer", "PurchaseOrderByShipToParty", "RequestedDeliveryDate")
    assert all(order.proprty(name).creatable and order.proprty(name).updatable for name in writable)
    assert (order.proprty("SalesOrderType").creatable, order.proprty("SalesOrderType").updatable) == (True, False)
    for name in ("SalesOrder", "ExternalDocumentID", "SenderBusinessSystemName", "LastChangeDateTime"):
        assert not order.proprty(name).creatable, name


async def test_navigations_lead_to_the_type_that_is_expanded(client: Client) -> None:
    schema = (await client.opened(SALES)).schema
    item = schema.entity_set("A_SalesOrderItem").entity_type
    assert item.nav_proprty("to_PricingElement").typ.name == "A_SalesOrderItemPrElementType"
    assert item.nav_proprty("to_SalesOrder").typ.name == "A_SalesOrderType"
    assert item.nav_proprty("to_PricingElement").to_role.multiplicity == "*"
    assert item.nav_proprty("to_SalesOrder").to_role.multiplicity == "1"


async def test_the_function_import(client: Client) -> None:
    schema = (await client.opened(BILLING)).schema
    [cancel] = schema.function_imports
    assert (cancel.name, cancel.http_method) == ("Cancel", "POST")
    assert [(each.name, each.typ.name, each.max_length) for each in cancel.parameters] == [
        ("BillingDocument", "Edm.String", 10)
    ]
    assert {field.name: field.max_length for field in cancel.return_type.item_type.proprties()} == dict(lengths(RESULT))
    assert not list((await client.opened(SALES)).schema.function_imports)


async def test_an_older_release_says_that_it_lacks_a_field() -> None:
    async with open_simulated_sap(item_reference=False) as tenant:
        client = Client(tenant)
        item = (await client.opened(SALES)).schema.entity_set("A_SalesOrderItem").entity_type
        assert not item.has_proprty("UnderlyingPurchaseOrderItem")
        assert item.has_proprty("PurchaseOrderByShipToParty")
        client.session.close()


async def test_the_document_is_xml_and_needs_a_user(tenant: SimulatedSap) -> None:
    response = await tenant.client.get(f"{SALES}/$metadata", headers=BASIC)
    assert (response.status, response.content_type) == (200, "application/xml")
    assert response.headers["dataserviceversion"] == "2.0"
    assert (await tenant.client.get(f"{SALES}/$metadata")).status == 401
    assert (await tenant.client.get("/sap/sap/opu/odata/sap/API_NOTHING_SRV/$metadata", headers=BASIC)).status == 404
    assert tenant.world.journal.calls["sap", "GET $metadata"] >= 1


async def test_a_client_that_starts_from_metadata_reads_orders(tenant: SimulatedSap, client: Client) -> None:
    for number in range(4):
        await tenant.create(f"o-{number}")
    sales = await client.opened(SALES)
    orders = sales.entity_sets.A_SalesOrder
    order = await client.do(lambda: orders.get_entity("1").expand("to_Item").execute())
    assert (order.PurchaseOrderByCustomer, order.to_Item[0].Material) == ("o-0", "TG11")
    assert order.LastChangeDateTime.year == 2019
    query = orders.get_entities().filter("PurchaseOrderByCustomer eq 'o-2'").select("SalesOrder")
    assert [row.SalesOrder for row in await client.do(query.execute)] == ["3"]
    assert await client.do(lambda: orders.get_entities().count().execute()) == 4
    below = await client.do(lambda: orders.get_entity("1").nav("to_Item").get_entities().execute())
    assert [item.RequestedQuantity for item in below] == ["2.000"]
    with pytest.raises(HttpError):
        await client.do(lambda: orders.get_entity("9").execute())


async def test_a_client_that_starts_from_metadata_orders_and_cancels(tenant: SimulatedSap, client: Client) -> None:
    await client.sign_in(SALES)
    sales = await client.opened(SALES)
    fields = {name: value for name, value in ORDER.items() if isinstance(value, str) and not value.startswith("/Date")}
    request = sales.entity_sets.A_SalesOrder.create_entity().set(
        **fields, to_Item=[{**ITEM, "to_PricingElement": [PRICE]}]
    )
    order = await client.do(request.execute)
    assert (order.SalesOrder, order.TotalNetAmount) == ("1", "25.00")
    tenant.let_pass(500)
    billing = await client.opened(BILLING)
    [document] = await client.do(billing.entity_sets.A_BillingDocument.get_entities().execute)
    # pyodata calls functions that answer with records of their own, and cannot read those of a list.
    url = f"{billing.url.rstrip('/')}/Cancel?BillingDocument='{document.BillingDocument}'"
    response = await client.do(lambda: client.session.post(url))
    [result] = response.json()["d"]["results"]
    numbers = (result["BillingDocument"], result["CancellationBillingDocument"])
    documents = await client.do(billing.entity_sets.A_BillingDocument.get_entities().execute)
    assert numbers == tuple(row.BillingDocument for row in documents)
    assert documents[1].CancelledBillingDocument == document.BillingDocument
