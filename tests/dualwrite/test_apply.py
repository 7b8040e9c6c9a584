"""What a row of ours means for F+O."""

import msgspec
import pytest
from msgspec.structs import replace

from app.dualwrite.write_plan import (
    LINE_READ_ONLY,
    READ_ONLY,
    ApplyState,
    LineWrite,
    WriteDecision,
    applied,
    digest,
    echoed,
    line_writable,
    plan,
    writable,
)
from app.errors import RecordError
from tests.dualwrite.rows import a_change, a_line, a_row, our_row

_THEIRS = our_row(SalesOrderNumber="")
OURS = replace(_THEIRS, Lines=tuple(replace(line, InventoryLotId="") for line in _THEIRS.Lines))
THERE = {"91": "LOT-91", "92": "LOT-92"}


def known_after(version: int = 1) -> ApplyState:
    return applied(a_change(OURS, version, origin="iom"), None, "SO-7", THERE)


def test_an_order_that_fno_does_not_have_is_created_with_all_its_lines() -> None:
    made = plan(a_change(OURS, origin="iom"), None)
    assert (made.kind, made.number, made.fields) == (WriteDecision.CREATE, "", writable(OURS))
    fields = line_writable(OURS)
    assert made.lines == (LineWrite("create", "91", fields), LineWrite("create", "92", fields))


def test_a_creation_of_unknown_result_is_tried_as_a_creation_again() -> None:
    assert plan(a_change(OURS, 2, origin="iom"), ApplyState()).kind is WriteDecision.CREATE


def test_an_update_writes_what_differs_from_the_row_that_fno_has() -> None:
    line, second = OURS.Lines
    after = replace(OURS, Email="new@example.com", Lines=(replace(line, ShippingWarehouseId="14"), second))
    made = plan(a_change(after, 2, before=OURS, origin="iom"), known_after())
    assert (made.kind, made.number, made.fields) == (WriteDecision.UPDATE, "SO-7", ("Email",))
    assert made.lines == (LineWrite("update", "91", ("ShippingWarehouseId",), "LOT-91"),)


def test_an_update_writes_everything_when_the_row_before_never_got_there() -> None:
    """The change in between was refused or lost: a difference from the row before would lose it for good."""
    lost = replace(OURS, DeliveryAddressCity="Shelbyville")
    made = plan(a_change(replace(lost, Email="b@example.com"), 3, before=lost, origin="iom"), known_after())
    assert made.fields == writable(OURS)
    assert [(write.kind, write.lot) for write in made.lines] == [("update", "LOT-91"), ("update", "LOT-92")]


def test_lines_are_added_and_removed() -> None:
    first = OURS.Lines[0]
    added = replace(a_line(3), ExternalItemNumber="93", InventoryLotId="")
    made = plan(a_change(replace(OURS, Lines=(first, added)), 2, before=OURS, origin="iom"), known_after())
    assert [(write.kind, write.line_id, write.lot) for write in made.lines] == [
        ("create", "93", ""),
        ("remove", "92", "LOT-92"),
    ]


def test_nothing_differs_nothing_is_written() -> None:
    made = plan(a_change(OURS, 2, before=OURS, origin="iom"), known_after())
    assert (made.kind, made.fields, made.lines) == (WriteDecision.UPDATE, (), ())


def test_a_row_that_was_applied_or_overtaken_is_stale() -> None:
    assert [plan(a_change(OURS, version, origin="iom"), known_after(5)).kind for version in (4, 5, 6)] == [
        WriteDecision.SKIP_STALE,
        WriteDecision.SKIP_STALE,
        WriteDecision.UPDATE,
    ]


def test_a_change_of_fno_is_not_written_back() -> None:
    assert plan(a_change(OURS, 2, origin="fno"), known_after()).kind is WriteDecision.SKIP_ECHO


def test_the_gate_refuses_and_names_what_is_missing() -> None:
    closed = replace(OURS, dataAreaId="", InvoiceCustomerAccountNumber="")
    made = plan(a_change(closed, origin="iom"), None)
    assert (made.kind, made.missing) == (WriteDecision.REFUSE, ("dataAreaId", "InvoiceCustomerAccountNumber"))
    assert plan(a_change(replace(OURS, isReadyToSync=False), origin="iom"), None).missing == ("isReadyToSync",)


