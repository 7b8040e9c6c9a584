"""What the simulated F+O says of itself: its service document, $metadata (CSDL 4.0), and how many records match."""

from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.providers.fno.simulated_fno import HEADER, LINE, SimulatedFno, open_simulated_fno
from tests.providers.fno.test_samples import PROCESSING, SALES_STATUS, VENDOR

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
EDMX = "{http://docs.oasis-open.org/odata/ns/edmx}"
NAMESPACE = "Microsoft.Dynamics.DataEntities"
SETS = {
    "SalesOrderHeadersV2": "SalesOrderHeaderV2",
    "SalesOrderHeadersV3": "SalesOrderHeaderV3",
    "SalesOrderHeadersV4": "SalesOrderHeaderV4",
    "SalesOrderLinesV2": "SalesOrderLineV2",
    "SalesOrderLinesV3": "SalesOrderLineV3",
    "WaybillSalesOrderStatuses": "WaybillSalesOrderStatus",
}
OWN = {
    "dataAreaId": "Edm.String",
    "SalesOrderNumber": "Edm.String",
    "ProcessingStatus": f"{NAMESPACE}.SalesOrderProcessingStatus",
}
"""The entity that the simulated tenant has by extension."""
TYPES = {
    "Key": "Edm.String",
    "Text": "Edm.String",
    "Date": "Edm.DateTimeOffset",
    "NoYes": f"{NAMESPACE}.NoYes",
    "SalesStatus": f"{NAMESPACE}.SalesStatus",
    "ProcessingStatus": f"{NAMESPACE}.SalesOrderProcessingStatus",
    "Number": "Edm.Decimal",
}
KEYS = {"header": ["dataAreaId", "SalesOrderNumber"], "line": ["dataAreaId", "InventoryLotId"]}


@pytest.fixture
async def fno() -> AsyncIterator[SimulatedFno]:
    async with open_simulated_fno() as fno:
        yield fno


async def text_of(fno: SimulatedFno, path: str, content_type: str) -> str:
    response = await fno.client.get(f"/fno/data{path}", headers={"Authorization": f"Bearer {fno.token}"})
    assert (response.status, response.content_type) == (200, content_type)
    assert response.headers["OData-Version"] == "4.0"
    return await response.text()


async def schema_of(fno: SimulatedFno) -> Any:
    document = ElementTree.fromstring(await text_of(fno, "/$metadata", "application/xml"))
    assert (document.tag, document.get("Version")) == (f"{EDMX}Edmx", "4.0")
    [schema] = document.iter(f"{EDM}Schema")
    assert schema.get("Namespace") == NAMESPACE
    return schema


async def test_every_collection_has_a_type_with_the_documented_fields(fno: SimulatedFno) -> None:
    schema = await schema_of(fno)
    kinds = {kind.get("Name"): kind for kind in schema.findall(f"{EDM}EntityType")}
    sets = schema.findall(f"{EDM}EntityContainer/{EDM}EntitySet")
    assert {each.get("Name"): each.get("EntityType") for each in sets} == {
        name: f"{NAMESPACE}.{kind}" for name, kind in SETS.items()
    }
    for name, kind in kinds.items():
        thing = "line" if "Line" in name else "header"
        types = {field: TYPES[type_] for type_, fields in VENDOR[thing].items() for field in fields.split()}
        types = OWN if name == "WaybillSalesOrderStatus" else types
        properties = kind.findall(f"{EDM}Property")
        assert {field.get("Name"): field.get("Type") for field in properties} == types
        assert [key.get("Name") for key in kind.findall(f"{EDM}Key/{EDM}PropertyRef")] == KEYS[thing]
        required = {field.get("Name") for field in properties if field.get("Nullable") == "false"}
        assert set(KEYS[thing]) == required
        for field in properties:
            assert field.get("Scale") == ("variable" if field.get("Type") == "Edm.Decimal" else None)
    assert kinds.keys() == set(SETS.values())
    [header] = [kind for name, kind in kinds.items() if name == "SalesOrderHeaderV4"]
    lengths = {field.get("Name"): field.get("MaxLength") for field in header.findall(f"{EDM}Property")}
    assert (lengths["CustomersOrderReference"], lengths["OrderTotalAmount"]) == ("60", None)


async def test_enums_have_the_documented_symbols(fno: SimulatedFno) -> None:
    schema = await schema_of(fno)
    enums = {
        enum.get("Name"): [member.get("Name") for member in enum.findall(f"{EDM}Member")]
        for enum in schema.findall(f"{EDM}EnumType")
    }
    assert enums == {
        "NoYes": ["No", "Yes"],
        "SalesStatus": SALES_STATUS,
        "SalesOrderProcessingStatus": PROCESSING,
    }


async def test_the_service_document_lists_the_collections(fno: SimulatedFno) -> None:
    status, body = await fno.call("GET", "")
    assert status == 200
    assert body["@odata.context"].endswith("/fno/data/$metadata")
    assert body["value"] == [{"name": name, "kind": "EntitySet", "url": name} for name in SETS]


async def test_all_of_it_needs_a_token(fno: SimulatedFno) -> None:
    for path in ("", "/$metadata", "/SalesOrderHeadersV4/$count"):
        assert (await fno.client.get(f"/fno/data{path}")).status == 401, path


async def test_what_matches_is_counted_as_text(fno: SimulatedFno) -> None:
    for number in range(3):
        body = {**HEADER, "CustomersOrderReference": f"r-{number}", "dataAreaId": "usmf" if number else "dat"}
        assert (await fno.call("POST", "/SalesOrderHeadersV4", body))[0] == 201
    assert (await fno.call("POST", "/SalesOrderLinesV3", {**LINE, "SalesOrderNumber": "000002"}))[0] == 201
    for path, count in {
        "/SalesOrderHeadersV4/$count": "2",
        "/SalesOrderHeadersV2/$count?cross-company=true": "3",
        "/SalesOrderHeadersV4/$count?cross-company=true&$filter=CustomersOrderReference eq 'r-0'": "1",
        "/SalesOrderHeadersV4/$count?$top=1&$skip=1": "2",
        "/SalesOrderLinesV3/$count": "1",
    }.items():
        assert await text_of(fno, path, "text/plain") == count, path


@pytest.mark.parametrize(("path", "status"), [("/Nothing/$count", 404), ("/SalesOrderLinesV3/$count?$filter=x", 400)])
async def test_counts_that_cannot_be_had(fno: SimulatedFno, path: str, status: int) -> None:
    assert (await fno.call("GET", path))[0] == status


async def test_calls_are_counted_by_what_they_ask_for(fno: SimulatedFno) -> None:
    for path in ("", "/$metadata", "/SalesOrderHeadersV4/$count"):
        await fno.client.get(f"/fno/data{path}", headers={"Authorization": f"Bearer {fno.token}"})
    labels = {label for provider, label in fno.world.journal.calls if provider == "fno"}
    assert {"GET data", "GET $metadata", "GET SalesOrderHeadersV4/$count"} <= labels
