"""A sales order written to the simulated F+O, from every point where it may have broken off before."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from app.dualwrite.write_plan import ApplyState, WriteDecision, WritePlan, applied, plan
from app.events.sales_order_change import ChangeSource, SalesOrderChange, SalesOrderRow
from app.providers.fno.actions import first_plan
from app.providers.fno.client import Fno
from app.providers.fno.session import RECONCILE_AFTER_MS
from app.providers.port import Code, Outcome, UnsharedLease
from app.providers.sales_order_writer import lots_of, refusal_of
from app.sandbox.vendors.fno import FnoOptions, FnoSimulator, MemoryRows
from app.sandbox.vendors.fno.order_store import SalesOrder
from app.sandbox.vendors.host import SimulatorOptions, serve
from app.sandbox.vendors.simulation import World
from tests.providers.bench import PATIENT, Clock
from tests.providers.fno.bench import STAGES, STATUS_AT
from tests.providers.fno.sales_order_rows import a_line, a_row
from tests.providers.fno.upsert_stage import REFERENCE, UpsertStage, writes
from tests.providers.fno.upsert_stage import stage as stage
from tests.providers.recording_proxy import RecordedRequest

ALWAYS = UnsharedLease()


def post_of(collection: str) -> Any:
    return lambda request: request.matches("POST", rf"/data/{collection}\b")


def patch_of(collection: str) -> Any:
    return lambda request: request.matches("PATCH", rf"/data/{collection}\(")


def change(after: SalesOrderRow, before: SalesOrderRow | None, version: int = 2) -> SalesOrderChange:
    return SalesOrderChange("u", 0, before, after, ChangeSource("iom", version))


async def test_s13_an_order_is_created_with_everything_f_o_is_to_know(stage: UpsertStage) -> None:
    result = await stage.upsert(a_row())
    header = stage.header()
    assert (result.outcome, result.reference) == (Outcome.OK, header["SalesOrderNumber"])
    row = a_row()
    for name in (
        "dataAreaId",
        "CurrencyCode",
        "SalesOrderOriginCode",
        "DeliveryAddressName",
        "DeliveryAddressZipCode",
        "Email",
    ):
        assert header[name] == getattr(row, name)
    assert header["RequestedShippingDate"] == "2019-03-05T12:00:00Z"
    assert header["IsDeliveryAddressOrderSpecific"] == "Yes"
    [first, second] = stage.lines()
    assert (first["ExternalItemNumber"], first["SalesPrice"], first["OrderedSalesQuantity"]) == (
        "1",
        Decimal("12.5"),
        2,
    )
    assert lots_of(result) == {"1": first["InventoryLotId"], "2": second["InventoryLotId"]}


async def test_a_line_that_follows_opens_an_invoiced_order_for_the_header_too(stage: UpsertStage) -> None:
    await stage.upsert(a_row())
    [order] = stage.orders()
    stage.simulators.of(FnoSimulator).progression.advance(order, "Invoiced", (), "fno")
    moved = a_row(DeliveryAddressStreet="9 Moved Rd")
    later = replace(moved, Lines=(*moved.Lines, a_line(3)))
    result = await stage.upsert(later)
    assert (result.outcome, len(stage.lines())) == (Outcome.OK, 3)
    assert stage.header()["DeliveryAddressStreet"] == "9 Moved Rd"


async def test_a_header_that_is_changed_too_late_does_not_hold_up_the_lines(stage: UpsertStage) -> None:
    """F+O has all lines and has invoiced them: what was asked for is done, and the change is reported beside it."""
    await stage.upsert(a_row())
    [order] = stage.orders()
    stage.simulators.of(FnoSimulator).progression.advance(order, "Invoiced", (), "fno")
    result = await stage.upsert(a_row(DeliveryAddressStreet="9 Moved Rd"))
    assert (result.outcome, sorted(lots_of(result))) == (Outcome.OK, ["1", "2"])
    assert "is invoiced" in refusal_of(result)
    assert refusal_of(result) in result.detail
    assert stage.header()["DeliveryAddressStreet"] != "9 Moved Rd"
    header_alone = WritePlan(WriteDecision.UPDATE, order.number, fields=("Email",))
    result = await stage.upsert(a_row(Email="new@example.com"), header_alone)
    assert (result.outcome, refusal_of(result)) == (Outcome.DECLINED, "")


async def test_s13_f_o_works_on_no_half_order(stage: UpsertStage) -> None:
    """The header is stopped from its first moment on, and let go by the last call."""
    await stage.upsert(a_row())
    assert stage.writes() == [
        "POST SalesOrderHeadersV4",
        "POST SalesOrderLinesV3",
        "POST SalesOrderLinesV3",
        "PATCH SalesOrderHeadersV4",
    ]
    first = next(request for request in stage.proxy.calls if post_of("SalesOrderHeadersV4")(request))
    assert b'"IsSalesProcessingStopped":"Yes"' in first.body
    assert stage.header()["IsSalesProcessingStopped"] == "No"


async def test_an_order_that_is_to_stay_stopped_does(stage: UpsertStage) -> None:
    await stage.upsert(a_row(IsSalesProcessingStopped="Yes"))
    assert stage.header()["IsSalesProcessingStopped"] == "Yes"


@pytest.mark.parametrize("broken", range(4))
async def test_wherever_it_breaks_off_a_repeat_completes_it(stage: UpsertStage, broken: int) -> None:
    seen_writes = 0

    def the_write(request: RecordedRequest) -> bool:
        nonlocal seen_writes
        seen_writes += writes(request)
        return writes(request) and seen_writes == broken + 1

    stage.proxy.cut(the_write)
    first = await stage.upsert(a_row())
    assert first.outcome is Outcome.UNKNOWN
    second = await stage.upsert(a_row())
    assert second.outcome is Outcome.OK
    assert len(stage.orders()) == 1
    assert [line["ExternalItemNumber"] for line in stage.lines()] == ["1", "2"]
    assert stage.header()["IsSalesProcessingStopped"] == "No"
    assert first.reference in ("", second.reference)


async def test_an_unknown_creation_asks_for_time_before_anybody_looks(stage: UpsertStage) -> None:
    stage.proxy.cut(post_of("SalesOrderHeadersV4"))
    assert (await stage.upsert(a_row())).retry_after_ms == RECONCILE_AFTER_MS


async def test_a_second_header_stays_stopped_and_is_reported(stage: UpsertStage) -> None:
    """A creation that took effect after it was looked for in vain."""
    first = await stage.upsert(a_row())
    twin = {"CustomersOrderReference": REFERENCE, "SalesOrderOriginCode": "IOM", "OrderingCustomerAccountNumber": "W"}
    stage.simulators.of(FnoSimulator).orders.create(
        {**twin, "dataAreaId": "usmf", "IsSalesProcessingStopped": "Yes"}, "usmf"
    )
    again = await stage.upsert(a_row())
    assert again.reference == first.reference
    assert again.detail == "also at F+O with this reference, and stopped: 000002"
    assert [order.stopped for order in stage.orders()] == [False, True]


async def test_nothing_is_written_when_nothing_differs(stage: UpsertStage) -> None:
    await stage.upsert(a_row())
    stage.proxy.calls.clear()
    assert (await stage.upsert(a_row())).outcome is Outcome.OK
    assert stage.writes() == []


async def test_only_what_changed_is_written(stage: UpsertStage) -> None:
    before = a_row()
    created = await stage.upsert(before)
    known = applied(change(before, None, 1), None, created.reference, lots_of(created))
    after = replace(before, Email="new@example.com", Lines=(a_line(1), a_line(2, ShippingWarehouseId="24")))
    stage.proxy.calls.clear()
    result = await stage.upsert(after, plan(change(after, before), known))
    assert result.outcome is Outcome.OK
    assert stage.writes() == ["PATCH SalesOrderHeadersV4", "PATCH SalesOrderLinesV3"]
    bodies = [request.body for request in stage.proxy.calls if request.method == "PATCH"]
    assert bodies == [b'{"Email":"new@example.com"}', b'{"ShippingWarehouseId":"24"}']
    assert all(
        request.headers["if-match"].startswith('W/"') for request in stage.proxy.calls if request.method == "PATCH"
    )


async def test_lines_are_added_and_removed(stage: UpsertStage) -> None:
    before = a_row()
    created = await stage.upsert(before)
    known = applied(change(before, None, 1), None, created.reference, lots_of(created))
    after = replace(before, Lines=(a_line(2), a_line(3)))
    asked = plan(change(after, before), known)
    assert (await stage.upsert(after, asked)).outcome is Outcome.OK
    assert [line["ExternalItemNumber"] for line in stage.lines()] == ["2", "3"]
    assert (await stage.upsert(after, asked)).outcome is Outcome.OK, "a line that is gone is as good as removed"


async def test_a_line_that_somebody_removed_at_f_o_is_a_conflict(stage: UpsertStage) -> None:
    before = a_row()
    created = await stage.upsert(before)
    known = applied(change(before, None, 1), None, created.reference, lots_of(created))
    [order] = stage.orders()
    stage.simulators.of(FnoSimulator).orders.delete_line(order, lots_of(created)["2"])
    after = replace(before, Lines=(a_line(1), a_line(2, ShippingWarehouseId="24")))
    result = await stage.upsert(after, plan(change(after, before), known))
    assert (result.outcome, result.code, result.reference) == (Outcome.DECLINED, Code.CONFLICT, created.reference)


async def test_a_change_by_somebody_else_is_read_again_once(stage: UpsertStage) -> None:
    before = a_row()
    created = await stage.upsert(before)
    known = applied(change(before, None, 1), None, created.reference, lots_of(created))
    after = replace(before, Email="new@example.com")
    stage.proxy.answer(patch_of("SalesOrderHeadersV4"), 412)
    assert (await stage.upsert(after, plan(change(after, before), known))).outcome is Outcome.OK
    assert stage.header()["Email"] == "new@example.com"


async def test_a_change_that_never_fits_is_tried_later(stage: UpsertStage) -> None:
    before = a_row()
    created = await stage.upsert(before)
    known = applied(change(before, None, 1), None, created.reference, lots_of(created))
    after = replace(before, Email="new@example.com")
    for _ in range(2):
        stage.proxy.answer(patch_of("SalesOrderHeadersV4"), 412)
    result = await stage.upsert(after, plan(change(after, before), known))
    assert (result.outcome, result.code) == (Outcome.RETRY, Code.CONFLICT)


async def test_what_the_rules_of_f_o_refuse_is_declined_in_its_words(stage: UpsertStage) -> None:
    row = a_row(DefaultShippingSiteId="", Lines=(a_line(1), a_line(2, ItemNumber="")))
    stage.proxy.answer(post_of("SalesOrderLinesV3"), 500, INFOLOG)
    result = await stage.upsert(row)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID)
    assert "Inventory dimension Site is mandatory" in result.detail
    assert result.reference == stage.header()["SalesOrderNumber"]
    assert stage.header()["IsSalesProcessingStopped"] == "Yes"


INFOLOG = (
    b'{"error":{"code":"","message":"An error has occurred.","innererror":{"message":"Write failed for table row of '
    b"type 'SalesOrderLineV3Entity'. Infolog: Warning: Inventory dimension Site is mandatory and must consequently be "
    b'specified.; Error: Update has been canceled."}}}'
)


async def test_s5_an_order_without_a_company_never_leaves(stage: UpsertStage) -> None:
    result = await stage.upsert(a_row(dataAreaId=""))
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.GATE)
    assert "dataAreaId" in result.detail
    assert stage.proxy.calls == []


async def test_an_order_that_could_not_be_found_again_is_not_created(stage: UpsertStage) -> None:
    result = await stage.upsert(a_row(CustomersOrderReference=""))
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID)
    assert stage.writes() == []


def born_there(stage: UpsertStage) -> tuple[SalesOrder, SalesOrderRow]:
    """An order of F+O's own with one line, and our row that says it was delivered."""
    wire = {"dataAreaId": "usmf", "OrderingCustomerAccountNumber": "US-001", "CustomersOrderReference": "PO 77"}
    order = stage.simulators.of(FnoSimulator).orders.create({**wire, "DefaultShippingSiteId": "1"}, "usmf")
    key = {"dataAreaId": "usmf", "SalesOrderNumber": order.number, "ItemNumber": "A", "ExternalItemNumber": "theirs"}
    _, line = stage.simulators.of(FnoSimulator).orders.add_line(key, "usmf")
    lot = str(line.values["InventoryLotId"])
    row = a_row(
        "",
        SalesOrderNumber=order.number,
        SalesOrderOriginCode="",
        SalesOrderProcessingStatus="Delivered",
        Lines=(a_line(1, InventoryLotId=lot, ItemNumber="A", ExternalItemNumber=""),),
    )
    return order, row