def test_an_order_of_fno_is_never_created_and_what_is_its_own_is_left_alone() -> None:
    made = plan(a_change(a_row(), origin="iom"), None)
    assert (made.kind, made.number) == (WriteDecision.UPDATE, "SO-000123")
    assert not {"CustomersOrderReference", "SalesOrderOriginCode"} & set(made.fields)
    assert all("ExternalItemNumber" not in write.fields for write in made.lines)
    assert [(write.kind, write.lot) for write in made.lines] == [("update", "LOT-1"), ("update", "LOT-2")]


def test_what_fno_computes_is_never_written() -> None:
    made = plan(a_change(OURS, origin="iom"), None)
    assert not READ_ONLY & set(made.fields)
    assert all(not LINE_READ_ONLY & set(write.fields) for write in made.lines)


@pytest.mark.parametrize(
    ("known", "row", "written"),
    [
        ("Active", "Delivered", True),
        ("Delivered", "Picked", False),
        ("Delivered", "Delivered", False),
        ("PartiallyInvoiced", "Invoiced", True),
        ("Picked", "Canceled", True),
        ("Canceled", "Delivered", False),
    ],
)
def test_the_status_goes_forward_only(known: str, row: str, written: bool) -> None:
    state = replace(known_after(), status=known)
    change = a_change(replace(OURS, SalesOrderProcessingStatus=row), 2, before=OURS, origin="iom")
    asked = replace(change, source=replace(change.source, effect_id="e-1"))
    assert ("SalesOrderProcessingStatus" in plan(asked, state).fields) == written
    assert applied(asked, state).status == (row if written else known)
    # Unasked, F+O is told of fields alone: it may be that others ship or invoice this order.
    assert "SalesOrderProcessingStatus" not in plan(change, state).fields
    assert applied(change, state).status == known


def test_a_status_that_is_told_undoes_no_change_that_fno_made_meanwhile() -> None:
    theirs = a_row()
    told = a_change(replace(theirs, SalesOrderProcessingStatus="Delivered"), 7, before=theirs, origin="iom")
    asked = replace(told, source=replace(told.source, effect_id="e-1"))
    made = plan(asked, None)
    assert (made.kind, made.fields, made.lines) == (WriteDecision.UPDATE, ("SalesOrderProcessingStatus",), ())
    known = applied(asked, None)
    assert (known.status, plan(asked, known).fields) == ("Delivered", ())
    # One that was made here before and did not get through is written when it is tried again.
    moved = a_change(replace(theirs, DeliveryAddressStreet="9 Moved Rd"), 5, before=theirs, origin="iom")
    assert "DeliveryAddressStreet" in plan(moved, known).fields


def test_what_was_applied_is_remembered_and_survives_the_ledger() -> None:
    state = known_after(3)
    assert state == ApplyState("SO-7", 3, digest(OURS), "Active", (("91", "LOT-91"), ("92", "LOT-92")))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=ApplyState) == state
    later = applied(a_change(OURS, 4, origin="iom"), state, lots={"93": "LOT-93"})
    assert (later.number, later.version, dict(later.lots)) == ("SO-7", 4, {**THERE, "93": "LOT-93"})


def test_an_echo_is_trusted_only_on_top_of_the_row_that_fno_has() -> None:
    theirs = replace(OURS, Email="theirs@example.com")
    assert echoed(a_change(theirs, 2, before=OURS), known_after()).digest == digest(theirs)
    lost = replace(OURS, DeliveryAddressCity="Shelbyville")
    assert echoed(a_change(theirs, 2, before=lost), known_after()).digest == b""
    assert echoed(a_change(a_row(), 1), None).digest == digest(a_row())
    assert echoed(a_change(OURS, 1), None).digest == b""


def test_a_deletion_is_not_ours_to_make() -> None:
    with pytest.raises(RecordError, match="never deleted"):
        plan(a_change(None, 2, op="d", before=OURS, origin="iom"), known_after())
