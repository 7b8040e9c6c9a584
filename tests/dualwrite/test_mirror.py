"""The status event handler by example (S3, S8)."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from app.dualwrite.status_handler import Mirrored, MirrorState
from app.errors import RecordError
from app.events.model import LineQuantity, ProviderEvent
from app.events.sales_order_change import SalesOrderChange, SalesOrderRow
from tests.dualwrite.rows import AT, MIRROR, a_change, a_row, our_row, with_lines


def run(*changes: SalesOrderChange | None) -> list[Mirrored]:
    state, told = None, []
    for change in changes:
        told.append(MIRROR.handle(state, change))
        state = told[-1].state
    return told


def rows(*after: SalesOrderRow) -> list[SalesOrderChange]:
    return [a_change(row, version) for version, row in enumerate(after, start=1)]


def names(told: Mirrored) -> list[str]:
    return [event.event for event in told.events]


def test_each_change_of_status_raises_exactly_one_event_and_no_change_none() -> None:
    statuses = ("Active", "Confirmed", "Confirmed", "Picked", "Delivered", "Delivered", "Invoiced", "Invoiced")
    told = run(*rows(*(a_row(status) for status in statuses)))
    assert [names(each) for each in told] == [
        [],
        ["order confirmed"],
        [],
        ["order picked"],
        ["order shipped"],
        [],
        ["order invoiced"],
        [],
    ]
    assert [each.outcome for each in told[:3]] == ["created", "applied", "unchanged"]


@pytest.mark.parametrize("make", [a_row, our_row])
def test_whichever_side_made_the_order(make: Callable[..., SalesOrderRow]) -> None:
    told = run(*rows(make("Confirmed"), make("Picked")))
    assert [names(each) for each in told] == [["order confirmed"], ["order picked"]]


def test_an_event_names_the_order_its_number_and_when() -> None:
    event = run(*rows(a_row(), a_row("Confirmed")))[1].events[0]
    assert event == ProviderEvent("fno-usmf-SO-000123", "fno", "order confirmed", "SO-000123", AT + 2)


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_the_first_row_of_an_order_of_fno_creates_it_whatever_the_operation(op: str) -> None:
    told = run(msgspec.structs.replace(a_change(a_row()), op=op))[0]
    assert told.created is not None
    assert (told.created.order_id, told.created.origin, told.created.ready_to_sync) == (
        "fno-usmf-SO-000123",
        "fno",
        True,
    )


def test_an_order_that_we_made_is_never_created_again() -> None:
    assert [each.created for each in run(*rows(our_row(), our_row("Confirmed")))] == [None, None]


def test_a_snapshot_of_a_delivered_order_tells_its_life_in_order() -> None:
    told = run(a_change(a_row("Delivered"), 40, op="r", snapshot="true"))[0]
    assert told.created is not None
    assert names(told) == ["order confirmed", "order picked", "order shipped"]


def test_the_same_row_again_is_nothing() -> None:
    first, again = run(a_change(a_row("Picked")), a_change(a_row("Picked")))
    assert first.outcome == "created"
    assert again == Mirrored(first.state, outcome="stale")


def test_an_older_row_changes_no_field_but_its_status_counts() -> None:
    new = a_row("Active", DeliveryAddressCity="Shelbyville")
    first, late = run(a_change(new, 5), a_change(a_row("Confirmed"), 4))
    assert names(late) == ["order confirmed"]
    assert late.state is not None
    assert late.state.order == first.created
    assert late.state.version == 5


def test_a_partial_delivery_is_told_for_its_lines_and_the_rest_once_for_the_order() -> None:
    told = run(
        *rows(
            a_row("Picked", 3),
            with_lines(a_row("PartiallyDelivered", 3), "Delivered", "Backorder", "Backorder"),
            with_lines(a_row("PartiallyDelivered", 3), "Delivered", "Delivered", "Backorder"),
            with_lines(a_row("Delivered", 3), "Delivered", "Delivered", "Delivered"),
        )
    )
    assert [names(each) for each in told[1:]] == [["order shipped"]] * 3
    assert [each.events[0].lines for each in told[1:]] == [
        (LineQuantity("1", 20_000, "LOT-1"),),
        (LineQuantity("2", 20_000, "LOT-2"),),
        (),
    ]


def test_a_partial_invoice_never_invoices_the_order() -> None:
    told = run(
        *rows(
            with_lines(a_row("Delivered"), "Delivered", "Delivered"),
            with_lines(a_row("PartiallyInvoiced"), "Invoiced", "Delivered"),
            with_lines(a_row("Invoiced"), "Invoiced", "Invoiced"),
        )
    )
    partial, whole = told[1].events, told[2].events
    assert [(event.event, [line.line_id for line in event.lines]) for event in partial] == [("order invoiced", ["1"])]
    assert [(event.event, event.lines) for event in whole] == [("order invoiced", ())]


def test_canceling_is_told_once() -> None:
    told = run(*rows(a_row("Confirmed"), a_row("Canceled"), a_row("Canceled")))
    assert [names(each) for each in told] == [["order confirmed"], ["order canceled"], []]


def test_deleting_a_live_order_cancels_it_once_and_an_old_row_does_not_revive_it() -> None:
    row = a_row("Confirmed")
    gone = a_change(None, 3, op="d", before=row)
    told = run(a_change(row, 2), gone, None, gone, a_change(row, 2), a_change(a_row("Picked"), 4))
    assert [(names(each), each.outcome) for each in told[1:]] == [
        (["order canceled"], "deleted"),
        ([], "tombstone"),
        ([], "stale"),
        ([], "stale"),
        ([], "stale"),
    ]
    assert told[1].events[0].reference == "SO-000123 deleted"
    assert all(each.created is None for each in told[1:])


def test_deleting_an_invoiced_or_canceled_order_cancels_nothing() -> None:
    for status in ("Invoiced", "Canceled"):
        told = run(a_change(a_row(status), 2), a_change(None, 3, op="d", before=a_row(status)))
        assert told[1].events == ()


def test_a_deletion_tells_what_its_last_row_shows() -> None:
    told = run(a_change(a_row("Delivered"), 2), a_change(None, 4, op="d", before=a_row("Invoiced")))
    assert names(told[1]) == ["order invoiced"]


def test_deleting_an_order_that_nobody_heard_of_is_only_remembered() -> None:
    told = run(a_change(None, 3, op="d", before=a_row()), a_change(a_row(), 1, op="c"))
    assert [(each.created, each.events) for each in told] == [(None, ())] * 2


def test_a_tombstone_of_an_unknown_order_is_nothing() -> None:
    assert run(None) == [Mirrored(None, outcome="tombstone")]


def test_only_fields_that_changed_are_told() -> None:
    after = a_row("Confirmed", DeliveryAddressCity="Shelbyville", RequestedShippingDate=AT)
    told = run(a_change(a_row()), a_change(after, 2))[1]
    assert names(told) == ["order changed", "order confirmed"]
    assert told.events[0].values == {"ship_to.city": "Shelbyville", "requested_ship_date": str(AT)}
    assert told.events[1].values == {}


def test_our_own_change_coming_back_is_an_echo_but_its_status_counts() -> None:
    ours = our_row("Confirmed", InvoiceCustomerAccountNumber="C-9")
    told = run(
        a_change(our_row(), 1, origin="iom", origin_version=3),
        a_change(ours, 2, origin="iom", origin_version=4),
        a_change(ours, 3, origin="iom", origin_version=5),
    )
    assert [(names(each), each.outcome) for each in told] == [
        ([], "echo"),
        (["order confirmed"], "applied"),
        ([], "echo"),
    ]


def test_a_change_of_fno_after_our_own_is_told_against_our_own() -> None:
    ours = our_row(InvoiceCustomerAccountNumber="C-9")
    told = run(
        a_change(our_row(), 1, origin="iom"),
        a_change(ours, 2, origin="iom"),
        a_change(replace(ours, DeliveryAddressCity="Shelbyville"), 3),
    )
    assert told[2].events[0].values == {"ship_to.city": "Shelbyville"}


def test_an_echo_over_a_field_that_fno_changed_tells_what_fno_ended_with() -> None:
    told = run(
        a_change(our_row(), 1, origin="iom"),
        a_change(our_row(DeliveryAddressCity="B"), 2),
        a_change(our_row(DeliveryAddressCity="C", Email="x@example.com"), 3, origin="iom"),
    )
    assert [event.values for event in told[2].events] == [{"ship_to.city": "C"}]


def test_an_echo_that_overtakes_a_change_of_fno_tells_that_change() -> None:
    """The row of the change comes last and is stale; the echo found the field changed and left it so."""
    moved = a_row("Confirmed", DeliveryAddressStreet="2 Elm Street")
    change = a_change(moved, 2, before=a_row("Confirmed"))
    delivered = replace(moved, SalesOrderProcessingStatus="Delivered")
    echo = a_change(delivered, 3, origin="iom", before=moved)
    told = run(a_change(a_row("Confirmed"), 1), echo, change)
    assert names(told[1]) == ["order changed", "order picked", "order shipped"]
    assert told[1].events[0].values == {"ship_to.street": "2 Elm Street"}
    assert (told[2].events, told[2].outcome) == ((), "stale")


def test_an_echo_that_overtakes_a_change_keeps_what_it_wrote_itself_to_itself() -> None:
    ours = our_row(InvoiceCustomerAccountNumber="C-9", DeliveryAddressCity="B")
    echo = a_change(ours, 3, origin="iom", before=our_row(DeliveryAddressCity="B"))
    told = run(a_change(our_row(), 1, origin="iom"), echo)
    assert [event.values for event in told[1].events] == [{"ship_to.city": "B"}]


def test_the_first_row_of_our_order_is_compared_with_the_one_before_it_if_there_is_one() -> None:
    after = our_row(DeliveryAddressCity="B")
    assert run(a_change(after, 2))[0].events == ()
    assert run(a_change(after, 2, before=our_row()))[0].events[0].values == {"ship_to.city": "B"}


@pytest.mark.parametrize("make", [a_row, our_row])
def test_a_company_never_changes(make: Callable[..., SalesOrderRow]) -> None:
    state = run(a_change(make()))[0].state
    with pytest.raises(RecordError, match=r"moved from company 'USMF' to 'DEMF'.*read-only once saved") as refused:
        MIRROR.handle(state, a_change(make(dataAreaId="DEMF"), 2))
    assert refused.value.code == "company-immutable"
    assert MIRROR.handle(state, a_change(make(dataAreaId="usmf"), 2)).events == ()


def test_a_company_never_changes_even_where_it_makes_another_order_id() -> None:
    change = a_change(a_row(dataAreaId="DEMF"), 2, before=a_row())
    with pytest.raises(RecordError, match="company"):
        MIRROR.handle(None, change)


def test_a_record_with_no_row_at_all_is_refused() -> None:
    with pytest.raises(RecordError, match="neither `before` nor `after`"):
        MIRROR.handle(None, a_change(None, op="d"))


def test_the_state_survives_the_ledger_and_stays_small() -> None:
    row = with_lines(a_row("PartiallyInvoiced", 5), "Invoiced", *["Delivered"] * 3, "Backorder")
    state = run(a_change(row), a_change(replace(row, Email="b@example.com"), 2))[1].state
    packed = msgspec.msgpack.encode(state)
    assert msgspec.msgpack.decode(packed, type=MirrorState) == state
    assert len(packed) < 700
    delivered = MIRROR.handle(state, a_change(replace(row, SalesOrderProcessingStatus="Delivered"), 3)).state
    assert delivered is not None
    assert delivered.lines == (("1", 4),)
    invoiced = MIRROR.handle(state, a_change(replace(row, SalesOrderProcessingStatus="Invoiced"), 3)).state
    assert invoiced is not None
    assert invoiced.lines == ()


def test_an_order_whose_lines_are_sourced_one_by_one_is_told_by_line() -> None:
    """S63c: a line may follow when the others are invoiced already, and the header's status then begins anew."""
    both = our_row(DefaultShippingWarehouseId="")
    first = replace(both, Lines=both.Lines[:1])
    told = run(
        *rows(
            replace(first, SalesOrderProcessingStatus="Confirmed"),
            replace(first, SalesOrderProcessingStatus="Picked"),
            with_lines(replace(first, SalesOrderProcessingStatus="Invoiced"), "Invoiced"),
            replace(with_lines(both, "Invoiced", "Backorder"), SalesOrderProcessingStatus="Active"),
            replace(with_lines(both, "Invoiced", "Backorder"), SalesOrderProcessingStatus="Picked"),
            replace(with_lines(both, "Invoiced", "Delivered"), SalesOrderProcessingStatus="PartiallyInvoiced"),
            replace(with_lines(both, "Invoiced", "Invoiced"), SalesOrderProcessingStatus="Invoiced"),
        )
    )
    seen = [
        [
            (event.event, [line.line_id for line in event.lines])
            for event in each.events
            if event.event != "order changed"
        ]
        for each in told
    ]
    one, two = (line.line_id for line in told[-1].state.order.lines)  # type: ignore[union-attr]
    assert seen == [
        [("order confirmed", [])],
        [("order picked", [one])],
        [("order shipped", [one]), ("order invoiced", [one])],
        [],
        [("order picked", [two])],
        [("order shipped", [two])],
        [("order invoiced", [two])],
    ]


def by_key(version: int) -> SalesOrderChange:
    """A deletion as a connector tells it that knows the key alone."""
    row = replace(a_row(), CurrencyCode="", SalesOrderProcessingStatus="", Lines=(), OrderTotalAmount=0)
    return a_change(None, version, "d", row)


def test_a_deletion_by_key_cancels_an_order_that_was_seen() -> None:
    _, told, late = run(a_change(a_row("Confirmed"), 1), by_key(2), a_change(a_row("Picked"), 3))
    assert [(event.event, event.reference) for event in told.events] == [("order canceled", "SO-000123 deleted")]
    assert (told.outcome, late.outcome, late.events) == ("deleted", "stale", ())


def test_a_deletion_by_key_of_an_invoiced_order_only_ends_it() -> None:
    assert names(run(a_change(a_row("Invoiced"), 1), by_key(2))[1]) == []


def test_a_deletion_by_key_of_an_order_that_nobody_saw_may_mean_one_of_ours() -> None:
    with pytest.raises(RecordError, match="REPLICA IDENTITY FULL") as caught:
        run(by_key(1))
    assert caught.value.code == "invalid"
