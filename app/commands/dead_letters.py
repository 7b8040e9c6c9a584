"""`waybill dead-letters`: what was set aside and why; put it back or put it away (docs/adr/0011)."""

import asyncio
import os
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from app.agents.role import DEAD_LETTER, Output, Record
from app.commands import output
from app.errors import SettingError
from app.runtime import reading, writing
from app.settings import Settings

commands = typer.Typer(help="Records that were set aside: list, show, replay, discard.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Ids = Annotated[list[str], typer.Argument(help="Ids as listed: topic/partition/offset.", metavar="ID...")]
PREFIX: Final = "waybill-dead-"
VALUE_SHOWN_MAX: Final = 2_000


@commands.command(name="list")
def list_letters(code: Annotated[str | None, typer.Option(help="Only this code.")] = None, json: Json = False) -> None:
    """Every dead letter that was neither replayed nor discarded."""
    letters = [_view(record) for record in _letters().values()]
    chosen = [letter for letter in letters if code is None or letter["code"] == code]
    if json:
        output.data(chosen)
        return
    table = Table("Id", "Key", "Code", "Why")
    for letter in chosen:
        table.add_row(letter["id"], letter["key"], letter["code"], letter["detail"])
    output.people.print(table)


@commands.command()
def show(letter: Annotated[str, typer.Argument(help="Id as listed.", metavar="ID")], json: Json = False) -> None:
    """One dead letter with its headers and value. Exit code 1 when there is none."""
    record = _chosen([letter])[0]
    shown = _view(record) | {"value": (record.value or b"")[:VALUE_SHOWN_MAX].decode(errors="backslashreplace")}
    if json:
        output.data(shown)
    else:
        for name, value in shown.items():
            output.people.print(f"{name:>10}  {value}", markup=False, highlight=False)


@commands.command()
def replay(ids: Ids) -> None:
    """Write them back to their topics and mark them as dealt with, in one transaction. Event ids stay the same."""
    records = _chosen(ids)
    for record in records:
        if why := irreplaceable(record):
            raise SettingError(f"{(record.key or b'').decode()} cannot be replayed: {why}; nothing was written")
    _write([original(record) for record in records] + [tombstone(record) for record in records])
    output.people.print(f"{len(records)} replayed")


@commands.command()
def discard(ids: Ids) -> None:
    """Mark them as dealt with."""
    records = _chosen(ids)
    _write([tombstone(record) for record in records])
    output.people.print(f"{len(records)} discarded")


def _write(outputs: list[Output]) -> None:
    asyncio.run(writing.transact(Settings.from_env(os.environ).bootstrap_servers, outputs))


def _chosen(ids: list[str]) -> list[Record]:
    letters = _letters()
    for name in ids:
        if name not in letters:
            raise SettingError(f"no dead letter {name}; `waybill dead-letters list` shows those there are")
    return [letters[name] for name in dict.fromkeys(ids)]


def _letters() -> dict[str, Record]:
    return asyncio.run(_read(Settings.from_env(os.environ).bootstrap_servers))


async def _read(bootstrap_servers: str) -> dict[str, Record]:
    letters: dict[str, Record] = {}
    async with reading.consumer(bootstrap_servers) as reader:
        async for record in reading.read_to_end(reader, await reading.partitions(reader, DEAD_LETTER)):
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
    """Why the letter cannot be sent again, empty when it can."""
    if not _header(record, "topic"):
        return "it never was a record of a topic; mend the order at its shop and it is pulled again, then discard this"
    if size := _header(record, "truncated"):
        return f"of its {size} bytes only the beginning was kept; its producer has to send it again, smaller"
    return ""


def original(record: Record) -> Output:
    """The record as it was before it was set aside: the key routes it, so that it meets its lane."""
    key = next((value for name, value in record.headers if name == PREFIX + "key"), None)
    headers = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
    return Output(_header(record, "topic"), key or None, record.value, headers)


def tombstone(record: Record) -> Output:
    """Resolves a dead letter, on its own partition: compaction is by partition."""
    return Output(DEAD_LETTER, record.key, None, (), record.partition)
