"""docs/asyncapi.yaml: Waybill's topics as an AsyncAPI 3.0 document, from topics.yaml, schemas/ and the catalog.

Operations are named from Waybill's side, as AsyncAPI asks: it receives what others publish, and sends what they
subscribe to. Payloads are the published schema files, by reference; examples are in topic_examples.py. Ledgers are
left out: they are nobody else's business.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import yaml

from app.agents.apply import Apply
from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.perform import Perform
from app.agents.pull import Pull
from app.agents.source import Source
from app.events.catalog import BY_TOPIC
from app.events.dead_letters import MARK
from app.events.headers import FORWARDED, SEALED
from app.events.json_schemas import HINTS, schema_file
from app.events.record import DEAD_LETTER
from app.kafka import topics
from app.kafka.topics import TopicSpec
from app.resources import ROOT
from app.sealing.key_book import TOPIC as ORDER_KEYS
from app.settings import Settings
from tests.documents.topic_examples import CODEC, PRODUCER, examples, json_example

DOCUMENT: Final = ROOT / "docs/asyncapi.yaml"
AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
BINDING: Final = "0.5.0"
LEDGER: Final = "-ledger"
WIDTH: Final = 140
_ROLES: Final = (Orchestrate, Source, Perform, Apply, Mirror, Pull)
_TEXT: Final = {"type": "string"}
_CLOUD_EVENT: Final = {
    "ce_id": ("The event's id. The same id is applied once, and is on one record of a topic.", _TEXT),
    "ce_type": ("The event's name, e.g. order shipped.", _TEXT),
    "ce_source": ("Who wrote it, e.g. waybill/orchestrate.", _TEXT),
    "ce_subject": ("The order id.", _TEXT),
    "ce_time": ("When it happened.", {**_TEXT, "format": "date-time"}),
    "ce_specversion": ("The version of CloudEvents.", {**_TEXT, "const": "1.0"}),
    "traceparent": ("W3C trace context: the trace of the event that caused this one.", _TEXT),
    "content-type": ("Avro in Confluent's framing.", {**_TEXT, "const": "avro/binary"}),
    "ce_causationid": ("The id of the event that caused this one; absent where there is none.", _TEXT),
}
_MARKS: Final = {
    SEALED: "1 where the personal fields of the value are sealed (docs/privacy.md); absent where they are plain.",
    FORWARDED: "Where this record was met first, as topic/partition/offset, in a copy for the partition of its order.",
}
"""Headers that some records have."""
_DEAD_LETTER: Final = {
    "code": "The kind of problem, e.g. malformed.",
    "detail": "What is wrong and how to send it right.",
    "role": "The role that could not use it.",
    "topic": "Where the record came from.",
    "partition": "Its partition there.",
    "offset": "Its offset there.",
    "timestamp": "Its time stamp there, in milliseconds since 1970.",
    "at": "When it was set aside.",
}


def written() -> str:
    """Return the document as it should be."""
    return yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=WIDTH)


def document() -> dict[str, Any]:
    """Return the document as values."""
    specs = public_topics()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waybill",
            "version": version("waybill"),
            "description": "Orders in, what happens to them out. Written by `make docs`; for people: docs/topics.md.",
        },
        "defaultContentType": "avro/binary",
        "servers": {
            "local": {
                "host": "127.0.0.1:9092",
                "protocol": "kafka",
                "description": "The broker of `waybill up`. Any worker answers what a schema registry is asked.",
                "bindings": {
                    "kafka": {
                        "schemaRegistryUrl": "http://127.0.0.1:6066",
                        "schemaRegistryVendor": "confluent",
                        "bindingVersion": BINDING,
                    }
                },
            }
        },
        "channels": {spec.name: _channel(spec) for spec in specs},
        "operations": {name: operation for spec in specs for name, operation in _operations(spec)},
        "components": {
            "messages": {name: message for spec in specs for name, message in messages(spec).items()},
            "schemas": {"CloudEvent": _headers(), "DeadLetter": _dead_letter_headers()},
        },
    }


def public_topics() -> list[TopicSpec]:
    """Return the topics that other programs may use, as topics.yaml has them."""
    return [spec for spec in topics.load() if not spec.name.endswith(LEDGER) and spec.name != ORDER_KEYS]


def readers(topic: str) -> list[str]:
    """Return the roles that read a topic."""
    return [role.name for role in _ROLES if topic in role.inputs]


def _channel(spec: TopicSpec) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": spec.cleanup.split(",")}
    if spec.retention_ms is not None:
        configuration["retention.ms"] = spec.retention_ms
    if spec.retention_bytes is not None:
        configuration["retention.bytes"] = spec.retention_bytes
    if spec.bytes_max is not None:
        configuration["max.message.bytes"] = spec.bytes_max
    return {
        "address": spec.name,
        "description": spec.meaning,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages(spec)},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": BINDING,
            }
        },
    }


def _operations(spec: TopicSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{spec.name}"}
    settings = Settings()
    if "any" in spec.writers:
        for role in readers(spec.name):
            group = {**_TEXT, "const": settings.group(role), "description": "WAYBILL_INSTALLATION is before the role."}
            yield (
                f"{role}-receives-{spec.name}",
                {
                    "action": "receive",
                    "channel": channel,
                    "summary": f"Publish here: role {role} reads it.",
                    "bindings": {"kafka": {"groupId": group, "bindingVersion": BINDING}},
                },
            )
    if writers := [writer for writer in spec.writers if writer != "any"]:
        name = "waybill" if "each" in writers else "-and-".join(writers)
        avro = {"$ref": f"#/channels/{spec.name}/messages/{next(iter(messages(spec)))}"}
        yield (
            f"{name}-sends-{spec.name}",
            {
                "action": "send",
                "channel": channel,
                "summary": f"Subscribe here. {spec.meaning}",
                "messages": [avro],
            },
        )


def messages(spec: TopicSpec) -> dict[str, dict[str, Any]]:
    """Return the messages of a topic by name: in Avro, and in JSON where producers may write it so."""
    if spec.name == DEAD_LETTER:
        return {spec.name: _dead_letter(spec)}
    if spec.name == HINTS:
        return {f"{spec.name}.json": _json(spec)}
    avro = {spec.name: _avro(spec)}
    return avro | {f"{spec.name}.json": _json(spec)} if BY_TOPIC[spec.name].intake else avro


def _avro(spec: TopicSpec) -> dict[str, Any]:
    example = examples()[spec.name]
    return {
        "name": spec.name,
        "title": spec.event,
        "summary": spec.meaning,
        "contentType": "avro/binary",
        "headers": {"$ref": "#/components/schemas/CloudEvent"},
        "payload": {"schemaFormat": AVRO, "schema": {"$ref": f"../schemas/{newest_file(spec.name)}"}},
        "bindings": {
            "kafka": {
                "key": {**_TEXT, "description": spec.key},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "TopicNameStrategy",
                "bindingVersion": BINDING,
            }
        },
        "examples": [{"name": f"{spec.name}-avro", "headers": dict(example.headers), "payload": example.value}],
    }


def newest_file(topic: str) -> str:
    """Return the name of the newest schema file of a topic."""
    return CODEC.schemas.latest(f"{topic}-value").file


def _json(spec: TopicSpec) -> dict[str, Any]:
    return {
        "name": f"{spec.name}.json",
        "title": f"{spec.event or spec.name}, as JSON",
        "summary": f"{spec.meaning} One JSON object a record; CloudEvents headers are welcome, none is required.",
        "contentType": "application/json",
        "payload": {"$ref": f"../schemas/{schema_file(spec.name)}"},
        "bindings": {"kafka": {"key": {**_TEXT, "description": f"{spec.key}; or none"}, "bindingVersion": BINDING}},
        "examples": [
            {
                "name": f"{spec.name}-json",
                "headers": {"ce_id": f"{PRODUCER}-1", "content-type": "application/json"},
                "payload": json_example(spec.name),
            }
        ],
    }


def _dead_letter(spec: TopicSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": "dead letter",
        "summary": spec.meaning,
        "contentType": "application/octet-stream",
        "headers": {"$ref": "#/components/schemas/DeadLetter"},
        "payload": {"description": "The record's value as it came."},
        "bindings": {"kafka": {"key": {**_TEXT, "description": spec.key}, "bindingVersion": BINDING}},
    }


def _headers() -> dict[str, Any]:
    headers = _CLOUD_EVENT | {name: (text, _TEXT) for name, text in _MARKS.items()}
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in Kafka's binary mode.",
        "properties": {name: {**schema, "description": text} for name, (text, schema) in headers.items()},
        "required": [name for name in _CLOUD_EVENT if name != "ce_causationid"],
    }


def _dead_letter_headers() -> dict[str, Any]:
    properties = {f"{MARK}{name}": {**_TEXT, "description": text} for name, text in _DEAD_LETTER.items()}
    return {
        "type": "object",
        "description": "Why and where from, beside the record's own headers.",
        "properties": properties,
        "required": list(properties),
    }
