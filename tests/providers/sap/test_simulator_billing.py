"""The simulated SAP bills orders: by itself and when told, in parts, with cancellations and notifications."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.sandbox.vendors.simulation import FaultRequest
from tests.providers.sap.simulated_sap import BILLING, ITEM, PRICE, SALES, SimulatedSap, open_simulated_sap
from tests.providers.simulated_time import pass_time_until

DOCUMENTS = f"{BILLING}/A_BillingDocument"
ITEMS = f"{BILLING}/A_BillingDocumentItem"
NEVER: dict[str, int | None] = {"Billed": None, "Posted": None}


@pytest.fixture
async def tenant() -> AsyncIterator[SimulatedSap]:
    async with open_simulated_sap() as tenant:
        yield tenant


async def test_an_order_is_billed_and_later_posted_by_itself(tenant: SimulatedSap) -> None:
    await tenant.create()
    assert await tenant.rows(DOCUMENTS) == []
    tenant.let_pass(150)
    document = (await tenant.rows(f"{DOCUMENTS}?$expand=to_Item"))[0]
    assert document["AccountingTransferStatus"] in ("", "A")
    assert (document["AccountingPostingStatus"], document["AccountingDocument"]) == ("A", "")
    item = document["to_Item"]["results"][0]
    assert (item["SalesDocument"], item["SalesDocumentItem"], item["BillingQuantity"]) == ("1", "10", "2.000")
    tenant.let_pass(200)
    posted = await tenant.get(f"{DOCUMENTS}('{document['BillingDocument']}')")
    assert (posted["AccountingTransferStatus"], posted["AccountingPostingStatus"]) == ("C", "C")
    assert posted["AccountingDocument"] != ""
    assert posted["__metadata"]["etag"] != document["__metadata"]["etag"]
    assert tenant.effects() == ["order created", "order invoiced"]
    order = await tenant.get(f"{SALES}/A_SalesOrder('1')")
    assert (order["OverallSDProcessStatus"], order["OverallOrdReltdBillgStatus"]) == ("C", "C")


async def test_transfers_are_blocked_or_just_not_made_at_first(tenant: SimulatedSap) -> None:
    for number in range(20):
        await tenant.create(f"o-{number}")
    tenant.let_pass(180)
    statuses = {
        document.values["AccountingTransferStatus"] for document in tenant.simulator.orders.billing_documents.values()
    }
    assert statuses == {"", "A"}


async def test_parts_are_billed_on_request(tenant: SimulatedSap) -> None:
    tenant.simulator.set_delays(NEVER)
    second = {**ITEM, "SalesOrderItem": "20", "RequestedQuantity": "4.5", "to_PricingElement": [PRICE]}
    await tenant.create(to_Item=[ITEM, second])
    first = await tenant.bill("IOM-000123", item20="1.5")
    assert (await tenant.get(f"{SALES}/A_SalesOrder('1')"))["OverallOrdReltdBillgStatus"] == "B"
    last = await tenant.bill("1")
    rows = await tenant.rows(f"{ITEMS}?$filter=SalesDocument eq '1'&$orderby=BillingDocument,BillingDocumentItem")
    found = [
        (row["BillingDocument"], row["SalesDocumentItem"], row["BillingQuantity"], row["NetAmount"]) for row in rows
    ]
    assert found == [(first, "20", "1.500", "18.75"), (last, "10", "2.000", "0.00"), (last, "20", "3.000", "37.50")]
    assert (await tenant.control("/orders/1/bill"))[0] == 400
    assert (await tenant.control(f"/billing/{first}/post"))[1]["transfer_status"] == "C"
    assert tenant.effects() == ["order created", "order invoiced"]


async def test_no_more_is_billed_than_was_ordered(tenant: SimulatedSap) -> None:
    tenant.simulator.set_delays(NEVER)
    await tenant.create()
    for wrong in ({"10": "2.001"}, {"10": "-1"}, {"30": "1"}, {"10": "0"}, {"10": "x"}):
        assert (await tenant.control("/orders/1/bill", {"quantities": wrong}))[0] == 400, wrong
    assert (await tenant.control("/orders/nobody/bill"))[0] == 404
    assert (await tenant.control("/billing/nobody/post"))[0] == 404


async def test_some_orders_are_split_by_seed() -> None:
    async with open_simulated_sap(partial_share=0.3, seed=7) as tenant:
        for number in range(30):
            await tenant.create(f"o-{number}", to_Item=[{**ITEM, "RequestedQuantity": "3"}])
        tenant.let_pass(1000)
        billed: dict[str, list[str]] = {}
        for document in tenant.simulator.orders.billing_documents.values():
            for item in document.lists["to_Item"]:
                billed.setdefault(item.values["SalesDocument"], []).append(str(item.values["BillingQuantity"]))
        assert set(map(tuple, billed.values())) == {("3",), ("1", "2")}
        assert 3 <= sum(len(parts) == 2 for parts in billed.values()) <= 15
        assert len(billed) == 30


async def test_a_billing_block_stops_it_until_it_is_taken_away(tenant: SimulatedSap) -> None:
    await tenant.create(HeaderBillingBlockReason="01")
    tenant.let_pass(500)
    assert tenant.effects() == ["order created"]
    assert (await tenant.control("/orders/1/bill"))[0] == 400
    free = {"HeaderBillingBlockReason": ""}
    assert (await tenant.call("PATCH", f"{SALES}/A_SalesOrder('1')", free, **{"If-Match": "*"}))[0] == 204
    tenant.let_pass(500)
    assert tenant.effects() == ["order created", "order changed", "order invoiced"]


async def test_an_invoice_is_cancelled_by_the_function_import(tenant: SimulatedSap) -> None:
    await tenant.create()
    tenant.let_pass(400)
    number = (await tenant.rows(DOCUMENTS))[0]["BillingDocument"]
    cancel = f"{BILLING}/Cancel?BillingDocument='{number}'"
    status, body = await tenant.call("POST", cancel)
    [result] = body["d"]["results"]
    reversal = result["CancellationBillingDocument"]
    assert (status, result["BillingDocument"]) == (200, number)
    assert result.keys() == {
        *("__metadata", "BillingDocument", "CancellationBillingDocument", "SystemMessageType"),
        *("SystemMessageIdentification", "SystemMessageNumber", "SystemMessageText"),
        *(f"SystemMessageVariable{position}" for position in range(1, 5)),
    }
    assert result["__metadata"] == {"type": "API_BILLING_DOCUMENT_SRV.CancelResult"}
    assert all(isinstance(result[name], str) for name in result if name != "__metadata")
    cancelled = await tenant.get(f"{DOCUMENTS}('{number}')")
    assert (cancelled["BillingDocumentIsCancelled"], cancelled["AccountingTransferStatus"]) == (True, "E")
    undoing = await tenant.get(f"{DOCUMENTS}('{reversal}')")
    shown = ("BillingDocumentType", "SDDocumentCategory", "CancelledBillingDocument", "BillingDocumentIsCancelled")
    assert [undoing[name] for name in shown] == ["S1", "N", number, False]
    assert (await tenant.call("POST", cancel))[0] == 400
    assert (await tenant.call("POST", f"{BILLING}/Cancel?BillingDocument='1'"))[0] == 404
    assert (await tenant.call("GET", cancel))[0] == 405
    assert await tenant.bill("1", item10="2.000") not in (number, reversal)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("PATCH", "('90000000')"), ("DELETE", "('90000000')"), ("PUT", "")]
)
async def test_billing_documents_are_read_only(tenant: SimulatedSap, method: str, path: str) -> None:
    status, body = await tenant.call(method, f"{DOCUMENTS}{path}", {}, **{"If-Match": "*"})
    assert (status, "error" in body) == (405, True)


async def test_documents_are_found_by_change_and_by_order(tenant: SimulatedSap) -> None:
    tenant.simulator.set_delays(NEVER)
    for number in range(5):
        await tenant.create(f"o-{number}")
        await tenant.bill(f"o-{number}")
        tenant.now[0] += 1000
    changed = "$filter=LastChangeDateTime gt datetimeoffset'2019-03-05T21:40:13.5Z'&$orderby=LastChangeDateTime"
    assert await tenant.numbers(f"{DOCUMENTS}?{changed}") == ["90000003", "90000004"]
    earlier = "$filter=LastChangeDateTime lt datetimeoffset'2019-03-05T21:40:12Z'"
    assert await tenant.numbers(f"{DOCUMENTS}?{earlier}") == ["90000000"]
    await tenant.control("/billing/90000000/post")
    assert await tenant.numbers(f"{DOCUMENTS}?{changed}") == ["90000003", "90000004", "90000000"]
    posted = "$filter=AccountingTransferStatus eq 'C' and BillingDocumentIsCancelled eq false"
    assert await tenant.numbers(f"{DOCUMENTS}?{posted}") == ["90000000"]
    assert await tenant.numbers(f"{ITEMS}?$filter=SalesDocument eq '2' or SalesDocument eq '4'") == [
        "90000001",
        "90000003",
    ]
    item = (await tenant.rows(f"{ITEMS}?$filter=SalesDocument eq '2'&$expand=to_BillingDocument"))[0]
    assert item["to_BillingDocument"]["BillingDocument"] == "90000001"
    assert await tenant.numbers(f"{ITEMS}?$filter=BillingDocument eq '90000002'") == ["90000002"]
    assert (await tenant.client.get("/_sim/sap/orders/o-1")).status == 200


class Receiver:
    """Takes notifications; refuses as many of the first ones as told."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.authorization: set[str] = set()
        self.refusals = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.authorization.add(request.headers.get("Authorization", ""))
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        self.bodies.append(json.loads(await request.read()))
        return web.Response(status=202)

    def told(self) -> list[dict[str, str]]:
        return [body["data"] for body in self.bodies]


