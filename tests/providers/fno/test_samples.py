"""Field by field: the simulator beside captures and documents of F+O's OData."""

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.providers.fno.simulated_fno import HEADER, KEY, LINE, SimulatedFno, open_simulated_fno

SALES_STATUS = ["None", "Backorder", "Delivered", "Invoiced", "Canceled"]
PROCESSING = [
    "Active",
    "Confirmed",
    "Picked",
    "PartiallyDelivered",
    "Delivered",
    "Invoiced",
    "PartiallyInvoiced",
    "Canceled",
]
TYPES: dict[str, type | re.Pattern[str]] = {
    "Text": str,
    "Key": re.compile(r".+"),
    "Date": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "NoYes": re.compile(r"No|Yes"),
    "SalesStatus": re.compile("|".join(SALES_STATUS)),
    "ProcessingStatus": re.compile("|".join(PROCESSING)),
    "ETag": re.compile(r'W/"[A-Za-z0-9+/=]+"'),
    "Context": re.compile(r"https?://.+/data/\$metadata#SalesOrder(HeadersV4|LinesV3)/\$entity"),
}
"""Enums are their symbol as text, dates ISO 8601 in UTC; amounts (`Number`) are JSON numbers, exact."""
ADDRESS = "Name Description Street City StateId ZipCode CountryRegionId CountryRegionISOCode"
VENDOR = {
    "header": {
        "Key": "dataAreaId SalesOrderNumber",
        "Text": f"""CustomersOrderReference URL SalesOrderOriginCode OrderingCustomerAccountNumber
            InvoiceCustomerAccountNumber CurrencyCode DeliveryModeCode DeliveryTermsCode PaymentTermsName
            DefaultShippingSiteId DefaultShippingWarehouseId Email CustomerRequisitionNumber SalesOrderName LanguageId
            FormattedDelveryAddress {" ".join(f"DeliveryAddress{part}" for part in ADDRESS.split())}""",
        "Date": "RequestedShippingDate RequestedReceiptDate OrderCreationDateTime",
        "NoYes": "IsDeliveryAddressOrderSpecific IsSalesProcessingStopped",
        "SalesStatus": "SalesOrderStatus",
        "ProcessingStatus": "SalesOrderProcessingStatus",
        "Number": "OrderTotalAmount OrderTotalTaxAmount OrderTotalChargesAmount TotalDiscountAmount",
    },
    "line": {
        "Key": "dataAreaId SalesOrderNumber InventoryLotId",
        "Text": """ItemNumber ExternalItemNumber LineDescription SalesUnitSymbol ShippingSiteId ShippingWarehouseId
            SalesTaxGroupCode SalesTaxItemGroupCode ProductSizeId ProductColorId ProductStyleId
            ProductConfigurationId""",
        "Date": "RequestedShippingDate ConfirmedShippingDate",
        "SalesStatus": "SalesOrderLineStatus",
        "Number": """LineNumber OrderedSalesQuantity SalesPrice SalesPriceQuantity LineAmount LineDiscountAmount
            LineDiscountPercentage""",
    },
}
"""`FormattedDelveryAddress` is written like this there."""
SENT_HEADER = {
    "dataAreaId": "usmf",
    "CustomersOrderReference": "OMS-12345",
    "OrderingCustomerAccountNumber": "HW-02",
    "InvoiceCustomerAccountNumber": "HW-02",
    "CurrencyCode": "USD",
    "IsDeliveryAddressOrderSpecific": "Yes",
    "DeliveryAddressName": "Steve Rogers",
    "DeliveryAddressDescription": "OMS Ship To",
    "DeliveryAddressStreet": "221B Olive Street",
    "DeliveryAddressCity": "Mountain View",
    "DeliveryAddressStateId": "CA",
    "DeliveryAddressZipCode": "94086",
    "DeliveryAddressCountryRegionId": "USA",
}
"""As an integrator's documents have it; so has LINE."""


def check(thing: str, found: dict[str, Any], *, alone: bool) -> None:
    """Every field there is has a name and a type of the vendor's; none is missing. `alone`: not in a list."""
    kinds = {name: kind for kind, names in VENDOR[thing].items() for name in names.split()}
    kinds["@odata.etag"] = "ETag"
    if alone:
        kinds["@odata.context"] = "Context"
    assert found.keys() == kinds.keys(), thing
    for name, kind in kinds.items():
        check_value(f"{thing}.{name}", found[name], kind)


