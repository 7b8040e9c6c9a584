"""Orders that F+O takes for one another, and texts that its fields cannot hold: each is told apart, cut or declined."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.dualwrite.write_plan import ApplyState, plan
from app.errors import SettingError
from app.events.sales_order_change import ChangeSource, SalesOrderChange, SalesOrderRow
from app.events.sales_order_reference import reference_of, url_of
from app.providers.fno import field_lengths
from app.providers.fno.actions import HEADERS, SHOWN_STATUS, first_plan, status_field
from app.providers.port import Code, Outcome, Result, UnsharedLease
from app.sandbox.vendors.fno import FnoSimulator
from app.sandbox.vendors.fno.entities import HEADER, LINE
from app.sandbox.vendors.fno.order_store import SalesOrder
from tests.dualwrite.rows import ORDERS, an_order
from tests.providers.fno.sales_order_rows import a_line, a_row
from tests.providers.fno.upsert_stage import UpsertStage
from tests.providers.fno.upsert_stage import stage as stage

ALWAYS = UnsharedLease()


def row_of(order_id: str, **fields: Any) -> SalesOrderRow:
    """As dual-write makes it."""
    return a_row(reference_of(order_id), URL=url_of(order_id), **fields)


async def send(stage: UpsertStage, row: SalesOrderRow) -> Result:
    return await stage.provider.upsert(row, first_plan(row, "e-1"), ALWAYS)


def stored(stage: UpsertStage) -> dict[str, tuple[str, str]]:
    """Reference -> URL and recipient of every order there is."""
    headers = [order.header.values for order in stage.simulators.of(FnoSimulator).orders.all()]
    return {values["CustomersOrderReference"]: (values["URL"], values["DeliveryAddressName"]) for values in headers}


def order_at(stage: UpsertStage, number: str) -> SalesOrder:
    order = stage.simulators.of(FnoSimulator).orders.find("usmf", number)
    assert order is not None
    return order


async def test_each_of_them_gets_an_order_of_its_own(stage: UpsertStage) -> None:
    ids = ("Case-A", "Wild-1", "Pure-1", "case-a", "Wild-*")
    numbers = [(await send(stage, row_of(name, DeliveryAddressName=name))).reference for name in ids]
    assert len(set(numbers)) == len(ids)
    assert {name for _, name in stored(stage).values()} == set(ids)
    assert stored(stage)[reference_of("Wild-*")] == ("Wild-*", "Wild-*")
    assert [(await send(stage, row_of(name, DeliveryAddressName=name))).reference for name in ids] == numbers


@pytest.mark.parametrize("order_id", ["Case-A", "Wild-*", "x*'y", "\u00e9t\u00e9"])
async def test_an_order_that_was_sent_under_its_id_is_found_and_keeps_its_reference(
    stage: UpsertStage, order_id: str
) -> None:
    """As it was before there were references: the creation's answer was lost, then Waybill was upgraded."""
    before = await send(stage, a_row(order_id))
    after = await send(stage, row_of(order_id, Email="new@example.com"))
    assert (after.outcome, after.reference) == (Outcome.OK, before.reference)
    assert list(stored(stage)) == [order_id]
    known = ApplyState(before.reference, 1)
    change = SalesOrderChange("u", 0, None, row_of(order_id, Email="b@example.com"), ChangeSource("iom", 2))
    result = await stage.provider.upsert(change.row, plan(change, known), ALWAYS)
    assert (result.outcome, result.reference) == (Outcome.OK, before.reference)
    assert list(stored(stage)) == [order_id]
    assert order_at(stage, before.reference).header.values["Email"] == "b@example.com"


async def test_an_order_that_took_another_one_s_place_before_is_held_and_changes_it_no_more(stage: UpsertStage) -> None:
    theirs = await send(stage, a_row("Case-A", DeliveryAddressName="Alice"))
    change = SalesOrderChange("u", 0, None, row_of("case-a", DeliveryAddressName="Bob"), ChangeSource("iom", 2))
    result = await stage.provider.upsert(change.row, plan(change, ApplyState(theirs.reference, 1)), ALWAYS)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.CONFLICT)
    assert theirs.reference in result.detail
    assert "'Case-A', which is not order 'case-a'" in result.detail
    assert stored(stage) == {"Case-A": ("", "Alice")}


async def test_an_order_of_f_o_s_own_with_the_same_reference_is_left_alone(stage: UpsertStage) -> None:
    own = {"OrderingCustomerAccountNumber": "US-001", "CustomersOrderReference": "po-77"}
    theirs = stage.simulators.of(FnoSimulator).orders.create(own, "usmf")
    result = await send(stage, row_of("po-77"))
    assert (result.outcome, result.reference != theirs.number) == (Outcome.OK, True)
    assert theirs.lines == {}


