"""The simulated F+O over HTTP, field by field against the documented samples of OData."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tests.providers.fno.simulated_fno import BORN_THERE, HEADER, KEY, LINE, SimulatedFno, open_simulated_fno


@pytest.fixture
async def fno() -> AsyncIterator[SimulatedFno]:
    async with open_simulated_fno() as fno:
        yield fno


async def test_header_has_the_documented_fields_and_types(fno: SimulatedFno) -> None:
    status, header = await fno.call("POST", "/SalesOrderHeadersV4", HEADER)
    assert status == 201
    assert header.items() >= HEADER.items()
    assert header["@odata.context"].endswith("/fno/data/$metadata#SalesOrderHeadersV4/$entity")
    assert header["@odata.etag"].startswith('W/"')
    assert header["SalesOrderNumber"] == "000001"
    assert (header["SalesOrderStatus"], header["SalesOrderProcessingStatus"]) == ("Backorder", "Active")
    assert header["OrderCreationDateTime"] == "2019-03-05T21:40:11Z"
    assert header["RequestedShippingDate"] == "1900-01-01T12:00:00Z"
    assert header["OrderTotalAmount"] == 0
    assert header["FormattedDelveryAddress"] == "221B Olive Street\n94086 Mountain View\nCA\nUSA"
    assert (await fno.get(KEY)) == header


async def test_line_has_the_documented_fields_and_types(fno: SimulatedFno) -> None:
    await fno.call("POST", "/SalesOrderHeadersV4", HEADER)
    status, line = await fno.call("POST", "/SalesOrderLinesV3", LINE)
    assert status == 201
    assert line.items() >= LINE.items()
    assert (line["InventoryLotId"], line["LineNumber"], line["SalesOrderLineStatus"]) == ("000001", 1, "Backorder")
    assert (line["LineAmount"], line["SalesUnitSymbol"]) == (80, "ea")
    by_key = "/SalesOrderLinesV3(dataAreaId='usmf',InventoryLotId='000001')?cross-company=true"
    assert (await fno.get(by_key)) == line
    assert (await fno.get(KEY))["OrderTotalAmount"] == 80


async def test_amounts_are_exact_numbers(fno: SimulatedFno) -> None:
    await fno.call("POST", "/SalesOrderHeadersV4", HEADER)
    body = json.dumps({**LINE, "LineDiscountAmount": 0}).replace('"SalesPrice": 100', '"SalesPrice": 1234567890.1234')
    headers = {"Authorization": f"Bearer {fno.token}", "Content-Type": "application/json"}
    response = await fno.client.post("/fno/data/SalesOrderLinesV3", data=body, headers=headers)
    line = json.loads(await response.text(), parse_float=Decimal)
    assert (line["SalesPrice"], line["LineAmount"]) == (Decimal("1234567890.1234"), Decimal("1234567890.1234"))


async def test_a_line_takes_site_and_warehouse_from_the_header(fno: SimulatedFno) -> None:
    places = {"DefaultShippingSiteId": "2", "DefaultShippingWarehouseId": "24"}
    await fno.call("POST", "/SalesOrderHeadersV4", HEADER | places)
    _, line = await fno.call("POST", "/SalesOrderLinesV3", {**LINE, "ShippingSiteId": "", "ShippingWarehouseId": ""})
    assert (line["ShippingSiteId"], line["ShippingWarehouseId"]) == ("2", "24")


async def test_a_line_without_a_site_is_refused_in_the_documented_words(fno: SimulatedFno) -> None:
    await fno.call("POST", "/SalesOrderHeadersV4", HEADER)
    status, body = await fno.call("POST", "/SalesOrderLinesV3", {**LINE, "ShippingSiteId": ""})
    assert status == 400
    assert (body["error"]["code"], body["error"]["message"]) == ("", "An error has occurred.")
    assert body["error"]["innererror"]["message"] == (
        "Write failed for table row of type 'SalesOrderLineV3Entity'. Infolog: Warning: Inventory dimension Site is "
        "mandatory and must consequently be specified.; Error: Update has been canceled."
    )
    assert body["error"]["innererror"].keys() == {"message", "type", "stacktrace"}
    assert (await fno.get("/SalesOrderLinesV3"))["value"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"Colour": "red"},
        {"CurrencyCode": 7},
        {"IsSalesProcessingStopped": True},
        {"IsSalesProcessingStopped": "no"},
        {"RequestedShippingDate": "tomorrow"},
        {"OrderingCustomerAccountNumber": ""},
        {"DeliveryAddressStreet": "x" * 251},
        {"CustomersOrderReference": "x" * 61},
        {"URL": "\U0001f69a" * 128},
        {"Colour@odata.type": "#String"},
        {"Lines@odata.bind": ["SalesOrderLinesV3(1)"]},
    ],
)
async def test_headers_that_f_and_o_refuses(fno: SimulatedFno, change: dict[str, Any]) -> None:
    status, body = await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, **change})
    assert (status, body["error"]["message"]) == (400, "An error has occurred.")
    assert (await fno.get("/SalesOrderHeadersV4"))["value"] == []


async def test_what_is_too_long_is_refused_by_name_and_length(fno: SimulatedFno) -> None:
    status, body = await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, "DeliveryAddressCity": "x" * 81})
    said = "The length of the 'DeliveryAddressCity' attribute exceeded the maximum allowed length of '80'."
    assert (status, said in body["error"]["innererror"]["message"]) == (400, True)
    fits = {"DeliveryAddressCity": "x" * 80, "CustomersOrderReference": "x" * 60, "URL": "x" * 255}
    assert (await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, **fits}))[0] == 201


async def test_control_information_is_no_field(fno: SimulatedFno) -> None:
    """OData JSON: a service ignores annotations that it does not know."""
    notes = {
        "@odata.type": "#Microsoft.Dynamics.DataEntities.SalesOrderHeaderV4",
        "@odata.etag": 'W/"x"',
        "@odata.context": "x",
        "CurrencyCode@odata.type": "#String",
        "@waybill.note": {"any": [1]},
    }
    status, header = await fno.call("POST", "/SalesOrderHeadersV4", HEADER | notes)
    assert (status, header["CurrencyCode"]) == (201, "USD")
    assert (await fno.call("POST", "/SalesOrderLinesV3", LINE | {"@odata.type": "x", "SalesPrice@a.b": None}))[0] == 201
    assert (await fno.call("PATCH", KEY, {"@odata.etag": "x", "Email": "a@example.com"}))[0] == 204
    assert (await fno.get(KEY))["Email"] == "a@example.com"


@pytest.mark.parametrize("change", [{"SalesPrice": "100"}, {"SalesPrice": 1e12}, {"SalesOrderNumber": "9"}])
async def test_lines_that_f_and_o_refuses(fno: SimulatedFno, change: dict[str, Any]) -> None:
    await fno.call("POST", "/SalesOrderHeadersV4", HEADER)
    assert (await fno.call("POST", "/SalesOrderLinesV3", {**LINE, **change}))[0] == 400


async def test_unknown_currency_and_customer_are_not_looked_up(fno: SimulatedFno) -> None:
    unknown = {**HEADER, "CurrencyCode": "QQQ", "OrderingCustomerAccountNumber": "nobody"}
    assert (await fno.call("POST", "/SalesOrderHeadersV4", unknown))[0] == 201


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$filter=CustomersOrderReference eq 'BC-HASH-1'", ["000001"]),
        ("$filter=dataAreaId eq 'usmf' and CustomersOrderReference eq 'bc-hash-2'", ["000002"]),
        (
            "$filter=CustomersOrderReference eq 'bc-hash-1' or CustomersOrderReference eq 'o''neil'",
            ["000001", "000003"],
        ),
        ("$filter=CustomersOrderReference eq 'bc*2'", ["000002"]),
        ("$filter=CustomersOrderReference ne '*hash*'", ["000003"]),
        ("$filter=CustomersOrderReference eq 'hash*'", []),
        ("$filter=CustomersOrderReference eq '*hash'", []),
        ("$filter=CustomersOrderReference eq 'bc-*-1*1'", []),
        (
            "$filter=(SalesOrderNumber eq '000001' or SalesOrderNumber eq '000002') and Email eq ''",
            ["000001", "000002"],
        ),
        ("$filter=not (SalesOrderNumber gt '000001')", ["000001"]),
        ("$filter=SalesOrderNumber ge '000002' and SalesOrderNumber lt '000003'", ["000002"]),
        ("$filter=OrderTotalAmount gt 79.5", ["000001"]),
        ("$filter=OrderTotalAmount le 0", ["000002", "000003"]),
        ("$filter=OrderCreationDateTime ge 2019-03-05T21:40:11Z", ["000001", "000002", "000003"]),
        ("$filter=RequestedShippingDate gt 2000-01-01", []),
        ("$filter=SalesOrderStatus eq Microsoft.Dynamics.DataEntities.SalesStatus'Invoiced'", []),
        ("$filter=IsSalesProcessingStopped ne Microsoft.Dynamics.DataEntities.NoYes'Yes'", ["000003"]),
        ("$orderby=SalesOrderNumber desc&$top=2", ["000003", "000002"]),
        ("$orderby=IsSalesProcessingStopped,SalesOrderNumber desc&$skip=1", ["000002", "000001"]),
    ],
)
async def test_filters_and_order(fno: SimulatedFno, query: str, expected: list[str]) -> None:
    await fno.make_order(release=False)
    await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, "CustomersOrderReference": "bc-hash-2"})
    other = {**HEADER, "CustomersOrderReference": "o'neil", "IsSalesProcessingStopped": "No"}
    await fno.call("POST", "/SalesOrderHeadersV4", other)
    assert await fno.numbers(query) == expected


@pytest.mark.parametrize(
    ("held", "sought"),
    [
        *(("Case-A", "cASE-a"), ("a", "a  "), ("a  ", "a"), ("\uff43afe", "CAFE"), ("caf\u00e9", "CAFE\u0301")),
        *(("stra\u00dfe", "STRASSE"), ("\u304b", "\u30ab"), ("\uff76", "\u30ab"), ("a\u200bb", "ab")),
    ],
)
async def test_texts_compare_as_its_database_compares_them(fno: SimulatedFno, held: str, sought: str) -> None:
    await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, "CustomersOrderReference": held})
    assert await fno.numbers(f"$filter=CustomersOrderReference eq '{sought}'") == ["000001"]
    assert await fno.numbers(f"$filter=CustomersOrderReference ge '{sought}'") == ["000001"]
    assert await fno.numbers("$filter=CustomersOrderReference eq 'cafe' or CustomersOrderReference eq 'b'") == (
        ["000001"] if sought == "CAFE" else []
    )


async def test_numbers_compare_without_regard_to_case(fno: SimulatedFno) -> None:
    await fno.control("", [BORN_THERE])
    assert await fno.numbers("$filter=SalesOrderNumber eq 'so-7'") == ["SO-7"]
    query = "cross-company=true&$filter=SalesOrderNumber eq 'SO-7' and dataAreaId eq 'usmf'"
    assert len((await fno.get(f"/SalesOrderLinesV3?{query}"))["value"]) == 2
    same = {**BORN_THERE, "SalesOrderNumber": "so-7"}
    assert (await fno.control("", [same]))[0] == 409
    assert (await fno.control("", [{**same, "SalesOrderNumber": "so-8"}, {**same, "SalesOrderNumber": "SO-8"}]))[
        0
    ] == 409


@pytest.mark.parametrize(
    "query",
    [
        "$filter=Colour eq 'red'",
        "$filter=SalesOrderNumber has 'x'",
        "$filter=SalesOrderNumber in ('x')",
        "$filter=contains(SalesOrderNumber,'x')",
        "$filter=SalesOrderNumber eq 7",
        "$filter=OrderTotalAmount eq '7'",
        "$filter=SalesOrderStatus eq 'Invoiced'",
        "$filter=SalesOrderStatus gt Microsoft.Dynamics.DataEntities.SalesStatus'Invoiced'",
        "$filter=SalesOrderStatus eq Microsoft.Dynamics.DataEntities.NoYes'Yes'",
        "$filter=SalesOrderNumber eq 'x' and",
        "$filter=(SalesOrderNumber eq 'x'",
        "$filter=SalesOrderNumber eq 'x' )",
        "$filter=OrderCreationDateTime gt 2019-99-99",
        "$filter=" + "not " * 60 + "SalesOrderNumber eq 'x'",
        "$select=Colour",
        "$orderby=Colour",
        "$orderby=SalesOrderNumber up",
        "$top=-1",
        "$skip=x",
        "$expand=Lines",
    ],
)
async def test_queries_that_f_and_o_refuses(fno: SimulatedFno, query: str) -> None:
    status, body = await fno.call("GET", f"/SalesOrderHeadersV4?{query}")
    assert (status, "error" in body) == (400, True)


async def test_pages_follow_the_next_link(fno: SimulatedFno) -> None:
    for n in range(7):
        await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, "CustomersOrderReference": f"bc-hash-{n}"})
    path = "/SalesOrderHeadersV4?cross-company=true&$count=true&$top=6&$select=SalesOrderNumber&$filter=Email eq ''"
    seen, pages = [], 0
    while path:
        body = await fno.get(path)
        assert body["@odata.count"] == 7
        seen += body["value"]
        path, pages = body.get("@odata.nextLink", "").partition("/fno/data")[2], pages + 1
    assert ([entity["SalesOrderNumber"] for entity in seen], pages) == ([f"00000{n}" for n in range(1, 7)], 2)
    assert all(entity.keys() == {"@odata.etag", "SalesOrderNumber"} for entity in seen)


async def test_other_companies_need_cross_company(fno: SimulatedFno) -> None:
    await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, "dataAreaId": "DEMF"})
    key = "/SalesOrderHeadersV4(dataAreaId='demf',SalesOrderNumber='000001')"
    assert (await fno.get("/SalesOrderHeadersV4"))["value"] == []
    assert await fno.numbers("$filter=dataAreaId eq 'demf'") == ["000001"]
    assert (await fno.call("GET", key))[0] == 404
    assert (await fno.call("PATCH", key, {"Email": "a@example.com"}))[0] == 404
    assert (await fno.call("PATCH", f"{key}?cross-company=true", {"Email": "a@example.com"}))[0] == 204


async def test_a_stale_etag_changes_nothing(fno: SimulatedFno) -> None:
    await fno.make_order(release=False)
    first = (await fno.get(KEY))["@odata.etag"]
    assert (await fno.call("PATCH", KEY, {"Email": "a@example.com"}, **{"If-Match": first}))[0] == 204
    second = (await fno.get(KEY))["@odata.etag"]
    assert second != first
    assert (await fno.call("PATCH", KEY, {"Email": "b@example.com"}, **{"If-Match": first}))[0] == 412
    assert (await fno.call("DELETE", KEY, **{"If-Match": first}))[0] == 412
    assert (await fno.get(KEY))["Email"] == "a@example.com"
    assert (await fno.call("PATCH", KEY, {"Email": "b@example.com"}, **{"If-Match": second}))[0] == 204


async def test_patch_answers_with_the_new_etag(fno: SimulatedFno) -> None:
    await fno.make_order(release=False)
    headers = {"Authorization": f"Bearer {fno.token}"}
    response = await fno.client.patch(f"/fno/data{KEY}", json={"Email": "a@example.com"}, headers=headers)
    assert response.headers["ETag"] == (await fno.get(KEY))["@odata.etag"]


@pytest.mark.parametrize(
    "change",
    [{"dataAreaId": "demf"}, {"SalesOrderNumber": "9"}, {"OrderTotalAmount": 1}, {"SalesOrderStatus": "Invoiced"}],
)
async def test_fields_that_cannot_be_changed(fno: SimulatedFno, change: dict[str, Any]) -> None:
    await fno.make_order(release=False)
    before = await fno.get(KEY)
    assert (await fno.call("PATCH", KEY, change))[0] == 400
    assert await fno.get(KEY) == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/SalesOrderHeadersV4(dataAreaId='usmf',SalesOrderNumber='9')", 404),
        ("GET", "/SalesOrderHeadersV4(dataAreaId='usmf')", 400),
        ("GET", "/SalesOrderHeadersV4('000001')", 400),
        ("GET", "/CustomersV3", 404),
        ("GET", "/SalesOrderHeadersV4/$value", 404),
        ("POST", "/SalesOrderHeadersV4(dataAreaId='usmf',SalesOrderNumber='000001')", 405),
        ("PATCH", "/SalesOrderHeadersV4", 405),
        ("PUT", "/SalesOrderHeadersV4", 405),
        ("POST", "/SalesOrderHeadersV4", 400),
    ],
)
async def test_addresses_that_lead_nowhere(fno: SimulatedFno, method: str, path: str, status: int) -> None:
    answered, body = await fno.call(method, path)
    assert (answered, "message" in body["error"]) == (status, True)


async def test_lines_can_be_changed_and_deleted(fno: SimulatedFno) -> None:
    await fno.make_order(lines=2, release=False)
    second = "/SalesOrderLinesV3(dataAreaId='usmf',InventoryLotId='000002')?cross-company=true"
    assert (await fno.call("PATCH", second, {"OrderedSalesQuantity": 3}))[0] == 204
    assert (await fno.get(second))["LineAmount"] == 240
    assert (await fno.get(KEY))["OrderTotalAmount"] == 320
    assert (await fno.call("DELETE", second))[0] == 204
    assert (await fno.call("GET", second))[0] == 404
    assert (await fno.get(KEY))["OrderTotalAmount"] == 80


@pytest.mark.parametrize("version", ["V2", "V3", "V4"])
async def test_older_versions_of_the_entity_are_the_same_orders(fno: SimulatedFno, version: str) -> None:
    await fno.make_order()
    body = await fno.get(f"/SalesOrderHeaders{version}")
    assert body["@odata.context"].endswith(f"$metadata#SalesOrderHeaders{version}")
    assert [entity["SalesOrderNumber"] for entity in body["value"]] == ["000001"]
