"""`waybill dead-letters`: what was set aside and why; put it back or put it away (docs/adr/0011)."""

import asyncio
from collections.abc import Collection
from typing import Annotated, Any, Final

import typer

from app.commands import output
from app.commands.environment import load_cluster
from app.commands.words import Json, examples
from app.errors import SettingError
from app.events.dead_letters import marks_of, offsets_of, place_of, topic_of, value_of, without_marks
from app.events.record import DEAD_LETTER, Output, Record
from app.kafka.cluster_access import ClusterAccess

commands = typer.Typer()
SHOWN: Final = "dead-letters show order-created/0/17"
Ids = Annotated[list[str], typer.Argument(help="Ids as listed: topic/partition/offset.", metavar="ID...")]
VALUE_SHOWN_MAX: Final = 2_000
GATHERED_MAX: Final = 100_000
"""The most records that a checkpoint may have (WAYBILL_BATCH_RECORDS_MAX)."""


@commands.command(name="list", epilog=examples("dead-letters list", "dead-letters list --code no-flow --json"))
def list_letters(code: Annotated[str | None, typer.Option(help="Only this code.")] = None, json: Json = False) -> None:
    """Every dead letter that was neither replayed nor discarded. A letter of a flood stands for many records."""
    letters = [_view(record) for record in open_letters(load_cluster()).values()]
    matching = [letter for letter in letters if code is None or letter["code"] == code]
    if json:
        output.data(matching)
        return
    rows = [
        [each["id"], str(each["records"]), each["key"], each["code"], output.moment(each["at"]), each["detail"]]
        for each in matching
    ]
    output.table(("Id", "Records", "Key", "Code", "At", "Why"), rows)


@commands.command(epilog=examples(SHOWN, f"{SHOWN} --json"))
def show(letter: Annotated[str, typer.Argument(help="Id as listed.", metavar="ID")], json: Json = False) -> None:
    """One dead letter with its headers and value. Exit code 1 when there is none."""
    record = _find(load_cluster(), [letter])[0]
    view = _view(record) | {"value": (record.value or b"")[:VALUE_SHOWN_MAX].decode(errors="backslashreplace")}
    if json:
        output.data(view)
    else:
        for name, value in view.items():
            output.line(f"{name:>10}  {value}")


