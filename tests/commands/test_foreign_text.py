"""What others wrote is printed as text by every command: no markup, nothing that acts on a terminal, no forged line."""

import ast
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.commands import output
from app.domain.order import TimelineEntry
from app.events.model import LineStatus, OrderStatus, SourceExplanation
from app.events.record import Record
from app.inventory.item_stock import ItemStock, Shelf
from app.inventory.ledger_values import BackorderRun, BackorderRuns, ExplainedPlan, SourcedOrder, WaitingLine
from app.kafka import topic_reader
from app.queries import order_queries, sourcing_queries
from app.queries.views import order_view
from app.resources import ROOT
from tests.agents.stand_ins import AT, as_record
from tests.commands.console import Console
from tests.flows.journey import Journey, an_order

HOSTILE = "a[/x][red]:bomb:\x1b]0;t\x07\x9b2J\u202e\u2066\r\nforged\x7f\u2028\ud800"
AS_TEXT = r"a[/x][red]:bomb:\x1b]0;t\x07\x9b2J\u202e\u2066\r\nforged\x7f\u2028\ud800"
IN_KAFKA = HOSTILE.replace("\ud800", "")
"""Records are UTF-8, which has no half characters."""
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries answer with what a hostile producer may have written."""
    journey = Journey(an_order(1))
    journey.created()
    state = journey.state
    line = msgspec.structs.replace(state.order.lines[0], line_id=HOSTILE, sku=HOSTILE, site=HOSTILE)
    order = msgspec.structs.replace(state.order, order_id=HOSTILE, reason=HOSTILE, lines=(line,), company=HOSTILE)
    entry = state.timeline[0]
    timeline: tuple[TimelineEntry, ...] = (msgspec.structs.replace(entry, source=HOSTILE, note=HOSTILE),)
    state = msgspec.structs.replace(state, order=order, flow=HOSTILE, timeline=timeline)
    explanation = SourceExplanation(
        line_id=HOSTILE, site=HOSTILE, warehouse=HOSTILE, chosen=False, code=HOSTILE, reason=HOSTILE
    )
    kinds: dict[type[Any], list[Any]] = {
        ItemStock: [ItemStock(HOSTILE, {HOSTILE: Shelf(HOSTILE, 10_000)})],
        SourcedOrder: [SourcedOrder(HOSTILE, HOSTILE, waiting=(WaitingLine(HOSTILE, HOSTILE, 10_000, AT, AT),))],
        BackorderRuns: [BackorderRuns(HOSTILE, jobs=(BackorderRun("e", AT, "command", HOSTILE),))],
    }

    async def all_orders(_cluster: object, _keys: object) -> list[Any]:
        return [state]

    async def find_view(_cluster: object, _order: str, _keys: object) -> dict[str, Any]:
        return order_view(state)

    async def values(_cluster: object, kind: type[Any], _keys: object) -> list[Any]:
        return kinds[kind]

    async def find_explained(_cluster: object, _order: str, _keys: object) -> list[ExplainedPlan]:
        return [ExplainedPlan(HOSTILE, 1, AT, strategy=HOSTILE, explanations=(explanation,))]

    monkeypatch.setattr(order_queries, "all_orders", all_orders)
    monkeypatch.setattr(sourcing_queries, "find_view", find_view)
    monkeypatch.setattr(sourcing_queries, "values", values)
    monkeypatch.setattr(sourcing_queries, "find_explained", find_explained)


COMMANDS = ["orders list", "orders show x", "backorders list", "stock list", "sourcing explain x"]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("command", COMMANDS)
def test_tables_and_sentences_hold_it_as_text(waybill: Console, command: str) -> None:
    said = waybill(*command.split())
    assert (said.code, said.err) == (0, "")
    assert AS_TEXT in said.out
    assert not ACTING.search(said.out)
    assert not [line for line in said.out.splitlines() if line.startswith("forged")]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("command", COMMANDS)
def test_json_holds_it_and_nothing_in_it_acts(waybill: Console, command: str) -> None:
    said = waybill(*command.split(), "--json")
    assert not ACTING.search(said.out)
    assert HOSTILE in strings(said.json)


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, content in value.items():
            yield from (name, *strings(content))
    elif isinstance(value, list):
        for content in value:
            yield from strings(content)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_watched_orders_are_text(waybill: Console, monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    journey = Journey(an_order(1))
    journey.created()
    event = next(event for event in journey.steps[0].events if isinstance(event.body, OrderStatus))
    lines = (LineStatus(IN_KAFKA, IN_KAFKA, IN_KAFKA),)
    body = msgspec.structs.replace(event.body, reason=IN_KAFKA, lines=lines)
    record = as_record(msgspec.structs.replace(event, body=body))

    @asynccontextmanager
    async def consumer(_cluster: object) -> AsyncIterator[None]:
        yield None

    async def partitions(_reader: object, _topic: str) -> list[Any]:
        return []

    async def follow(_reader: object, _places: object) -> AsyncIterator[Record]:
        async def records() -> AsyncIterator[Record]:
            yield record

        return records()

    monkeypatch.setattr(topic_reader, "consumer", consumer)
    monkeypatch.setattr(topic_reader, "partitions", partitions)
    monkeypatch.setattr(topic_reader, "follow", follow)
    said = waybill("orders", "watch", *options)
    assert said.code == 0
    assert len(said.out.splitlines()) == 1
    assert not ACTING.search(said.out)
    if options:
        assert said.json["reason"] == IN_KAFKA
    else:
        assert AS_TEXT.removesuffix(r"\ud800") in said.out


def test_problems_are_text_on_as_many_lines_as_they_have(capsys: pytest.CaptureFixture[str]) -> None:
    output.refusal(f"first {HOSTILE}\nsecond\t[/x]")
    output.note(f"note {HOSTILE}")
    said = capsys.readouterr()
    assert said.out == ""
    assert not ACTING.search(said.err.replace("\t", ""))
    first, forged, second, note = said.err.splitlines()
    assert first == r"waybill: first a[/x][red]:bomb:\x1b]0;t\x07\x9b2J\u202e\u2066\r"
    assert forged.startswith("forged")
    assert second.startswith("second")
    assert second.endswith("[/x]")
    assert note == f"note {AS_TEXT}"


@pytest.mark.usefixtures("ledger")
def test_an_operators_argument_is_text_too(waybill: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async def find_view(_cluster: object, _order: str, _keys: object) -> None:
        return None

    monkeypatch.setattr(sourcing_queries, "find_view", find_view)
    said = waybill("orders", "show", "a[/x]\x1b[2J")
    assert (said.code, said.err) == (1, "waybill: no order a[/x]\\x1b[2J in the ledger\n")


@pytest.mark.parametrize("path", sorted((ROOT / "app/commands").glob("*.py")), ids=lambda path: path.stem)
def test_no_command_prints_past_the_one_place(path: Path) -> None:
    if path.stem == "output":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name | ast.Attribute):
            assert ast.unparse(node) not in ("print", "typer.echo", "typer.secho", "sys.stdout", "sys.stderr")
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not ast.unparse(node).partition("import")[0].startswith(("from rich", "from click"))
