"""When one schema can read another's data."""

from typing import Any

import pytest

from app.errors import SchemaError
from app.events.avro_shapes import RecordShape, problems, shape_of


def record(*fields: dict[str, Any], name: str = "R") -> RecordShape:
    return shape_of(
        {"type": "record", "name": name, "fields": [{"doc": "x", **field} for field in fields]}, "r.v1.avsc"
    )


A: dict[str, Any] = {"name": "a", "type": "string"}
B: dict[str, Any] = {"name": "b", "type": "string"}


@pytest.mark.parametrize(
    ("old", "new", "forward", "backward"),
    [
        (record(A), record(A), [], []),
        (record(A), record(A, {**B, "default": ""}), [], []),
        (record(A), record(A, B), ["b: is not written and has no default"], []),
        (record(A, B), record(A), [], ["b: is not written and has no default"]),
        (
            record(A),
            record({**A, "type": "long"}),
            ["a: string cannot be read as long"],
            ["a: long cannot be read as string"],
        ),
        (record(A), record({**A, "type": ["null", "string"]}), [], ["a: nullable cannot be read as string"]),
        (record(A), record(A, name="S"), [".: record R cannot be read as S"], [".: record S cannot be read as R"]),
        (
            record({**A, "type": "long"}),
            record({**A, "type": {"type": "long", "logicalType": "timestamp-millis"}}),
            ["a: long cannot be read as time"],
            ["a: time cannot be read as long"],
        ),
        (
            record({**A, "type": {"type": "array", "items": "string"}}),
            record({**A, "type": {"type": "array", "items": "boolean"}}),
            ["a[]: string cannot be read as boolean"],
            ["a[]: boolean cannot be read as string"],
        ),
        (
            record({**A, "type": {"type": "map", "values": "string"}}),
            record({**A, "type": {"type": "array", "items": "string"}}),
            ["a: map cannot be read as array"],
            ["a: array cannot be read as map"],
        ),
    ],
)
def test_both_directions(old: RecordShape, new: RecordShape, forward: list[str], backward: list[str]) -> None:
    assert list(problems(new, old)) == forward
    assert list(problems(old, new)) == backward


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("string", "not a record"),
        ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}, "lacks name, type or doc"),
        (
            {"type": "record", "name": "R", "fields": [{"name": "a", "type": "double", "doc": ""}]},
            "a: type 'double' is not used",
        ),
        (
            {
                "type": "record",
                "name": "R",
                "fields": [
                    {
                        "name": "a",
                        "doc": "",
                        "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
                    }
                ],
            },
            "precision 18 and scale 4",
        ),
    ],
)
def test_other_avro_is_refused_with_file_and_path(schema: Any, problem: str) -> None:
    with pytest.raises(SchemaError, match=f"r.v1.avsc: .*{problem}"):
        shape_of(schema, "r.v1.avsc")
