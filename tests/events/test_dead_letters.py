"""A dead letter holds all that is needed to look at the record and to send it again."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.dead_letters import irreplaceable, original
from app.events.dead_letters import DETAIL_CHARACTERS_MAX, dead_letter, gathered_letter, offsets_of
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


@given(st.sets(st.integers(0, 60) | st.integers(0, 2**63 - 1), min_size=1))
def test_a_letter_names_the_offsets_of_all_records_that_share_it(offsets: set[int]) -> None:
    letter = gathered_letter(RECORD, list(offsets), "c", "d", role="r", now_ms=AT)
    lying = Record(letter.topic, 0, 3, AT, letter.key, letter.value, tuple(letter.headers))
    runs = offsets_of(lying)
    assert [offset for run in runs for offset in run] == sorted(offsets)
    assert all(earlier.stop < later.start for earlier, later in pairwise(runs))


def test_a_letter_of_many_keeps_the_beginning_of_the_first() -> None:
    large = RECORD._replace(key=b"k" * 5_000, value=b"v" * 5_000, headers=(("their", b"h" * 5_000),))
    letter = gathered_letter(large, [7, 8], "c", "d", role="r", now_ms=AT)
    assert letter.value == b"v" * 1_024
    assert set(marks_of(letter)) == {
        "code",
        "detail",
        "topic",
        "partition",
        "offset",
        "timestamp",
        "role",
        "at",
        "offsets",
    }
    assert [name for name, _ in letter.headers if not name.startswith("waybill-dead-")] == []


def test_a_letter_of_a_record_without_a_value_is_not_taken_for_one_that_was_dealt_with() -> None:
    assert dead_letter(RECORD._replace(value=None), "c", "d", "r", AT).value == b""


@pytest.mark.parametrize("mark", [b"", b"7", b"7-", b"7-8,", b"a-b", b"7-8;9-9", b"-1-2"])
def test_offsets_that_no_lane_writes_are_none(mark: bytes) -> None:
    headers = (("waybill-dead-code", b"c"), ("waybill-dead-offsets", mark))
    assert offsets_of(Record("dead-letter", 0, 3, AT, b"order-created/0/7", b"", headers)) == []


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
