"""Whatever the order and the number of arrivals: the same events, each once, and the fields of the newest row."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.order import Order
from app.dualwrite.changed_fields import assign
from app.dualwrite.processing_status import LINE, PROCESSING, Milestone, progress_of
from app.dualwrite.status_handler import Mirrored, MirrorState
from app.events.model import ProviderEvent
from app.events.sales_order_change import SalesOrderChange, SalesOrderRow
from tests.dualwrite.rows import MIRROR, ORDERS, a_change, a_line, a_row, our_row

MILESTONES = [step.event for step in Milestone if step]
CITIES = st.sampled_from(["Springfield", "Shelbyville", "Ogdenville"])
Flat = tuple[str, str]
Sent = tuple[list[SalesOrderChange], list[SalesOrderChange]]
"""A history and its arrivals."""


@st.composite
def histories(draw: st.DrawFn) -> list[SalesOrderChange]:
    """Rows of one order as F+O may send them: any status, any line statuses, lines that come and go."""
    changes = []
    for version in range(1, draw(st.integers(2, 6)) + 1):
        numbers = draw(st.lists(st.integers(1, 3), unique=True, min_size=1, max_size=3))
        lines = tuple(
            a_line(number, SalesOrderLineStatus=draw(st.sampled_from(list(LINE)))) for number in sorted(numbers)
        )
        row = a_row(draw(st.sampled_from(list(PROCESSING))), DeliveryAddressCity=draw(CITIES), Lines=lines)
        changes.append(a_change(row, version))
    return changes


@st.composite
def arrivals(draw: st.DrawFn) -> Sent:
    """A history, and the same rows in any order, some of them again."""
    history = draw(histories())
    again = draw(st.lists(st.sampled_from(history), max_size=5))
    return history, draw(st.permutations([*history, *again]))


def run(changes: list[SalesOrderChange], state: MirrorState | None = None) -> tuple[list[Mirrored], MirrorState]:
    told = []
    for change in changes:
        told.append(MIRROR.handle(state, change))
        state = told[-1].state
    assert state is not None
    return told, state


def raised(told: list[Mirrored]) -> list[ProviderEvent]:
    return [event for each in told for event in each.events if event.event != "order changed"]


def header(events: list[ProviderEvent]) -> list[str]:
    return [event.event for event in events if not event.lines and event.event in MILESTONES]


def lines_told(events: list[ProviderEvent]) -> list[Flat]:
    return [(event.event, line.line_id) for event in events for line in event.lines]


def line_history(changes: list[SalesOrderChange], events: list[ProviderEvent]) -> set[Flat]:
    """What a subscriber knows of the lines in the end; the order's own event tells it of every line."""
    lines = {str(line.LineNumber) for change in changes for line in change.row.Lines}
    whole = {(event, line) for event in header(events) for line in lines}
    return whole | set(lines_told(events))


def followed(told: list[Mirrored]) -> Order:
    """The order as a subscriber builds it from the events."""
    order = told[0].created
    assert order is not None
    for each in told:
        for event in each.events:
            order = assign(order, event.values)
    return replace(order, lines=tuple(sorted(order.lines, key=lambda line: line.line_id)))


@given(arrivals())
def test_the_orders_milestones_are_raised_once_each_in_their_order(sent: Sent) -> None:
    history, arrived = sent
    told, _ = run(arrived)
    highest = max(progress_of(change.row).whole for change in history)
    assert header(raised(told)) == MILESTONES[:highest]
    canceled = [event for event in raised(told) if event.event == "order canceled"]
    assert len(canceled) == any(change.row.SalesOrderProcessingStatus == "Canceled" for change in history)


@given(arrivals())
def test_the_lines_end_the_same_and_nothing_is_told_twice(sent: Sent) -> None:
    history, arrived = sent
    straight, disturbed = raised(run(history)[0]), raised(run(arrived)[0])
    assert line_history(history, disturbed) == line_history(history, straight)
    told = lines_told(disturbed)
    assert len(told) == len(set(told))
    for at, event in enumerate(disturbed):
        if event.lines:
            assert event.event not in header(disturbed[:at])


@given(arrivals())
def test_the_fields_end_as_in_the_newest_row(sent: Sent) -> None:
    history, arrived = sent
    told, state = run(arrived)
    newest = ORDERS.to_order(history[-1].row)
    assert state.order == newest
    assert followed(told) == newest
    assert sum(each.created is not None for each in told) == 1


@given(arrivals())
def test_a_second_delivery_of_everything_is_nothing(sent: Sent) -> None:
    history, arrived = sent
    _, state = run(arrived)
    told, after = run(history, state)
    assert after == state
    assert all(each.created is None and not each.events and each.outcome == "stale" for each in told)


@given(arrivals())
def test_the_state_in_the_end_does_not_depend_on_the_arrivals(sent: Sent) -> None:
    history, arrived = sent
    straight, disturbed = run(history)[1], run(arrived)[1]
    assert replace(disturbed, contested=()) == replace(straight, contested=())


@given(histories(), st.data())
def test_orders_that_we_made_too(history: list[SalesOrderChange], data: st.DataObject) -> None:
    """After the echo of our own creation the rows may come in any order."""
    ours = [replace(change, after=_as_ours(change)) for change in history]
    first = a_change(our_row(lines=3), 0, origin="iom")
    arrived = data.draw(st.permutations([*ours, *ours]))
    told, state = run([first, *arrived])
    assert header(raised(told)) == header(raised(run([first, *ours])[0]))
    assert state.order == ORDERS.to_order(ours[-1].row)
    assert all(each.created is None for each in told)


def _as_ours(change: SalesOrderChange) -> SalesOrderRow:
    row = change.row
    lines = tuple(replace(line, ExternalItemNumber=f"9{line.LineNumber}") for line in row.Lines)
    return replace(row, SalesOrderOriginCode="IOM", CustomersOrderReference="bc-s1-77", Lines=lines)
