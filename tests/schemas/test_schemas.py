"""The published schemas, their lock, and that nobody can change one by accident."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest

from app import resources
from app.errors import SchemaError
from app.events import avro_schemas, codec
from app.events.avro_schemas import load
from app.events.avro_shapes import problems, records_in
from app.events.model import OrderCreated
from app.events.record import Record
from tests.events.bodies import PUBLISHED

FILES = resources.schema_files()
LOCK = resources.schema_lock()
NAMES = sorted(FILES)
COMMAND = "order-command.v1.avsc"


def next_version(*fields: dict[str, Any], drop: int = 0) -> tuple[dict[str, str], str]:
    """The published files and lock with a second version of order-command."""
    schema = json.loads(FILES[COMMAND])
    schema["fields"] = schema["fields"][: len(schema["fields"]) - drop] + list(fields)
    text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
    lock = json.loads(LOCK)
    digest = hashlib.sha256(text.encode()).hexdigest()
    lock["order-command-value"]["2"] = {"id": 500, "sha256": digest, "file": "order-command.v2.avsc"}
    return FILES | {"order-command.v2.avsc": text}, json.dumps(lock)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_avro_for_a_general_library(name: str) -> None:
    schema = json.loads(FILES[name])
    parsed: Any = fastavro.parse_schema(schema)
    assert parsed["name"].startswith("waybill.")
    assert list(everything_without_doc(schema)) == []


def everything_without_doc(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if ("fields" in schema or schema.keys() >= {"name", "type"}) and not schema.get("doc"):
            yield schema["name"]
        for value in schema.values():
            yield from everything_without_doc(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from everything_without_doc(item)


def test_a_record_of_one_name_is_the_same_everywhere() -> None:
    found: dict[str, set[str]] = {}
    for name, text in FILES.items():
        for definition in definitions(json.loads(text)):
            found.setdefault(f"{name.rpartition('.v')[2]} {definition['name']}", set()).add(json.dumps(definition))
    shared = {name for name, texts in found.items() if len(texts) > 1}
    assert shared == set()
    assert "1.avsc Order" in found


def definitions(schema: Any) -> Iterator[dict[str, Any]]:
    """Named records as written, without those inside that are only referred to by name elsewhere."""
    if isinstance(schema, dict):
        if "fields" in schema:
            yield schema
        for value in schema.values():
            yield from definitions(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from definitions(item)


@pytest.mark.parametrize("subject", sorted(PUBLISHED.by_subject))
def test_every_version_reads_every_other(subject: str) -> None:
    for reader, writer in itertools.product(PUBLISHED.by_subject[subject], repeat=2):
        assert list(problems(reader.shape, writer.shape)) == []


def test_ids_are_unique_and_stable() -> None:
    assert sorted(PUBLISHED.by_id) == list(range(1, len(PUBLISHED.by_id) + 1))
    assert PUBLISHED.latest("order-created-value").id == 1


def test_a_published_file_never_changes() -> None:
    changed = FILES[COMMAND].replace("Who asked for it.", "Who asked.")
    assert changed != FILES[COMMAND]
    with pytest.raises(SchemaError, match=r"schemas/order-command\.v1\.avsc: differs .* write the next version"):
        load(FILES | {COMMAND: changed}, LOCK)


def test_white_space_may_change() -> None:
    load(FILES | {COMMAND: json.dumps(json.loads(FILES[COMMAND]), indent=7)}, LOCK)


def test_a_published_file_stays() -> None:
    with pytest.raises(SchemaError, match=r"order-command\.v1\.avsc is gone"):
        load({name: text for name, text in FILES.items() if name != COMMAND}, LOCK)


def test_a_new_file_asks_for_its_line_in_the_lock() -> None:
    files, locked = next_version({"name": "note", "type": "string", "default": "", "doc": "A note."})
    with pytest.raises(SchemaError, match="version 2 is missing; add") as caught:
        load(files, LOCK)
    line = json.loads("{" + str(caught.value).partition("add ")[2] + "}")
    assert line["2"] == {**json.loads(locked)["order-command-value"]["2"], "id": len(PUBLISHED.by_id) + 1}


def test_a_field_with_a_default_may_come_and_go() -> None:
    files, lock = next_version({"name": "note", "type": ["null", "string"], "default": None, "doc": "A note."}, drop=1)
    latest = load(files, lock).latest("order-command-value")
    assert (latest.version, latest.id) == (2, 500)


@pytest.mark.parametrize(
    ("added", "drop", "problem"),
    [
        ([{"name": "note", "type": "string", "doc": "A note."}], 0, "v2 cannot read v1: note: is not written"),
        ([], 4, "v1 cannot read v2: command: is not written"),
        ([{"name": "values", "type": "string", "default": "", "doc": "x"}], 1, "values: map cannot be read as string"),
    ],
)
def test_an_incompatible_version_is_refused(added: list[dict[str, Any]], drop: int, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        load(*next_version(*added, drop=drop))


@pytest.mark.parametrize(
    ("lock", "problem"),
    [
        ("[]", "lock.json: Expected `object`"),
        ('{"a-value": {"1": {"id": 1, "sha256": "x"}}}', "missing required field `file`"),
        (
            '{"a-value": {"1": {"id": 1, "sha256": "x", "file": "a"}, "2": {"id": 1, "sha256": "x", "file": "b"}}}',
            r"ids \[1\] are given twice",
        ),
        ('{"a-value": {"2": {"id": 1, "sha256": "x", "file": "a.v2.avsc"}}}', "is gone"),
    ],
)
def test_a_broken_lock_is_named(lock: str, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        load({}, lock)


def test_versions_have_no_gap() -> None:
    files, lock = next_version()
    content = json.loads(lock)
    versions = content["order-command-value"]
    versions["3"] = {**versions.pop("2"), "file": "order-command.v3.avsc"}
    files["order-command.v3.avsc"] = files.pop("order-command.v2.avsc")
    with pytest.raises(SchemaError, match="have a gap"):
        load(files, json.dumps(content))


@pytest.mark.parametrize(("name", "text"), [("order.avsc", "{}"), ("order.v0.avsc", "{}"), ("order.v1.avsc", "{")])
def test_other_files_are_refused(name: str, text: str) -> None:
    with pytest.raises(SchemaError, match=name):
        load(FILES | {name: text}, LOCK)


def test_a_subject_without_schema_says_what_to_add() -> None:
    with pytest.raises(SchemaError, match=r"add schemas/elsewhere\.v1\.avsc"):
        PUBLISHED.latest(avro_schemas.subject_of("elsewhere"))


def test_every_topics_schema_is_self_contained() -> None:
    for versions in PUBLISHED.by_subject.values():
        assert all(list(records_in(schema.shape)) for schema in versions)


def test_the_example_is_an_order_whose_totals_add_up() -> None:
    text = resources.read_text("schemas/examples/order-created.json")
    event = codec.load().decode(Record("order-created", 0, 0, 0, None, text.encode(), ()))
    assert isinstance(event.body, OrderCreated)
    order = event.body.order
    assert order.total == sum(line.total for line in order.lines) + order.shipping + order.tax - order.discount