async def test_an_order_born_in_f_o_gets_its_status(stage: UpsertStage) -> None:
    """Shipped by somebody else: F+O is told, its own fields are left alone."""
    order, row = born_there(stage)
    result = await stage.upsert(row)
    assert (result.outcome, result.reference) == (Outcome.OK, order.number), result
    assert order.status == "Delivered"
    assert order.header.values["CustomersOrderReference"] == "PO 77"
    [line] = order.lines.values()
    assert line.values["ExternalItemNumber"] == "theirs"


@pytest.mark.parametrize("later", ["PartiallyInvoiced", "Invoiced"])
async def test_a_status_that_f_o_has_passed_since_an_attempt_whose_reply_was_lost(
    stage: UpsertStage, later: str
) -> None:
    order, row = born_there(stage)
    stage.proxy.cut(patch_of("WaybillSalesOrderStatuses"))
    assert (await stage.upsert(row)).outcome is Outcome.UNKNOWN
    stage.simulators.of(FnoSimulator).progression.advance(order, later, (), "fno")
    assert (await stage.upsert(row)).outcome is Outcome.OK
    assert order.status == later


async def test_a_tenant_that_takes_no_status_where_it_is_shown_is_said_so(stage: UpsertStage) -> None:
    order, row = born_there(stage)
    url = f"{stage.proxy.url}/fno"
    provider = Fno(
        url, f"{url}/token", "simulated-client", lambda: "simulated-fno-secret", timeouts=PATIENT, clock=Clock()
    )
    result = await provider.upsert(row, first_plan(row, "e-1"), ALWAYS)
    await provider.close()
    assert (result.outcome, result.code, order.status) == (Outcome.DECLINED, Code.INVALID, "Active")
    assert "Field 'SalesOrderProcessingStatus' does not allow editing." in result.detail
    assert "WAYBILL_FNO_STATUS_FIELD" in result.detail