async def test_a_reference_that_somebody_changed_is_not_written_over(stage: UpsertStage) -> None:
    made = await send(stage, row_of("bc-demo-1"))
    order = order_at(stage, made.reference)
    stage.simulators.of(FnoSimulator).orders.patch(order, {"CustomersOrderReference": "PO 9"}, "fno")
    change = SalesOrderChange("u", 0, None, row_of("bc-demo-1", Email="b@example.com"), ChangeSource("iom", 2))
    result = await stage.provider.upsert(change.row, plan(change, ApplyState(made.reference, 1)), ALWAYS)
    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.CONFLICT)
    assert "restore 'bc-demo-1' there" in result.detail
    assert (order.header.values["CustomersOrderReference"], order.header.values["Email"]) == (
        "PO 9",
        "jane@example.com",
    )


@pytest.mark.parametrize("line_id", ["x" * 20, "x" * 21, "L" * 128, " 1", "1 ", "\U0001f69a" * 11, "~" + "a" * 16])
async def test_lines_of_any_id_are_found_again(stage: UpsertStage, line_id: str) -> None:
    order = an_order(
        lines=tuple(replace(line, line_id=line_id + tail) for line, tail in zip(an_order().lines, "ab", strict=True))
    )
    row = ORDERS.to_row(order)
    first, second = await send(stage, row), await send(stage, row)
    assert (first.outcome, first) == (Outcome.OK, second)
    assert len(order_at(stage, first.reference).lines) == 2


async def test_names_and_descriptions_are_cut_and_stay_as_they_were_cut(stage: UpsertStage) -> None:
    lines = (a_line(1, LineDescription="x" * 999 + " y"),)
    long = row_of("bc-demo-1", DeliveryAddressName="\U0001f69a" * 51, Lines=lines)
    first = await send(stage, long)
    order = order_at(stage, first.reference)
    assert order.header.values["DeliveryAddressName"] == "\U0001f69a" * 50
    assert [line.values["LineDescription"] for line in order.lines.values()] == ["x" * 999]
    stage.proxy.calls.clear()
    assert (await send(stage, long)).outcome is Outcome.OK
    assert stage.writes() == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (row_of("a", DeliveryAddressStreet="x" * 251), "DeliveryAddressStreet has 251 characters, at most 250"),
        (row_of("a", DeliveryAddressZipCode="\U0001f69a" * 11), "DeliveryAddressZipCode has 22 characters, at most 20"),
        (row_of("\U0001f69a" * 128), "URL has 256 characters, at most 255"),
        (row_of("a", Lines=(a_line(1), a_line(2, ItemNumber="x" * 21))), "Lines.2.ItemNumber has 21 characters"),
        (row_of("a", Lines=(a_line(1, ShippingSiteId="x" * 11),)), "Lines.1.ShippingSiteId has 11 characters"),
    ],
)
async def test_what_cannot_be_cut_is_declined_by_name_before_anything_is_sent(
    stage: UpsertStage, row: SalesOrderRow, said: str
) -> None:
    result = await send(stage, row)
    assert (result.outcome, result.code, stage.proxy.calls) == (Outcome.DECLINED, Code.INVALID, [])
    assert said in result.detail
    assert "shorten it in the order" in result.detail


async def test_a_field_that_is_not_written_may_be_as_long_as_it_was(stage: UpsertStage) -> None:
    made = await send(stage, row_of("bc-demo-1"))
    row = row_of("bc-demo-1", DeliveryAddressCity="x" * 81, Email="b@example.com")
    change = SalesOrderChange("u", 0, None, row, ChangeSource("iom", 2))
    asked = replace(plan(change, ApplyState(made.reference, 1)), fields=("Email",))
    assert (await stage.provider.upsert(row, asked, ALWAYS)).outcome is Outcome.OK


def test_lengths_are_those_of_the_simulated_fields() -> None:
    assert {name: HEADER.fields[name].length for name in field_lengths.HEADER} == field_lengths.HEADER
    assert {name: LINE.fields[name].length for name in field_lengths.LINE} == field_lengths.LINE
    texts = {name for name in SalesOrderRow.__struct_fields__ if name in HEADER.fields}
    writable = {name for name in texts if HEADER.fields[name].kind == "text" and HEADER.fields[name].access != "read"}
    assert writable == field_lengths.HEADER.keys()


@pytest.mark.parametrize("text", ["Status", "a/b/c", "a/", "/b", "a b/c", "SalesOrderHeadersV4/\u00e9"])
def test_a_status_field_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="WAYBILL_FNO_STATUS_FIELD"):
        status_field(text)


def test_a_status_field_is_a_collection_and_its_field() -> None:
    assert status_field("") == SHOWN_STATUS
    assert status_field(f"{HEADERS}/ContosoStatus") == (HEADERS, "ContosoStatus")
