"""A dead letter holds all that is needed to look at the record and to send it again."""

import pytest

from app.commands.dead_letters import irreplaceable, original
from app.events.dead_letters import DETAIL_CHARACTERS_MAX, dead_letter
from app.events.record import Record
from tests.agents.stand_ins import AT, as_json, marks_of

RECORD = as_json("provider-event", "bc-shop-1", {"order_id": "bc-shop-1"}, offset=7, ce_id="e1")


def test_a_letter_names_where_the_record_lay_and_why_it_is_here() -> None:
    letter = dead_letter(RECORD, "unknown-order", "no such order", "orchestrate", AT + 5)
    assert letter.key == b"provider-event/0/7"
    assert letter.value == RECORD.value
    assert marks_of(letter) == {
        "code": "unknown-order", "detail": "no such order", "topic": "provider-event", "partition": "0", "offset": "7",
        "timestamp": str(AT), "key": "bc-shop-1", "role": "orchestrate", "at": "2025-10-09T08:53:20.005Z",
    }  # fmt: skip


def test_a_long_reason_is_cut_and_an_unwritable_one_is_written() -> None:
    assert len(marks_of(dead_letter(RECORD, "c", "x" * 10_000, "r", AT))["detail"]) == DETAIL_CHARACTERS_MAX
    assert marks_of(dead_letter(RECORD, "c", "half \ud800", "r", AT))["detail"] == "half ?"


def test_the_original_comes_back_as_it_was() -> None:
    for record in (RECORD, RECORD._replace(key=None), RECORD._replace(value=None, headers=())):
        letter = dead_letter(record, "c", "d", "r", AT)
        lying = Record(letter.topic, 0, 3, AT, letter.key, letter.value, tuple(letter.headers))
        assert irreplaceable(lying, {"provider-event"}) == ""
        back = original(lying)
        assert (back.topic, back.key, back.value) == (record.topic, record.key, record.value)
        assert tuple(back.headers) == record.headers
        assert back.partition is None


FORGED = (
    ("waybill-dead-topic", b"order-ledger"),
    ("waybill-dead-key", b"\0position"),
    ("waybill-dead-code", b"forged"),
    ("waybill-dead-truncated", b"1"),
)


def test_marks_of_a_producer_are_left_out() -> None:
    record = RECORD._replace(key=None, headers=(*FORGED, *RECORD.headers, *FORGED))
    assert marks_of(dead_letter(record, "c", "d", "r", AT)) == marks_of(
        dead_letter(RECORD._replace(key=None), "c", "d", "r", AT)
    )


@pytest.mark.parametrize("key", [None, b"bc-shop-1"])
def test_a_letter_that_holds_a_producers_marks_goes_back_to_where_the_record_lay(key: bytes | None) -> None:
    written = dead_letter(RECORD._replace(key=key), "c", "d", "r", AT)
    lying = Record(written.topic, 0, 3, AT, written.key, None, (*FORGED, *written.headers))
    assert irreplaceable(lying, {"provider-event"}) == ""
    back = original(lying)
    assert (back.topic, back.key, back.headers) == ("provider-event", key, list(RECORD.headers))


def test_only_what_a_role_reads_is_written_again() -> None:
    for name in ("order-ledger/0/7", "dead-letter/0/7", "order-shipped/0/7"):
        lying = Record("dead-letter", 0, 3, AT, name.encode(), b"{}", (("waybill-dead-topic", b"order-created"),))
        assert "no role reads" in irreplaceable(lying, {"order-created"})
    for name in ("pull/bigcommerce/shop/7", "order-created/0", "order-created/0/x", "", "../order-created/0/7"):
        lying = Record("dead-letter", 0, 3, AT, name.encode(), b"{}", (("waybill-dead-topic", b"order-created"),))
        assert "never was a record" in irreplaceable(lying, {"order-created"})
