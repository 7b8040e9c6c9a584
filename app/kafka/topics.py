"""The topics of topics.yaml as values: names, keys, partitions, retention, writers."""

import re
from typing import Annotated, Final, Literal

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from app import resources
from app.definitions.model_errors import model_errors, path_of
from app.definitions.validation import STRICT_KEYS, definition_error, read_mapping
from app.errors import DefinitionError, TopicError

FILE: Final = "topics.yaml"
IN_SYNC_MIN: Final = "min.insync.replicas"
"""Kafka's setting: how many replicas must have a record before its producer is told that it is stored."""
_UNITS_MS: Final = {"h": 3_600_000, "d": 86_400_000}
# Retention goes by the time of a record, which no producer may choose (docs/adr/0029).
_TIMES: Final = {"message.timestamp.type": "LogAppendTime"}
# Compaction leaves the newest segment alone: small ones keep what a lane reads when it opens close to what is live.
# Personal data that was overwritten is gone after this time, and not only when much else was written (docs/adr/0031).
COMPACTION_LAG_MS: Final = 7 * _UNITS_MS["d"]
_COMPACTED: Final = {
    "segment.bytes": "67108864",
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": str(COMPACTION_LAG_MS),
}

Writer = Literal["any", "each", "orchestrate", "perform", "apply", "source", "mirror", "pull"]


def _milliseconds(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"([1-9][0-9]{0,4})([hd])", value)):
        return int(match[1]) * _UNITS_MS[match[2]]
    raise ValueError("write hours or days, e.g. 7d")


class _Entry(BaseModel):
    """One topic as topics.yaml has it."""

    model_config = STRICT_KEYS

    event: str | None = None
    topic_schema: Annotated[str | None, Field(alias="schema")] = None
    key: Annotated[str, Field(min_length=1)]
    writers: Annotated[tuple[Writer, ...], Field(min_length=1)]
    cleanup: Literal["delete", "compact", "compact,delete"]
    retention: Annotated[int | None, BeforeValidator(_milliseconds)] = None
    retention_bytes: Annotated[int | None, Field(ge=1)] = None
    bytes_max: Annotated[int | None, Field(ge=1024)] = None
    partitions: Annotated[int | None, Field(ge=1, le=1024)] = None
    meaning: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _retention_goes_with_delete(self) -> "_Entry":
        if ("delete" in self.cleanup) != (self.retention is not None):
            raise ValueError("`retention` goes with `cleanup: delete`, and only with it")
        if self.retention_bytes is not None and self.retention is None:
            raise ValueError("`retention_bytes` goes with `retention`")
        return self


class _File(BaseModel):
    model_config = STRICT_KEYS

    partitions: Annotated[int, Field(ge=1, le=1024)]
    topics: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,200}$")], _Entry], Field(min_length=1)]


class TopicSpec(Struct, frozen=True):
    """One topic as it should be. `retention_ms` is None if compacted alone, `bytes_max` if the broker's limit holds.

    `retention_bytes`, of a partition, is None where time alone limits it; `replication` where the cluster's own holds.
    """

    name: str
    event: str | None
    schema: str | None
    key: str
    partitions: int
    cleanup: str
    retention_ms: int | None
    bytes_max: int | None
    writers: tuple[str, ...]
    meaning: str
    retention_bytes: int | None = None
    replication: int | None = None

    @property
    def configs(self) -> dict[str, str]:
        """The broker settings of the topic, by Kafka's names."""
        configs = {"cleanup.policy": self.cleanup, **_TIMES}
        if "compact" in self.cleanup:
            configs |= _COMPACTED
        if self.retention_ms is not None:
            configs["retention.ms"] = str(self.retention_ms)
        if self.retention_bytes is not None:
            configs["retention.bytes"] = str(self.retention_bytes)
        if self.bytes_max is not None:
            configs["max.message.bytes"] = str(self.bytes_max)
        if self.replication is not None:
            # What a majority has stored survives the loss of any minority.
            configs[IN_SYNC_MIN] = str(self.replication // 2 + 1)
        return configs


def load(partitions: int | None = None, replication: int | None = None) -> tuple[TopicSpec, ...]:
    """Return the topics of the packaged topics.yaml. `partitions` replaces the file's number, not a topic's own."""
    return parse(resources.topics_file(), FILE, partitions, replication)


def parse(text: str, file: str, partitions: int | None = None, replication: int | None = None) -> tuple[TopicSpec, ...]:
    """Return the topics in `text`. Raises TopicError that names `file`, the path in it and the fix."""
    try:
        content = _File.model_validate(read_mapping(_File, text, file))
    except DefinitionError as exc:
        raise TopicError(str(exc)) from exc
    except ValidationError as exc:
        errors = (definition_error(each, file, path_of(each.place)) for each in model_errors(exc, _File))
        raise TopicError("\n".join(map(str, errors))) from exc
    count = partitions or content.partitions
    return tuple(_spec(name, entry, count, replication) for name, entry in content.topics.items())


def _spec(name: str, entry: _Entry, partitions: int, replication: int | None) -> TopicSpec:
    return TopicSpec(
        name=name,
        event=entry.event,
        schema=entry.topic_schema,
        key=entry.key,
        partitions=entry.partitions or partitions,
        cleanup=entry.cleanup,
        retention_ms=entry.retention,
        retention_bytes=entry.retention_bytes,
        bytes_max=entry.bytes_max,
        writers=entry.writers,
        meaning=entry.meaning,
        replication=replication,
    )
