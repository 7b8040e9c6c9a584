"""docs/topics.md: what others publish and subscribe to, topic by topic. asyncapi.py has the same for tools."""

import json
from collections.abc import Iterator
from typing import Final

from app.events.catalog import BY_TOPIC
from app.events.json_schemas import HINTS, schema_file
from app.events.record import DEAD_LETTER
from app.kafka.topics import TopicSpec
from app.resources import ROOT
from tests.documents.asyncapi import newest_file, public_topics, readers
from tests.documents.topic_examples import examples, json_example

DOCUMENT: Final = ROOT / "docs/topics.md"
MARK: Final = "<!-- From here on `make docs` writes this page. -->\n"
SUBSCRIBED_FIRST: Final = "order-status"
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


def written(text: str) -> str:
    """Return the text of the page with all topics as they should be."""
    return text[: text.index(MARK)] + MARK + "\n" + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    specs = public_topics()
    intake = [spec for spec in specs if "any" in spec.writers]
    outputs = [spec for spec in specs if "any" not in spec.writers]
    outputs.sort(key=lambda spec: spec.name != SUBSCRIBED_FIRST)
    yield from ("## Publish", "", "| topic | what it says | key | read by |", "|---|---|---|---|")
    for spec in intake:
        yield f"| [`{spec.name}`](#{_anchor(spec)}) | {spec.meaning} | {spec.key} | {', '.join(readers(spec.name))} |"
    yield from (
        "",
        "## Subscribe",
        "",
        "| topic | what it says | key | written by | kept for |",
        "|---|---|---|---|---|",
    )
    for spec in outputs:
        writers = "every role" if spec.writers == ("each",) else ", ".join(spec.writers)
        yield f"| [`{spec.name}`](#{_anchor(spec)}) | {spec.meaning} | {spec.key} | {writers} | {_retention(spec)} |"
    for spec in (*intake, *outputs):
        yield from ("", *_section(spec))


def _section(spec: TopicSpec) -> Iterator[str]:
    count = "1 partition" if spec.partitions == 1 else f"{spec.partitions} partitions"
    yield from (f"### {spec.name}", "", f"{spec.meaning} Key: {spec.key}. {count}; {_retention(spec)}.")
    if spec.name in BY_TOPIC:
        file = newest_file(spec.name)
        example = examples()[spec.name]
        yield from ("", f"In Avro: [{file}](../schemas/{file}), `ce_type` is `{example.headers['ce_type']}`.", "")
        yield from ("```json", json.dumps(example.value, ensure_ascii=False), "```")
    if spec.name == HINTS or (spec.name in BY_TOPIC and BY_TOPIC[spec.name].intake):
        file = schema_file(spec.name)
        yield from ("", f"As JSON: [{file}](../schemas/{file}).", "", "```json")
        yield from (json.dumps(json_example(spec.name), ensure_ascii=False), "```")
    if spec.name == DEAD_LETTER:
        yield from ("", "The record's value as it came, in headers `waybill-dead-...` why and where from.")


def _anchor(spec: TopicSpec) -> str:
    """Return the name that GitHub gives the heading of a topic."""
    return spec.name.replace(".", "")


def _retention(spec: TopicSpec) -> str:
    if spec.retention_ms is None:
        return "the last record of each key stays"
    days, hours = spec.retention_ms // _DAY_MS, spec.retention_ms // _HOUR_MS
    return f"{days} days" if days else f"{hours} hour" if hours == 1 else f"{hours} hours"