def check_value(where: str, value: Any, kind: str) -> None:
    if kind == "Number":
        assert isinstance(value, int | Decimal), f"{where} = {value!r}"
        assert not isinstance(value, bool), f"{where} = {value!r}"
        return
    wanted = TYPES[kind]
    assert isinstance(value, str), f"{where} = {value!r}"
    if isinstance(wanted, re.Pattern):
        assert wanted.fullmatch(value), f"{where} = {value!r}"


async def exact(fno: SimulatedFno, path: str) -> Any:
    """Numbers as they were written, not as floats."""
    response = await fno.client.get(f"/fno/data{path}", headers={"Authorization": f"Bearer {fno.token}"})
    assert response.content_type == "application/json"
    return msgspec.json.Decoder(float_hook=Decimal).decode(await response.read())


@pytest.fixture
async def fno() -> AsyncIterator[SimulatedFno]:
    async with open_simulated_fno() as fno:
        yield fno


async def test_a_header_as_an_integrator_sends_it(fno: SimulatedFno) -> None:
    status, made = await fno.call("POST", "/SalesOrderHeadersV4", SENT_HEADER)
    assert (status, made["SalesOrderStatus"]) == (201, "Backorder")
    assert SENT_HEADER.items() <= made.items()
    check("header", await exact(fno, KEY), alone=True)


async def test_a_line_as_an_integrator_sends_it(fno: SimulatedFno) -> None:
    await fno.call("POST", "/SalesOrderHeadersV4", SENT_HEADER)
    status, made = await fno.call("POST", "/SalesOrderLinesV3", LINE)
    assert status == 201
    assert LINE.items() <= made.items()
    found = await exact(fno, "/SalesOrderLinesV3(dataAreaId='usmf',InventoryLotId='000001')?cross-company=true")
    check("line", found, alone=True)


async def test_every_stage_of_a_life_has_the_documented_symbols(fno: SimulatedFno) -> None:
    await fno.make_order()
    seen = set()
    for _ in range(600):
        header = await exact(fno, KEY)
        check("header", header, alone=True)
        seen.add((header["SalesOrderStatus"], header["SalesOrderProcessingStatus"]))
        if header["SalesOrderProcessingStatus"] == "Invoiced":
            break
        fno.let_pass(10)
    assert {processing for _, processing in seen} >= {"Confirmed", "Picked", "Delivered", "Invoiced"}
    assert seen <= {
        ("Backorder", "Active"),
        ("Backorder", "Confirmed"),
        ("Backorder", "Picked"),
        ("Delivered", "Delivered"),
        ("Invoiced", "Invoiced"),
    }


async def test_lists_have_pages_that_lead_on(fno: SimulatedFno) -> None:
    for _ in range(4):
        await fno.call("POST", "/SalesOrderHeadersV4", HEADER)
    body = await exact(fno, "/SalesOrderHeadersV4?cross-company=true&$count=true")
    assert body.keys() == {"@odata.context", "@odata.count", "@odata.nextLink", "value"}
    assert body["@odata.context"].endswith("/data/$metadata#SalesOrderHeadersV4")
    assert (body["@odata.count"], len(body["value"])) == (4, 3)
    for header in body["value"]:
        check("header", header, alone=False)
    assert "/data/SalesOrderHeadersV4?" in body["@odata.nextLink"]


async def test_errors_have_the_envelope(fno: SimulatedFno) -> None:
    status, body = await fno.call("POST", "/SalesOrderLinesV3", {**LINE, "SalesOrderNumber": "nowhere"})
    assert (status, body.keys(), body["error"].keys()) == (400, {"error"}, {"code", "message", "innererror"})
    assert body["error"]["innererror"].keys() == {"message", "type", "stacktrace"}
    assert all(isinstance(text, str) for text in body["error"]["innererror"].values())


async def test_a_change_is_204_and_needs_the_etag_of_the_last_read(fno: SimulatedFno) -> None:
    _, made = await fno.call("POST", "/SalesOrderHeadersV4", HEADER)
    first = made["@odata.etag"]
    assert await fno.call("PATCH", KEY, {"Email": "a@example.com"}, **{"If-Match": first}) == (204, None)
    assert (await fno.get(KEY))["@odata.etag"] != first
    status, _ = await fno.call("PATCH", KEY, {"Email": "b@example.com"}, **{"If-Match": first})
    assert status == 412


async def test_a_token_as_entra_gives_it(fno: SimulatedFno) -> None:
    status, body = await fno.sign_in()
    assert (status, body["token_type"], body["expires_in"]) == (200, "Bearer", 3599)
    assert body["access_token"]
