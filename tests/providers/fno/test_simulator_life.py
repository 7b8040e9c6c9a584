"""The simulated F+O: the life of an order, the rows that dual-write publishes, and what its people do."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.events.dualwrite_rows import ChangeIn
from app.sandbox.vendors.fno.progression import STAGES
from app.sandbox.vendors.simulation import FaultRequest
from tests.providers.fno.simulated_fno import BORN_THERE, HEADER, KEY, LINE, SimulatedFno, open_simulated_fno


@pytest.fixture
async def fno() -> AsyncIterator[SimulatedFno]:
    async with open_simulated_fno() as fno:
        yield fno


async def test_an_order_of_ours_starts_when_it_is_released(fno: SimulatedFno) -> None:
    await fno.make_order(release=False)
    fno.let_pass(10_000)
    assert fno.statuses() == ["Active"]
    await fno.call("PATCH", KEY, {"IsSalesProcessingStopped": "No"})
    fno.let_pass(10_000)
    assert fno.statuses() == ["Active", "Active", "Confirmed", "Picked", "Delivered", "Invoiced"]
    statuses = [row["after"]["SalesOrderStatus"] for row in fno.rows()]
    assert statuses == ["Backorder", "Backorder", "Backorder", "Backorder", "Delivered", "Invoiced"]
    lines = [line["SalesOrderLineStatus"] for row in fno.rows() for line in row["after"]["Lines"]]
    assert lines == ["Backorder", "Backorder", "Backorder", "Delivered", "Invoiced"]


async def test_an_order_without_lines_does_not_start(fno: SimulatedFno) -> None:
    await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, "IsSalesProcessingStopped": "No"})
    fno.let_pass(10_000)
    assert fno.statuses() == ["Active"]
    await fno.call("POST", "/SalesOrderLinesV3", LINE)
    fno.let_pass(10_000)
    assert fno.statuses()[-1] == "Invoiced"


async def test_a_stop_holds_the_order_where_it_is(fno: SimulatedFno) -> None:
    await fno.make_order()
    fno.let_pass(60)
    await fno.call("PATCH", KEY, {"IsSalesProcessingStopped": "Yes"})
    fno.let_pass(10_000)
    assert (await fno.get(KEY))["SalesOrderProcessingStatus"] == "Confirmed"
    await fno.call("PATCH", KEY, {"IsSalesProcessingStopped": "No"})
    fno.let_pass(10_000)
    assert (await fno.get(KEY))["SalesOrderProcessingStatus"] == "Invoiced"
    assert [fno.effects().count(f"order {stage.lower()}") for stage in STAGES] == [1, 1, 1, 1]


async def test_an_order_born_there_is_delivered_without_a_picking_list(fno: SimulatedFno) -> None:
    assert await fno.control("", [BORN_THERE]) == (201, {"seeded": 1, "orders": ["fno-usmf-SO-7"]})
    fno.let_pass(10_000)
    assert fno.statuses() == ["Active", "Confirmed", "Delivered", "Invoiced"]
    assert {key for key, _ in fno.memory.rows} == {b"fno-usmf-SO-7"}
    assert {row["source"]["origin"] for row in fno.rows()} == {"fno"}
    row = fno.rows()[0]["after"]
    assert (row["InvoiceCustomerAccountNumber"], row["OrderTotalAmount"]) == ("US-001", "26.0000")
    assert [line["LineAmount"] for line in row["Lines"]] == ["13.0000", "13.0000"]


async def test_rows_are_debezium_changes_that_the_intake_reads(fno: SimulatedFno) -> None:
    await fno.make_order(lines=2)
    fno.let_pass(10_000)
    assert {key for key, _ in fno.memory.rows} == {b"bc-hash-1"}
    rows = fno.rows()
    assert [row["op"] for row in rows] == ["c", "u", "u", "u", "u", "u"]
    assert [row["source"]["sequence"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["source"]["origin"] for row in rows] == ["iom", "iom", "fno", "fno", "fno", "fno"]
    assert [row["before"] for row in rows] == [None, *(row["after"] for row in rows[:-1])]
    change = ChangeIn.model_validate(rows[-1]).change()
    assert change.row.OrderTotalAmount == 160_0000
    assert [line.InventoryLotId for line in change.row.Lines] == ["000001", "000002"]
    assert change.source.name == "fno"


async def test_a_deletion_is_followed_by_a_tombstone(fno: SimulatedFno) -> None:
    await fno.make_order(release=False)
    assert (await fno.call("DELETE", KEY))[0] == 204
    deleted, tombstone = list(fno.memory.rows)[-2:]
    row = json.loads(deleted[1] or b"")
    assert (row["op"], row["after"], row["before"]["SalesOrderNumber"]) == ("d", None, "000001")
    assert tombstone == (b"bc-hash-1", None)
    assert (await fno.call("GET", KEY))[0] == 404
    assert await fno.numbers("$filter=CustomersOrderReference eq 'bc-hash-1'") == []


async def test_a_deleted_order_does_not_go_on(fno: SimulatedFno) -> None:
    await fno.make_order()
    await fno.call("DELETE", KEY)
    fno.let_pass(10_000)
    assert [row["op"] for row in fno.rows()] == ["c", "u", "d"]


async def test_changes_do_not_hurry_an_order(fno: SimulatedFno) -> None:
    await fno.make_order()
    fno.let_pass(40)
    await fno.call("PATCH", KEY, {"Email": "a@example.com"})
    await fno.call("PATCH", KEY, {"Email": "b@example.com"})
    assert len(fno.world.schedule) == 1


async def test_a_change_that_changes_nothing_is_no_effect(fno: SimulatedFno) -> None:
    await fno.make_order(release=False)
    before, etag = len(fno.rows()), (await fno.get(KEY))["@odata.etag"]
    assert (await fno.call("PATCH", KEY, {"Email": "", "CurrencyCode": "USD"}))[0] == 204
    assert (len(fno.rows()), (await fno.get(KEY))["@odata.etag"]) == (before, etag)
    assert fno.effects() == ["order created", "line created"]


async def test_partial_steps_move_the_lines_that_are_named(fno: SimulatedFno) -> None:
    await fno.client.post("/_sim/progress", json={"provider": "fno", "delays": dict.fromkeys(STAGES)})
    await fno.control("", [BORN_THERE])
    steps: list[tuple[str, list[int | str], list[str], str]] = [
        ("Confirmed", [], ["Backorder", "Backorder"], "Backorder"),
        ("PartiallyDelivered", [2], ["Backorder", "Delivered"], "Backorder"),
        ("PartiallyInvoiced", ["000002"], ["Backorder", "Invoiced"], "Backorder"),
        ("Invoiced", [], ["Invoiced", "Invoiced"], "Invoiced"),
    ]
    for to, lines, line_statuses, status in steps:
        answered, body = await fno.control("/usmf/SO-7/advance", {"to": to, "lines": lines})
        assert (answered, body["status"], body["changed"]) == (200, to, True)
        row = fno.rows()[-1]["after"]
        assert [line["SalesOrderLineStatus"] for line in row["Lines"]] == line_statuses
        assert row["SalesOrderStatus"] == status


async def test_a_partial_invoice_of_a_delivered_order_leaves_it_delivered(fno: SimulatedFno) -> None:
    await fno.client.post("/_sim/progress", json={"provider": "fno", "delays": dict.fromkeys(STAGES)})
    await fno.control("", [BORN_THERE])
    await fno.control("/usmf/SO-7/advance", {"to": "Delivered"})
    await fno.control("/usmf/SO-7/advance", {"to": "PartiallyInvoiced"})
    row = fno.rows()[-1]["after"]
    assert (row["SalesOrderProcessingStatus"], row["SalesOrderStatus"]) == ("PartiallyInvoiced", "Delivered")
    assert [line["SalesOrderLineStatus"] for line in row["Lines"]] == ["Invoiced", "Delivered"]


@pytest.mark.parametrize("to", ["Confirmed", "Active", "Canceled", "PartiallyInvoiced"])
async def test_an_invoiced_order_stays_invoiced(fno: SimulatedFno, to: str) -> None:
    await fno.control("", [BORN_THERE])
    await fno.control("/usmf/SO-7/advance", {"to": "Invoiced"})
    rows = len(fno.rows())
    assert (await fno.control("/usmf/SO-7/advance", {"to": to}))[0] == 409
    assert len(fno.rows()) == rows


async def test_a_canceled_order_does_not_go_on(fno: SimulatedFno) -> None:
    await fno.control("", [BORN_THERE])
    await fno.control("/USMF/SO-7/advance", {"to": "Canceled"})
    fno.let_pass(10_000)
    assert fno.statuses() == ["Active", "Canceled"]


async def test_an_order_that_a_new_line_opened_again_cannot_be_canceled(fno: SimulatedFno) -> None:
    """The line that was delivered before is gone."""
    await fno.make_order()
    fno.let_pass(410)
    assert fno.statuses()[-1] == "Delivered"
    assert (await fno.call("POST", "/SalesOrderLinesV3", {**LINE, "ItemNumber": "1002"}))[0] == 201
    assert fno.statuses()[-1] == "Active"
    assert (await fno.control("/usmf/000001/advance", {"to": "Canceled"}))[0] == 409
    assert fno.statuses()[-1] == "Active"


STATUS = "/WaybillSalesOrderStatuses(dataAreaId='usmf',SalesOrderNumber='{}')?cross-company=true"


async def test_a_header_shows_its_status_and_takes_none(fno: SimulatedFno) -> None:
    await fno.make_order()
    before = await fno.get(KEY)
    status, body = await fno.call("PATCH", KEY, {"SalesOrderProcessingStatus": "Picked"})
    assert (status, await fno.get(KEY)) == (400, before)
    assert "Field 'SalesOrderProcessingStatus' does not allow editing." in body["error"]["innererror"]["message"]
    _, made = await fno.call("POST", "/SalesOrderHeadersV4", {**HEADER, "SalesOrderProcessingStatus": "Invoiced"})
    assert made["SalesOrderProcessingStatus"] == "Active"


async def test_the_tenant_s_own_entity_takes_a_status_that_may_follow(fno: SimulatedFno) -> None:
    await fno.make_order()
    fno.let_pass(60)
    key = STATUS.format("000001")
    assert (await fno.get(key))["ProcessingStatus"] == "Confirmed"
    assert (await fno.get("/WaybillSalesOrderStatuses"))["value"][0]["SalesOrderNumber"] == "000001"
    assert (await fno.call("PATCH", key, {"ProcessingStatus": "Picked"}))[0] == 204
    assert ((await fno.get(key))["ProcessingStatus"], fno.statuses()[-1]) == ("Picked", "Picked")
    assert (await fno.call("PATCH", key, {"ProcessingStatus": "Confirmed"}))[0] == 400
    assert (await fno.call("PATCH", key, {"ProcessingStatus": "Teleported"}))[0] == 400
    assert (await fno.call("DELETE", key))[0] == 405
    assert (await fno.call("POST", "/WaybillSalesOrderStatuses", {}))[0] == 405
    assert fno.statuses()[-1] == "Picked"


async def test_stages_that_others_bring_can_be_left_to_them(fno: SimulatedFno) -> None:
    """Whoever ships tells F+O; F+O then invoices."""
    assert (await fno.control("?automatic=Confirmed,Invoiced", [BORN_THERE]))[0] == 201
    fno.let_pass(10_000)
    assert fno.statuses() == ["Active", "Confirmed"]
    assert (await fno.call("PATCH", STATUS.format("SO-7"), {"ProcessingStatus": "Delivered"}))[0] == 204
    assert (fno.statuses()[-1], fno.rows()[-1]["source"]["origin"]) == ("Delivered", "iom")
    fno.let_pass(10_000)
    assert (fno.statuses()[-1], fno.rows()[-1]["source"]["origin"]) == ("Invoiced", "fno")


async def test_people_at_f_and_o_change_fields(fno: SimulatedFno) -> None:
    await fno.control("", [BORN_THERE])
    status, _ = await fno.control("/usmf/SO-7/change", {"DeliveryAddressCity": "Reims"})
    row = fno.rows()[-1]
    assert (status, row["after"]["DeliveryAddressCity"], row["source"]["origin"]) == (200, "Reims", "fno")


async def test_new_delays_hold_and_let_go(fno: SimulatedFno) -> None:
    await fno.client.post("/_sim/progress", json={"provider": "fno", "delays": {"Confirmed": None}})
    await fno.control("", [BORN_THERE])
    fno.let_pass(10_000)
    assert fno.statuses() == ["Active"]
    await fno.client.post("/_sim/progress", json={"provider": "fno", "delays": {"Confirmed": 5, "Delivered": None}})
    fno.let_pass(5)
    assert fno.statuses() == ["Active", "Confirmed"]
    response = await fno.client.post("/_sim/progress", json={"provider": "fno", "delays": {"Shipped": 5}})
    assert (response.status, "Shipped" in (await response.json())["error"]) == (400, True)


async def test_rows_come_twice_on_purpose(fno: SimulatedFno) -> None:
    fno.world.faults.add(FaultRequest("fno", "duplicate-rows", share=1))
    await fno.control("", [BORN_THERE])
    first, second = fno.memory.rows
    assert first == second


async def test_rows_come_out_of_order_on_purpose_and_none_is_lost(fno: SimulatedFno) -> None:
    fno.world.faults.add(FaultRequest("fno", "reorder-rows", share=0.5, seed=3, delay_ms=400))
    orders = [{**BORN_THERE, "SalesOrderNumber": f"SO-{n}"} for n in range(20)]
    await fno.control("", orders)
    fno.let_pass(10_000)
    by_key: dict[bytes, list[int]] = {}
    for key, value in fno.memory.rows:
        by_key.setdefault(key, []).append(json.loads(value or b"")["source"]["sequence"])
    assert all(sorted(sequence) == [1, 2, 3, 4] for sequence in by_key.values())
    assert any(sequence != sorted(sequence) for sequence in by_key.values())


async def test_a_row_that_was_overtaken_comes_right_after(fno: SimulatedFno) -> None:
    fno.world.faults.add(FaultRequest("fno", "reorder-rows", delay_ms=60_000))
    await fno.control("", [BORN_THERE])
    assert fno.rows() == []
    fno.let_pass(50)
    assert [row["source"]["sequence"] for row in fno.rows()] == [2, 1]


async def test_nothing_changes_while_rows_cannot_be_taken(fno: SimulatedFno) -> None:
    await fno.make_order()
    fno.memory.full = True
    fno.let_pass(5000)
    assert fno.statuses() == ["Active", "Active"]
    assert (await fno.call("PATCH", KEY, {"Email": "a@example.com"}))[0] == 503
    assert (await fno.get(KEY))["Email"] == ""
    fno.memory.full = False
    fno.let_pass(5000)
    assert fno.statuses()[-1] == "Invoiced"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"dataAreaId": ""}, "$[1]"),
        ({"Colour": "red"}, "$[1].Colour"),
        ({"SalesOrderOriginCode": "iom"}, "$[1].SalesOrderOriginCode"),
        ({"OrderTotalAmount": "abc"}, "$[1].OrderTotalAmount"),
        ({"Lines": "none"}, "$[1].Lines"),
        ({"Lines": [{"ItemNumber": "TEA"}]}, "$[1].Lines[0].ShippingSiteId"),
        ({"Lines": [{"ShippingSiteId": "EU"}]}, "$[1].Lines[0].ItemNumber"),
        ({"Lines": [{"ItemNumber": "TEA", "SalesPrice": "NaN"}]}, "$[1].Lines[0].SalesPrice"),
    ],
)
async def test_unusable_seeds_name_the_place_and_leave_nothing(
    fno: SimulatedFno, change: dict[str, Any], place: str
) -> None:
    status, body = await fno.control("", [BORN_THERE, {**BORN_THERE, "SalesOrderNumber": "SO-8", **change}])
    assert (status, body["error"].replace(" ", ":").split(":")[0]) == (400, place)
    assert body["fix"]
    assert (len(fno.simulator.orders), list(fno.memory.rows)) == (0, [])


async def test_a_number_is_seeded_once(fno: SimulatedFno) -> None:
    assert (await fno.control("", [BORN_THERE, BORN_THERE]))[0] == 409
    assert (await fno.control("", [BORN_THERE]))[0] == 201
    assert (await fno.control("", [BORN_THERE]))[0] == 409
    assert (await fno.control("", [{**BORN_THERE, "SalesOrderNumber": ""}]))[0] == 201


async def test_what_a_policy_must_refuse_can_be_seeded(fno: SimulatedFno) -> None:
    lines = [{"ItemNumber": "TEA", "ShippingSiteId": "EU", "OrderedSalesQuantity": "-1"}]
    odd = {**BORN_THERE, "CurrencyCode": "QQQ", "DeliveryAddressStreet": "", "Lines": lines}
    assert (await fno.control("", [odd]))[0] == 201
    assert fno.rows()[0]["after"]["Lines"][0]["OrderedSalesQuantity"] == "-1.0000"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/usmf/SO-9/advance", {"to": "Confirmed"}, 404),
        ("/usmf/SO-7/advance", {"to": "Shipped"}, 400),
        ("/usmf/SO-7/advance", {"status": "Confirmed"}, 400),
        ("/usmf/SO-7/advance", {"to": "PartiallyDelivered", "lines": [9]}, 404),
        ("/usmf/SO-7/change", {"dataAreaId": "demf"}, 400),
        ("/usmf/SO-7/change", {"SalesOrderProcessingStatus": "Invoiced"}, 400),
        ("?automatic=Packed", [], 400),
    ],
)
async def test_control_refuses_clearly(fno: SimulatedFno, path: str, body: Any, status: int) -> None:
    await fno.control("", [BORN_THERE])
    answered, problem = await fno.control(path, body)
    assert (answered, problem.keys()) == (status, {"error", "fix"})


async def test_a_line_that_is_added_opens_an_invoiced_order_again(fno: SimulatedFno) -> None:
    await fno.make_order()
    fno.let_pass(10_000)
    assert fno.statuses()[-1] == "Invoiced"
    status, _ = await fno.call("POST", "/SalesOrderLinesV3", LINE)
    assert status == 201
    assert fno.statuses()[-1] == "Active"
    fno.let_pass(10_000)
    assert fno.statuses()[-4:] == ["Confirmed", "Picked", "Delivered", "Invoiced"]
    lines = [[line["SalesOrderLineStatus"] for line in row["after"]["Lines"]] for row in fno.rows()[-4:]]
    assert lines[0] == lines[1] == ["Invoiced", "Backorder"]
    assert lines[2:] == [["Invoiced", "Delivered"], ["Invoiced", "Invoiced"]]
