"""The simulated SAP answers as SAP does: sessions, sales orders, queries, paging, changes, errors."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.providers.sap.simulated_sap import (
    BASIC,
    BILLING,
    ITEM,
    ORDER,
    SALES,
    START_MS,
    SimulatedSap,
    open_simulated_sap,
)

ORDERS = f"{SALES}/A_SalesOrder"
FORBIDDEN = (403, "CSRF token validation failed")


@pytest.fixture
async def tenant() -> AsyncIterator[SimulatedSap]:
    async with open_simulated_sap() as tenant:
        yield tenant


async def test_a_wrong_password_is_401(tenant: SimulatedSap) -> None:
    for credentials in ("Basic dXNlcjpubw==", "Bearer x", "Basic %%%", "Basic /w=="):
        response = await tenant.client.get(ORDERS, headers={"Authorization": credentials})
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic realm=")


async def test_a_write_needs_the_token_and_every_cookie_of_its_session(tenant: SimulatedSap) -> None:
    assert await tenant.call("POST", ORDERS, ORDER, **{"x-csrf-token": "guessed"}) == FORBIDDEN
    cookies = {cookie.key: cookie.value for cookie in tenant.client.session.cookie_jar}
    assert len(cookies) == 3
    for left_out in cookies:
        tenant.client.session.cookie_jar.clear()
        tenant.client.session.cookie_jar.update_cookies({n: v for n, v in cookies.items() if n != left_out})
        assert await tenant.call("POST", ORDERS, ORDER) == FORBIDDEN, left_out
    tenant.client.session.cookie_jar.update_cookies(cookies)
    assert (await tenant.call("POST", ORDERS, ORDER))[0] == 201


async def test_a_refused_token_is_said_to_be_required(tenant: SimulatedSap) -> None:
    response = await tenant.client.post(ORDERS, json=ORDER, headers=BASIC)
    assert (response.status, response.headers["x-csrf-token"]) == (403, "Required")


async def test_a_session_ends(tenant: SimulatedSap) -> None:
    tenant.now[0] += 1_800_001
    assert await tenant.call("POST", ORDERS, ORDER) == FORBIDDEN
    await tenant.fetch_token()
    assert (await tenant.call("POST", ORDERS, ORDER))[0] == 201


async def test_the_same_session_keeps_its_token(tenant: SimulatedSap) -> None:
    before = tenant.token
    await tenant.fetch_token()
    assert tenant.token == before


async def test_any_read_may_fetch_a_token(tenant: SimulatedSap) -> None:
    response = await tenant.client.get(ORDERS, headers={**BASIC, "x-csrf-token": "fetch"})
    assert {"x-csrf-token": response.headers["x-csrf-token"]} == tenant.token
    assert "x-csrf-token" not in (await tenant.client.get(ORDERS, headers=BASIC)).headers


async def test_the_root_lists_the_entity_sets(tenant: SimulatedSap) -> None:
    sales = ["A_SalesOrder", "A_SalesOrderHeaderPartner", "A_SalesOrderItem", "A_SalesOrderItemPrElement"]
    assert await tenant.get(f"{SALES}/") == {"EntitySets": [*sales, "A_SalesOrderText"]}
    assert await tenant.get(BILLING) == {"EntitySets": ["A_BillingDocument", "A_BillingDocumentItem"]}


@pytest.mark.parametrize("shape", [lambda rows: {"results": rows}, lambda rows: rows])
async def test_a_deep_insert_takes_lists_in_both_shapes(tenant: SimulatedSap, shape: Any) -> None:
    second = {"Material": "TG12", "RequestedQuantity": "1.5"}
    items, partners = shape([ITEM, second]), shape([{"PartnerFunction": "SH", "Customer": "10100001"}])
    number = await tenant.create(to_Item=items, to_Partner=partners)
    order = await tenant.get(f"{ORDERS}('{number}')?$expand=to_Item,to_Partner")
    found = [(item["SalesOrderItem"], item["RequestedQuantity"]) for item in order["to_Item"]["results"]]
    assert found == [("10", "2.000"), ("20", "1.500")]
    assert [partner["PartnerFunction"] for partner in order["to_Partner"]["results"]] == ["SH"]
    assert {item["PurchaseOrderByCustomer"] for item in order["to_Item"]["results"]} == {"IOM-000123"}


async def test_what_was_made_comes_back(tenant: SimulatedSap) -> None:
    response = await tenant.client.post(ORDERS, json=ORDER, headers={**BASIC, **tenant.token})
    made = (await response.json())["d"]
    assert response.status == 201
    assert response.headers["Location"] == made["__metadata"]["uri"]
    assert (made["SalesOrder"], made["OverallSDProcessStatus"], made["TotalNetAmount"]) == ("1", "A", "25.00")
    assert made["to_Item"]["results"][0]["NetAmount"] == "25.00"
    assert made["to_Text"]["__deferred"]["uri"].endswith("A_SalesOrder('1')/to_Text")


async def test_fields_that_are_saps_own_are_ignored(tenant: SimulatedSap) -> None:
    number = await tenant.create(SalesOrder="777", ExternalDocumentID="X", SenderBusinessSystemName="Y")
    order = await tenant.get(f"{ORDERS}('{number}')")
    assert (order["SalesOrder"], order["ExternalDocumentID"], order["SenderBusinessSystemName"]) == ("1", "", "")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"SoldToParty": ""}, "V1/344"),
        ({"SoldToParty": "999"}, "V1/302"),
        ({"to_Item": [{**ITEM, "Material": ""}]}, "V1/382"),
        ({"to_Item": [{**ITEM, "RequestedQuantity": "0"}]}, "V1/370"),
        ({"to_Item": [ITEM, ITEM]}, "V1/401"),
        ({"to_Item": [{**ITEM, "RequestedQuantity": 2}]}, "/IWCOR/CX_OD_BAD_REQUEST"),
        ({"to_Item": [{**ITEM, "RequestedQuantity": "0.0001"}]}, "/IWCOR/CX_OD_BAD_REQUEST"),
        ({"to_Item": [{**ITEM, "RequestedQuantity": "NaN"}]}, "/IWCOR/CX_OD_BAD_REQUEST"),
        ({"to_Item": "none"}, "/IWCOR/CX_OD_BAD_REQUEST"),
        ({"PurchaseOrderByCustomer": "x" * 36}, "/IWCOR/CX_OD_BAD_REQUEST"),
        ({"RequestedDeliveryDate": "tomorrow"}, "/IWCOR/CX_OD_BAD_REQUEST"),
        ({"CompleteDeliveryIsDefined": "X"}, "/IWCOR/CX_OD_BAD_REQUEST"),
        ({"NoSuchField": "1"}, "/IWBEP/CM_MGW_RT/021"),
    ],
)
async def test_a_wrong_order_is_refused_whole_in_the_envelope(tenant: SimulatedSap, fields: Any, code: str) -> None:
    status, body = await tenant.call("POST", ORDERS, {**ORDER, **fields})
    assert (status, body["error"]["code"]) == (400, code)
    assert body["error"]["message"].keys() == {"lang", "value"}
    assert body["error"]["innererror"]["errordetails"][0]["code"] == code
    assert tenant.effects() == []


async def test_a_body_that_is_no_json_is_refused(tenant: SimulatedSap) -> None:
    headers = {**BASIC, **tenant.token}
    assert (await tenant.client.post(ORDERS, data=b"<xml/>", headers=headers)).status == 415
    headers["content-type"] = "application/json"
    assert (await tenant.client.post(ORDERS, data=b"[1]", headers=headers)).status == 400


async def test_filters(tenant: SimulatedSap) -> None:
    for reference in ("a-1", "a-2", "b'1"):
        await tenant.create(reference)
        tenant.now[0] += 60_000
    for text, found in {
        "PurchaseOrderByCustomer eq 'a-2'": ["2"],
        "PurchaseOrderByCustomer eq 'A-2'": [],
        "PurchaseOrderByCustomer eq 'b''1'": ["3"],
        "PurchaseOrderByCustomer ne 'a-2'": ["1", "3"],
        "ExternalDocumentID eq ''": ["1", "2", "3"],
        "SalesOrder eq '0000000001' or SalesOrder eq '3'": ["1", "3"],
        "(SalesOrder eq '1' or SalesOrder eq '2') and not (SalesOrder eq '2')": ["1"],
        "SalesOrder eq '1' or PurchaseOrderByCustomer eq 'a-2'": ["1", "2"],
        "startswith(PurchaseOrderByCustomer,'a-') eq true": ["1", "2"],
        "substringof('1',PurchaseOrderByCustomer)": ["1", "3"],
        "LastChangeDateTime gt datetimeoffset'2019-03-05T21:40:11Z'": ["2", "3"],
        "LastChangeDateTime ge datetimeoffset'2019-03-05T23:41:11.000+02:00'": ["2", "3"],
        "CustomerPurchaseOrderDate eq datetime'2019-03-05T00:00:00'": [],
        "CreationDate eq datetime'2019-03-05T00:00:00'": ["1", "2", "3"],
        "TotalNetAmount ge 25.00M and CompleteDeliveryIsDefined eq false": ["1", "2", "3"],
    }.items():
        assert await tenant.numbers(f"{ORDERS}?$filter={text.replace('+', '%2B')}") == found, text


@pytest.mark.parametrize(
    "query",
    [
        "$filter=Nothing eq '1'",
        "$filter=SalesOrder eq",
        "$filter=SalesOrder eq 1",
        "$filter=SalesOrder like '1'",
        "$filter=(SalesOrder eq '1'",
        "$filter=SalesOrder eq '1' 2",
        "$filter=substringof(SalesOrder,SalesOrder)",
        "$filter=LastChangeDateTime gt datetimeoffset'soon'",
        "$filter=" + "(" * 60 + "SalesOrder eq '1'" + ")" * 60,
        "$filter=SalesOrder eq '" + "1" * 8000 + "'",
        "$filter=!",
        "$orderby=Nothing",
        "$orderby=SalesOrder sideways",
        "$top=-1",
        "$expand=to_Nothing",
        "$select=to_Item/Nothing",
        "$apply=1",
    ],
)
async def test_queries_that_sap_does_not_understand(tenant: SimulatedSap, query: str) -> None:
    status, body = await tenant.call("GET", f"{ORDERS}?{query}")
    assert (status, bool(body["error"]["message"]["value"])) == (400, True)


async def test_pages_are_chained_by_skiptoken(tenant: SimulatedSap) -> None:
    for number in range(8):
        await tenant.create(f"p-{number}")
    path, pages = f"{ORDERS}?$inlinecount=allpages&$skip=1&$top=6&$orderby=SalesOrder desc&$select=SalesOrder", []
    while path:
        body = await tenant.get(path)
        assert body["__count"] == "8"
        pages.append([row["SalesOrder"] for row in body["results"]])
        path = body.get("__next", "").removeprefix(str(tenant.client.make_url("")).rstrip("/"))
        assert "$skiptoken=" in path or not path
    assert pages == [["7", "6", "5"], ["4", "3", "2"]]


async def test_select_and_expand_leave_out_what_was_not_asked_for(tenant: SimulatedSap) -> None:
    await tenant.create()
    path = (
        f"{ORDERS}('1')?$expand=to_Item/to_PricingElement&$select=SalesOrder,to_Item/Material,to_Item/to_PricingElement"
    )
    order = await tenant.get(path)
    assert order.keys() == {"__metadata", "SalesOrder", "to_Item"}
    item = order["to_Item"]["results"][0]
    assert item.keys() == {"__metadata", "Material", "to_PricingElement"}
    assert item["to_PricingElement"]["results"][0]["ConditionRateValue"] == "12.500000000"


async def test_records_by_key_and_what_is_below_them(tenant: SimulatedSap) -> None:
    await tenant.create()
    item = await tenant.get(f"{SALES}/A_SalesOrderItem(SalesOrder='1',SalesOrderItem='000010')")
    assert (item["Material"], item["to_SalesOrder"].keys()) == ("TG11", {"__deferred"})
    assert await tenant.numbers(f"{ORDERS}('1')/to_Item") == ["1"]
    assert [row["Material"] for row in await tenant.rows(f"{SALES}/A_SalesOrderItem?$filter=Material eq 'TG11'")] == [
        "TG11"
    ]
    for path in ("A_SalesOrder('9')", "A_SalesOrder('1')/to_Nobody", "A_Nothing", "A_SalesOrder('1')x"):
        assert (await tenant.call("GET", f"{SALES}/{path}"))[0] == 404, path
    for path in ("A_SalesOrder(SalesOrderItem='1')", "A_SalesOrderItem('1')"):
        assert (await tenant.call("GET", f"{SALES}/{path}"))[0] == 400, path
    assert (await tenant.call("GET", "/sap/sap/opu/odata/sap/API_NOTHING_SRV/A_X"))[0] == 404


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("A_SalesOrderHeaderPartner(SalesOrder='1',PartnerFunction='SH')", "Customer", "10100001"),
        ("A_SalesOrderText(SalesOrder='1',Language='EN',LongTextID='0001')", "LongText", "by the door"),
        (
            "A_SalesOrderItemPrElement(SalesOrder='1',SalesOrderItem='10',PricingProcedureStep='010',PricingProcedureCounter='1')",
            "ConditionType",
            "PPR0",
        ),
        ("A_SalesOrderItem(SalesOrder='1',SalesOrderItem='10')/to_SalesOrder", "SalesOrderType", "OR"),
    ],
)
async def test_what_lies_below_an_order_can_be_asked_for_alone(
    tenant: SimulatedSap, path: str, field: str, value: str
) -> None:
    await tenant.create(to_Text=[{"Language": "EN", "LongTextID": "0001", "LongText": "by the door"}])
    entity = await tenant.get(f"{SALES}/{path}")
    assert entity[field] == value
    collection = path.partition("(")[0]
    assert len(await tenant.rows(f"{SALES}/{collection}")) == 1
    assert (await tenant.call("GET", f"{SALES}/{collection}(SalesOrder='9')"))[0] in (400, 404)


async def test_what_matches_is_counted_as_text(tenant: SimulatedSap) -> None:
    for number in range(5):
        await tenant.create(f"n-{number}")
    for path, count in {
        "A_SalesOrder/$count": "5",
        "A_SalesOrder/$count?$filter=PurchaseOrderByCustomer ge 'n-3'&$top=1": "2",
        "A_SalesOrder('1')/to_Item/$count": "1",
        "A_SalesOrderItem/$count": "5",
    }.items():
        assert await tenant.call("GET", f"{SALES}/{path}") == (200, count), path
    assert await tenant.call("GET", f"{BILLING}/A_BillingDocument/$count") == (200, "0")
    assert (await tenant.call("GET", f"{SALES}/A_SalesOrder('1')/to_SalesOrder/$count"))[0] == 404
    assert (await tenant.call("GET", f"{SALES}/A_SalesOrder('9')/to_Item/$count"))[0] == 404
    assert (await tenant.call("GET", f"{SALES}/A_Nothing/$count"))[0] == 404


async def test_a_change_needs_the_etag_of_the_last_state(tenant: SimulatedSap) -> None:
    await tenant.create()
    path, change = f"{ORDERS}('1')", {"d": {"HeaderBillingBlockReason": "01"}}
    etag = (await tenant.get(path))["__metadata"]["etag"]
    assert (await tenant.call("PATCH", path, change))[0] == 428
    assert (await tenant.call("PATCH", path, change, **{"If-Match": etag}))[0] == 204
    assert (await tenant.call("PATCH", path, change, **{"If-Match": etag}))[0] == 412
    order = await tenant.get(path)
    assert (order["HeaderBillingBlockReason"], order["__metadata"]["etag"] != etag) == ("01", True)
    wrong = {"d": {"Nothing": "1"}}
    assert (await tenant.call("PATCH", path, wrong, **{"If-Match": "*"}))[0] == 400
    assert (await tenant.call("PATCH", path, {"d": 1}, **{"If-Match": "*"}))[0] == 400
    assert await tenant.call("PATCH", path, change, **{"If-Match": etag, "x-csrf-token": "no"}) == FORBIDDEN


async def test_a_changed_reference_is_found(tenant: SimulatedSap) -> None:
    await tenant.create("old")
    new = {"PurchaseOrderByCustomer": "new"}
    assert (await tenant.call("PATCH", f"{ORDERS}('1')", new, **{"If-Match": "*"}))[0] == 204
    assert await tenant.numbers(f"{ORDERS}?$filter=PurchaseOrderByCustomer eq 'new'") == ["1"]
    assert await tenant.numbers(f"{ORDERS}?$filter=PurchaseOrderByCustomer eq 'old'") == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ORDERS + "('1')"), ("DELETE", ORDERS + "('1')"), ("PUT", ORDERS)]
)
async def test_what_orders_do_not_take(tenant: SimulatedSap, method: str, path: str) -> None:
    assert (await tenant.call(method, path, {}))[0] == 405


async def test_calls_beyond_the_quota_are_told_when_to_come_back(tenant: SimulatedSap) -> None:
    tenant.simulator.set_limits(2, 5000)
    assert [(await tenant.call("GET", ORDERS))[0] for _ in range(3)] == [200, 200, 429]
    response = await tenant.client.get(ORDERS, headers=BASIC)
    assert (response.status, response.headers["Retry-After"]) == (429, "5")


async def test_calls_are_counted_without_ids(tenant: SimulatedSap) -> None:
    await tenant.create()
    await tenant.get(f"{ORDERS}('1')")
    await tenant.call("GET", f"{SALES}/whatever{START_MS}")
    labels = {label for provider, label in tenant.world.journal.calls if provider == "sap"}
    assert labels == {"HEAD API_SALES_ORDER_SRV", "POST A_SalesOrder", "GET A_SalesOrder(key)", "GET other"}


async def test_time_does_not_stand_still_between_two_changes(tenant: SimulatedSap) -> None:
    """Two changes in one millisecond still have two ETags."""
    await asyncio.gather(tenant.create("x"), tenant.create("y"))
    etags = {row["__metadata"]["etag"] for row in await tenant.rows(ORDERS)}
    assert len(etags) == 2
