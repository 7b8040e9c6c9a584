"""Replay without a broker: what is written is shown, and nothing but a record that a role read is written."""

import pytest

from app.commands import dead_letters
from app.events.dead_letters import dead_letter
from app.events.record import DEAD_LETTER, Output, Record
from app.kafka import transactions
from tests.agents.stand_ins import AT, as_json
from tests.commands.console import Console

HOSTILE = "x\x1b[2J[/red]\u202e"
FORGED = (("waybill-dead-topic", b"order-ledger"), ("waybill-dead-key", b"\0position"))


def lying(topic: str, key: str, forged: tuple[tuple[str, bytes], ...] = ()) -> Record:
    """A dead letter of a record with forged headers, as the next reader finds it."""
    record = as_json(topic, key, {"order_id": key}, offset=7)
    record = record._replace(headers=(*forged, *record.headers))
    letter = dead_letter(record, "no-flow", f"no flow {HOSTILE}", "orchestrate", AT)
    return Record(DEAD_LETTER, 1, 0, AT, letter.key, letter.value, tuple(letter.headers))


@pytest.fixture
def letters() -> list[Record]:
    """What dead-letter holds: an order, a lane's own record and one of no role."""
    return [
        lying("order-created", "a[/x]", FORGED),
        lying("fulfillment-requested", "b"),
        lying("order-ledger", "\0position"),
    ]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, letters: list[Record]) -> list[Output]:
    """What commands write."""
    outputs: list[Output] = []

    async def read(_servers: str) -> dict[str, Record]:
        return {(letter.key or b"").decode(): letter for letter in letters}

    async def transact(_servers: str, records: list[Output]) -> None:
        outputs.extend(records)

    monkeypatch.setattr(dead_letters, "_read", read)
    monkeypatch.setattr(transactions, "transact", transact)
    return outputs


def test_a_replay_shows_and_writes_the_record_that_the_lane_read(waybill: Console, written: list[Output]) -> None:
    said = waybill("dead-letters", "replay", "order-created/0/7")
    assert (said.code, said.out) == (0, "1 replayed\n")
    assert said.err == "order-created/0/7: to order-created, key a[/x], 21 bytes, headers content-type\n"
    record, tombstone = written
    assert (record.topic, record.key, record.headers) == (
        "order-created",
        b"a[/x]",
        [("content-type", b"application/json")],
    )
    assert (tombstone.topic, tombstone.key, tombstone.value) == (DEAD_LETTER, b"order-created/0/7", None)


def test_a_dry_run_shows_it_and_writes_nothing(waybill: Console, written: list[Output]) -> None:
    said = waybill("dead-letters", "replay", "order-created/0/7", "--dry-run")
    assert (said.code, said.out, written) == (0, "1 to replay\n", [])
    assert "to order-created, key a[/x]" in said.err
    assert waybill("dead-letters", "replay", "order-created/0/7", "--dry-run", "--json").json == {
        "to_replay": ["order-created/0/7"]
    }


def test_what_no_role_reads_is_refused_with_all_that_was_named(waybill: Console, written: list[Output]) -> None:
    said = waybill("dead-letters", "replay", "order-created/0/7", "order-ledger/0/7")
    assert (said.code, said.out, written) == (1, "", [])
    assert "order-ledger/0/7 cannot be replayed: no role reads order-ledger" in said.err
    assert "nothing was written" in said.err


def test_what_a_lane_wrote_for_a_role_can_be_replayed(waybill: Console, written: list[Output]) -> None:
    assert waybill("dead-letters", "replay", "fulfillment-requested/0/7").code == 0
    assert [output.topic for output in written] == ["fulfillment-requested", DEAD_LETTER]


@pytest.mark.usefixtures("written")
def test_a_letter_that_no_lane_gathered_is_refused(waybill: Console, letters: list[Record]) -> None:
    marks = (("waybill-dead-code", b"c"), ("waybill-dead-offsets", b"0-9999999999999999999"))
    letters.append(Record(DEAD_LETTER, 1, 0, AT, b"order-created/0/0", b"", marks))
    said = waybill("dead-letters", "replay", "order-created/0/0")
    assert (said.code, said.out) == (1, "")
    assert "no lane gathers 10000000000000000000 records in one dead letter" in said.err


@pytest.mark.usefixtures("written")
def test_hostile_text_is_listed_and_shown_as_text(waybill: Console) -> None:
    for arguments in (("list",), ("show", "order-created/0/7")):
        said = waybill("dead-letters", *arguments)
        assert said.code == 0
        assert "a[/x]" in said.out
        assert "x\\x1b[2J[/red]\\u202e" in said.out
        assert "\x1b" not in said.out