@pytest.fixture
async def notified(tenant: SimulatedSap) -> AsyncIterator[Receiver]:
    """A receiver that the tenant sends to while the test lasts."""
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/webhooks/sap", receiver.handle)
    async with TestServer(app) as server:
        target = {"url": str(server.make_url("/webhooks/sap")), "secret": "s3cret"}
        assert (await tenant.control("/webhooks", target))[0] == 201
        sending = asyncio.create_task(tenant.simulator.sender.run())
        yield receiver
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def let_arrive(tenant: SimulatedSap, receiver: Receiver, count: int) -> None:
    """Let time pass until so many notifications have come."""
    sender = tenant.simulator.sender
    await pass_time_until(lambda: len(receiver.bodies) >= count, tenant.world, tenant.now, sender.drain)


async def test_notifications_are_cloudevents_with_a_key_alone(tenant: SimulatedSap, notified: Receiver) -> None:
    await tenant.create()
    await let_arrive(tenant, notified, 2)
    created, billed = notified.bodies
    assert created["type"] == "sap.s4.beh.salesorder.v1.SalesOrder.Created.v1"
    assert billed["type"] == "sap.s4.beh.billingdocument.v1.BillingDocument.Created.v1"
    assert (created["data"], billed["data"]) == ({"SalesOrder": "1"}, {"BillingDocument": "90000000"})
    assert (created["specversion"], created["datacontenttype"]) == ("1.0", "application/json")
    assert created["id"] != billed["id"]
    assert notified.authorization == {"Bearer s3cret"}