@commands.command(epilog=examples("dead-letters replay order-created/0/17"))
def replay(
    ids: Ids,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Write them back to their topics and mark them as dealt with, in one transaction. Event ids stay the same.

    What is written is shown first, on standard error. Only topics that a role reads are written. Records that share a
    dead letter are read from their topic: those that its retention has removed are counted, and do not come back.
    """
    cluster = load_cluster()
    records = _find(cluster, ids)
    readable = _read_by_roles()
    for record in records:
        if why := irreplaceable(record, readable):
            raise SettingError(f"{_id(record)} cannot be replayed: {why}; nothing was written")
    originals: list[Output] = []
    for record in records:
        some = _originals(cluster, record)
        output.note(f"{_id(record)}: {_sentence(some, _count(record))}")
        originals += some
    if not dry_run:
        _write(cluster, originals + [tombstone(record) for record in records])
    _tell("to replay" if dry_run else "replayed", records, json)


@commands.command(epilog=examples("dead-letters discard order-created/0/17 order-created/3/2"))
def discard(ids: Ids, json: Json = False) -> None:
    """Mark them as dealt with."""
    cluster = load_cluster()
    records = _find(cluster, ids)
    _write(cluster, [tombstone(record) for record in records])
    _tell("discarded", records, json)


def _tell(what: str, records: list[Record], as_json: bool) -> None:
    if as_json:
        output.data({what.replace(" ", "_"): [_id(record) for record in records]})
    else:
        output.line(f"{len(records)} {what}")


def _write(cluster: ClusterAccess, outputs: list[Output]) -> None:
    from app.kafka import transactions

    asyncio.run(transactions.transact(cluster, outputs))


def _find(cluster: ClusterAccess, ids: list[str]) -> list[Record]:
    letters = open_letters(cluster)
    for name in ids:
        if name not in letters:
            raise SettingError(f"no dead letter {name}; `waybill dead-letters list` shows those there are")
    return [letters[name] for name in dict.fromkeys(ids)]


def open_letters(cluster: ClusterAccess) -> dict[str, Record]:
    """Return the dead letters that were neither replayed nor discarded, by id. Raises BrokerError."""
    return asyncio.run(_read(cluster))


async def _read(cluster: ClusterAccess) -> dict[str, Record]:
    from app.kafka import topic_reader

    letters: dict[str, Record] = {}
    async with topic_reader.consumer(cluster) as reader:
        async for record in topic_reader.read_to_end(reader, await topic_reader.partitions(reader, DEAD_LETTER)):
            name = _id(record)
            letters.pop(name, None)
            if record.value is not None or "code" in marks_of(record):
                letters[name] = record
    return letters


def _id(letter: Record) -> str:
    return (letter.key or b"").decode(errors="replace")


def _view(record: Record) -> dict[str, Any]:
    marks = {name: mark.decode(errors="replace") for name, mark in marks_of(record).items()}
    return {
        "id": _id(record),
        **{name: marks.get(name, "") for name in ("key", "code", "detail", "role", "at")},
        "records": _count(record),
        "bytes": len(record.value or b""),
        "headers": {name: (value or b"").decode(errors="replace") for name, value in without_marks(record.headers)},
    }


def _count(letter: Record) -> int:
    """Return how many records the letter stands for."""
    return sum(run.stop - run.start for run in offsets_of(letter)) or 1


def _originals(cluster: ClusterAccess, letter: Record) -> list[Output]:
    """Return the records that the letter stands for, as they were. Raises SettingError when none is there any more."""
    if not (runs := offsets_of(letter)):
        return [original(letter)]
    records = asyncio.run(_read_runs(cluster, letter, runs))
    if not records:
        raise SettingError(f"the records of {_id(letter)} are no longer in {topic_of(letter)}: discard it")
    return [Output(each.topic, each.key, each.value, without_marks(each.headers)) for each in records]


async def _read_runs(cluster: ClusterAccess, letter: Record, runs: list[range]) -> list[Record]:
    from aiokafka import TopicPartition

    from app.kafka import topic_reader

    place, offsets = TopicPartition(*(place_of(letter) or ("", 0))), {offset for run in runs for offset in run}
    async with topic_reader.consumer(cluster) as reader:
        records = topic_reader.read_between(reader, place, min(offsets), max(offsets) + 1)
        return [record async for record in records if record.offset in offsets]


def _sentence(written: list[Output], count: int) -> str:
    """Return what a replay writes of the `count` records of a letter, for people."""
    if count > 1:
        gone = count - len(written)
        return f"to {written[0].topic}, {len(written)} records" + (f"; {gone} are no longer there" if gone else "")
    return _single_sentence(written[0])


def _single_sentence(written: Output) -> str:
    key = "no key" if written.key is None else f"key {written.key.decode(errors='backslashreplace')}"
    value = "no value (a tombstone)" if written.value is None else f"{len(written.value)} bytes"
    names = ", ".join(name for name, _ in written.headers) or "none"
    return f"to {written.topic}, {key}, {value}, headers {names}"


def _read_by_roles() -> frozenset[str]:
    from app.agents.apply import Apply
    from app.agents.mirror import Mirror
    from app.agents.orchestrate import Orchestrate
    from app.agents.perform import Perform
    from app.agents.pull import Pull
    from app.agents.source import Source

    return frozenset(topic for role in (Apply, Mirror, Orchestrate, Perform, Pull, Source) for topic in role.inputs)


def irreplaceable(letter: Record, readable: Collection[str]) -> str:
    """Return why the letter cannot be sent again, empty when it can. `readable` are the topics that roles read."""
    topic = topic_of(letter)
    if not topic:
        return "it never was a record of a topic; mend the order at its shop and it is pulled again, then discard this"
    if topic not in readable:
        return f"no role reads {topic}, so no record of it was set aside; discard it and see who writes {DEAD_LETTER}"
    if size := marks_of(letter).get("truncated", b"").decode(errors="replace"):
        return f"of its {size} bytes only the beginning was kept; its producer has to send it again, smaller"
    if (count := _count(letter)) > GATHERED_MAX:
        return f"no lane gathers {count} records in one dead letter; discard it and see who writes {DEAD_LETTER}"
    return ""


def original(letter: Record) -> Output:
    """Return the record as it was before it was set aside: the key routes it, so that it meets its lane."""
    key = marks_of(letter).get("key") or None
    return Output(topic_of(letter), key, value_of(letter), without_marks(letter.headers))


def tombstone(record: Record) -> Output:
    """Return the record that resolves a dead letter, on its own partition: compaction is by partition."""
    return Output(topic=DEAD_LETTER, key=record.key, value=None, headers=(), partition=record.partition)