async def test_an_order_that_is_gone_at_f_o_is_said_so(stage: UpsertStage) -> None:
    row = a_row()
    asked = plan(change(row, None), ApplyState("000404"))
    result = await stage.upsert(row, asked)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.NOT_FOUND)


async def test_names_with_quotes_and_slashes_are_found_again(stage: UpsertStage) -> None:
    reference = "bc-d'emo-5/0 0&x=1#%2F+é"
    row = a_row(reference)
    first = await stage.upsert(row)
    assert (await stage.upsert(row)).reference == first.reference
    assert len(stage.orders(reference)) == 1


async def test_many_lines_come_in_pages() -> None:
    def short_pages(world: World) -> FnoSimulator:
        return FnoSimulator(world, FnoOptions(page_size=3), MemoryRows())

    async with serve(SimulatorOptions(vendors={"fno": short_pages})) as simulators:
        simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES))
        url = f"{simulators.base_url}/fno"
        provider = Fno(
            url,
            f"{url}/token",
            "simulated-client",
            lambda: "simulated-fno-secret",
            timeouts=PATIENT,
            clock=Clock(),
            status_field=STATUS_AT,
        )
        row = a_row(Lines=tuple(a_line(at) for at in range(1, 8)))
        first = await provider.upsert(row, first_plan(row, "e-1"), ALWAYS)
        again = await provider.upsert(row, first_plan(row, "e-1"), ALWAYS)
        await provider.close()
        assert lots_of(again) == lots_of(first)
        assert len(lots_of(first)) == 7
