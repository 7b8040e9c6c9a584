"""A fulfiller that tells of trouble: the order stays where it is, and its timeline says what happened."""

from app.flows.reactions.provider_reports import NOTE_CHARS_MAX
from tests.flows.journey import Journey, an_order

WHY = {"reason": "out_of_stock", "detail": "no S-BLUE"}


def sent() -> Journey:
    """An order that the fulfiller has."""
    journey = Journey(an_order())
    journey.created()
    journey.answered("send")
    return journey


def test_a_delay_keeps_the_status_and_is_in_the_timeline() -> None:
    journey = sent()
    before = journey.state.order
    step = journey.reported("order delayed", by="flexe", values=WHY)
    assert (step.outcome, journey.state.order) == ("applied", before)
    entry = journey.state.timeline[-1]
    assert entry.event == "order delayed"
    assert entry.note.startswith("flexe")
    assert entry.note.endswith(": out_of_stock, no S-BLUE")
    assert [event.name for event in step.events] == ["order status changed"]


def test_what_is_told_without_end_is_cut() -> None:
    journey = sent()
    journey.reported("order delayed", by="flexe", values={"detail": "x" * 1000})
    assert len(journey.state.timeline[-1].note) == NOTE_CHARS_MAX


def test_goods_leave_after_a_delay_as_before_it() -> None:
    journey = sent()
    journey.reported("order delayed", by="flexe", values=WHY)
    journey.reported("order shipped", by="flexe", lines={"1": 20_000, "2": 5_000})
    step = journey.reported("order delayed", by="flexe", values=WHY)
    assert step.outcome == "applied", "part of it left, the rest is late"
    journey.reported("order shipped", by="flexe", lines={"2": 15_000})
    assert journey.status == "Fulfillment in Process / Packed"
    assert journey.reported("order delayed", by="flexe", values=WHY).outcome == "applied", "it was overtaken"
    assert journey.status == "Fulfillment in Process / Packed"


def test_an_order_that_was_not_sent_is_not_delayed() -> None:
    journey = Journey(an_order(lines=0))
    journey.created()
    assert journey.status == "Canceled / Validation failed"
    step = journey.reported("order delayed", by="flexe", values=WHY)
    assert (step.outcome, step.code) == ("parked", "no-transition")
