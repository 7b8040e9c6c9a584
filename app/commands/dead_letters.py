"""`waybill dead-letters`: what was set aside and why; put it back or put it away (docs/adr/0011)."""

import asyncio
from typing import Annotated, Any, Final

import typer

from app.commands import output
from app.commands.environment import load_settings
from app.commands.words import Json, examples
from app.errors import SettingError
from app.events.record import DEAD_LETTER, Output, Record

commands = typer.Typer()
SHOWN: Final = "dead-letters show order-created/0/17"
Ids = Annotated[list[str], typer.Argument(help="Ids as listed: topic/partition/offset.", metavar="ID...")]
PREFIX: Final = "waybill-dead-"
VALUE_SHOWN_MAX: Final = 2_000


@commands.command(name="list", epilog=examples("dead-letters list", "dead-letters list --code no-flow --json"))
def list_letters(code: Annotated[str | None, typer.Option(help="Only this code.")] = None, json: Json = False) -> None:
    """Every dead letter that was neither replayed nor discarded."""
    letters = [_view(record) for record in _letters(load_settings().bootstrap_servers).values()]
    matching = [letter for letter in letters if code is None or letter["code"] == code]
    if json:
        output.data(matching)
        return
    rows = [[each["id"], each["key"], each["code"], output.moment(each["at"]), each["detail"]] for each in matching]
    output.table(("Id", "Key", "Code", "At", "Why"), rows)


@commands.command(epilog=examples(SHOWN, f"{SHOWN} --json"))
def show(letter: Annotated[str, typer.Argument(help="Id as listed.", metavar="ID")], json: Json = False) -> None:
    """One dead letter with its headers and value. Exit code 1 when there is none."""
    record = _find(load_settings().bootstrap_servers, [letter])[0]
    view = _view(record) | {"value": (record.value or b"")[:VALUE_SHOWN_MAX].decode(errors="backslashreplace")}
    if json:
        output.data(view)
    else:
        for name, value in view.items():
            output.line(f"{name:>10}  {value}")


@commands.command(epilog=examples("dead-letters replay order-created/0/17"))
def replay(ids: Ids, json: Json = False) -> None:
    """Write them back to their topics and mark them as dealt with, in one transaction. Event ids stay the same."""
    servers = load_settings().bootstrap_servers
    records = _find(servers, ids)
    for record in records:
        if why := irreplaceable(record):
            raise SettingError(f"{(record.key or b'').decode()} cannot be replayed: {why}; nothing was written")
    _write(servers, [original(record) for record in records] + [tombstone(record) for record in records])
    _tell("replayed", records, json)


@commands.command(epilog=examples("dead-letters discard order-created/0/17 order-created/3/2"))
def discard(ids: Ids, json: Json = False) -> None:
    """Mark them as dealt with."""
    servers = load_settings().bootstrap_servers
    records = _find(servers, ids)
    _write(servers, [tombstone(record) for record in records])
    _tell("discarded", records, json)


def _tell(what: str, records: list[Record], as_json: bool) -> None:
    if as_json:
        output.data({what: [(record.key or b"").decode() for record in records]})
    else:
        output.line(f"{len(records)} {what}")


def _write(servers: str, outputs: list[Output]) -> None:
    from app.kafka import transactions

    asyncio.run(transactions.transact(servers, outputs))


def _find(servers: str, ids: list[str]) -> list[Record]:
    letters = _letters(servers)
    for name in ids:
        if name not in letters:
            raise SettingError(f"no dead letter {name}; `waybill dead-letters list` shows those there are")
    return [letters[name] for name in dict.fromkeys(ids)]


def _letters(servers: str) -> dict[str, Record]:
    return asyncio.run(_read(servers))


async def _read(servers: str) -> dict[str, Record]:
    from app.kafka import topic_reader

    letters: dict[str, Record] = {}
    async with topic_reader.consumer(servers) as reader:
        async for record in topic_reader.read_to_end(reader, await topic_reader.partitions(reader, DEAD_LETTER)):
            name = (record.key or b"").decode()
            letters.pop(name, None)
            if record.value is not None or _header(record, "code"):
                letters[name] = record
    return letters


def _header(record: Record, name: str) -> str:
    return next((value.decode(errors="replace") for key, value in record.headers if key == PREFIX + name), "")


def _view(record: Record) -> dict[str, Any]:
    return {
        "id": (record.key or b"").decode(),
        "key": _header(record, "key"),
        "code": _header(record, "code"),
        "detail": _header(record, "detail"),
        "role": _header(record, "role"),
        "at": _header(record, "at"),
        "bytes": len(record.value or b""),
        "headers": {
            name: value.decode(errors="replace") for name, value in record.headers if not name.startswith(PREFIX)
        },
    }


def irreplaceable(record: Record) -> str:
    """Return why the letter cannot be sent again, empty when it can."""
    if not _header(record, "topic"):
        return "it never was a record of a topic; mend the order at its shop and it is pulled again, then discard this"
    if size := _header(record, "truncated"):
        return f"of its {size} bytes only the beginning was kept; its producer has to send it again, smaller"
    return ""


def original(record: Record) -> Output:
    """Return the record as it was before it was set aside: the key routes it, so that it meets its lane."""
    key = next((value for name, value in record.headers if name == PREFIX + "key"), None)
    headers = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
    return Output(_header(record, "topic"), key or None, record.value, headers)


def tombstone(record: Record) -> Output:
    """Return the record that resolves a dead letter, on its own partition: compaction is by partition."""
    return Output(topic=DEAD_LETTER, key=record.key, value=None, headers=(), partition=record.partition)