async def test_a_notification_that_is_not_taken_comes_again(tenant: SimulatedSap, notified: Receiver) -> None:
    tenant.simulator.set_delays(NEVER)
    notified.refusals = 2
    await tenant.create()
    await let_arrive(tenant, notified, 1)
    assert notified.told() == [{"SalesOrder": "1"}]
    assert tenant.simulator.sender.counts["attempts"] == 3


@pytest.mark.parametrize(("kind", "keys"), [("duplicate-webhooks", ["1", "1"]), ("reorder-webhooks", ["2", "1"])])
async def test_faults_double_and_reorder_them(
    tenant: SimulatedSap, notified: Receiver, kind: Any, keys: list[str]
) -> None:
    tenant.simulator.set_delays(NEVER)
    tenant.world.faults.add(FaultRequest("sap", kind, seconds=3600, delay_ms=300))
    await tenant.create("first")
    tenant.world.faults.clear()
    if kind == "reorder-webhooks":
        await tenant.create("second")
        await let_arrive(tenant, notified, 1)
    await let_arrive(tenant, notified, 2)
    assert [key["SalesOrder"] for key in notified.told()] == keys


@pytest.mark.parametrize("target", [{"url": "ftp://x"}, {"url": "http://x", "secret": "a b"}, {"nope": 1}])
async def test_a_target_that_cannot_be_used_is_refused(tenant: SimulatedSap, target: Any) -> None:
    status, body = await tenant.control("/webhooks", target)
    assert (status, bool(body["fix"])) == (400, True)


async def test_notifications_can_be_turned_off(tenant: SimulatedSap, notified: Receiver) -> None:
    await tenant.control("/webhooks", {"url": ""})
    await tenant.create()
    assert tenant.simulator.sender.counts["unsent"] == 1
    assert notified.bodies == []


async def test_the_state_counts_what_there_is(tenant: SimulatedSap) -> None:
    await tenant.create()
    tenant.let_pass(400)
    state = tenant.simulator.state()
    assert (state["orders"], state["billing_documents"]) == (1, {"C": 1})
    assert (await tenant.client.post("/_sim/progress", json={"provider": "sap", "delays": {"Lost": 1}})).status == 400
