"""JSON Schemas (draft 2020-12) of what producers may write as JSON, made of the models that read it, and examples.

What a schema accepts the intake takes. The intake takes a little more: whole numbers as text, other forms of ISO 8601.
Two things only words say: amounts as numbers have up to four places, and a record has up to RECORD_BYTES_MAX.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.errors import RecordError
from app.events import dualwrite_rows, json_intake
from app.events.catalog import ERP_ROWS
from app.events.codec import Codec
from app.events.record import unsent

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
HINTS: Final = "pull-requested"
_HINT: Final = {"description": "The key names the source, as provider/store. The value says nothing: {} will do."}
WRITE: Final = "run `make schemas`"


def documents() -> dict[str, str]:
    """Name below schemas/ -> text of the JSON Schema of every topic that producers write."""
    schemas = {topic: model.model_json_schema() for topic, model in json_intake.MODELS.items()}
    schemas |= {ERP_ROWS: dualwrite_rows.json_schema(), HINTS: _HINT}
    return {schema_file(topic): _text(topic, schema) for topic, schema in sorted(schemas.items())}


def schema_file(topic: str) -> str:
    return f"{topic}.schema.json"


def example_file(topic: str) -> str:
    return f"examples/{topic}.json"


def problems(files: Mapping[str, str], codec: Codec) -> Iterator[str]:
    """Yield what is wrong with the published files, by name below schemas/.

    Those are schemas that the code has left behind, topics without an example, and examples that the codec refuses.
    """
    expected = documents()
    for name, text in expected.items():
        if files.get(name) != text:
            yield f"schemas/{name}: is not what the code says; {WRITE}"
    for name in sorted(name for name in files if name.endswith(".schema.json") and name not in expected):
        yield f"schemas/{name}: there is no such topic; delete it"
    for topic in (*json_intake.MODELS, ERP_ROWS, HINTS):
        yield from _example_problems(topic, files.get(example_file(topic)), codec)


def _example_problems(topic: str, text: str | None, codec: Codec) -> Iterator[str]:
    place = f"schemas/{example_file(topic)}"
    if text is None or text.count("\n") != 1:
        yield f"{place}: write one example as one line of JSON"
    elif topic != HINTS:
        try:
            codec.order_id(unsent(topic, text.encode()))
        except RecordError as problem:
            yield f"{place}: {problem.detail}"


def _text(topic: str, schema: Mapping[str, Any]) -> str:
    return json.dumps({"$schema": DIALECT, **schema, "title": topic}, indent=2) + "\n"
