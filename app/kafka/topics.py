"""topics.yaml as values, and the broker compared with it: missing topics are created, existing ones never change.

Deleting topics and altering their settings are deliberately absent: both can lose records.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final, Literal

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from app import resources
from app.definitions.model_errors import model_errors, path_of
from app.definitions.validation import STRICT_KEYS, definition_error, read_mapping
from app.errors import BrokerError, DefinitionError, TopicError
from app.kafka.clients import AIOKafkaAdminClient

FILE: Final = "topics.yaml"
REQUEST_TIMEOUT_MS: Final = 15_000
BROKER_DEFAULT: Final = -1
FIX: Final = (
    "delete those that are empty and run `waybill topics apply`, or alter them with Kafka's own tools; where all topics"
    " keyed by order id have another number of partitions, set WAYBILL_PARTITIONS to it"
)
_OK, _EXISTS = 0, 36
_UNITS_MS: Final = {"h": 3_600_000, "d": 86_400_000}
# Compaction leaves the newest segment alone: small ones keep what a lane reads when it opens close to what is live.
_COMPACTED: Final = {"segment.bytes": "67108864", "min.cleanable.dirty.ratio": "0.1"}

Role = Literal["any", "each", "orchestrate", "perform", "apply", "source", "mirror", "pull"]


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
    writers: Annotated[tuple[Role, ...], Field(min_length=1)]
    cleanup: Literal["delete", "compact"]
    retention: Annotated[int | None, BeforeValidator(_milliseconds)] = None
    bytes_max: Annotated[int | None, Field(ge=1024)] = None
    partitions: Annotated[int | None, Field(ge=1, le=1024)] = None
    meaning: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _retention_goes_with_delete(self) -> "_Entry":
        if (self.cleanup == "delete") != (self.retention is not None):
            raise ValueError("`retention` goes with `cleanup: delete`, and only with it")
        return self


class _File(BaseModel):
    model_config = STRICT_KEYS

    partitions: Annotated[int, Field(ge=1, le=1024)]
    topics: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,200}$")], _Entry], Field(min_length=1)]


class TopicSpec(Struct, frozen=True):
    """One topic as it should be. `retention_ms` is None if compacted, `bytes_max` if the broker's limit holds."""

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

    @property
    def configs(self) -> dict[str, str]:
        """The broker settings of the topic, by Kafka's names."""
        configs = {"cleanup.policy": self.cleanup}
        if self.cleanup == "compact":
            configs |= _COMPACTED
        if self.retention_ms is not None:
            configs["retention.ms"] = str(self.retention_ms)
        if self.bytes_max is not None:
            configs["max.message.bytes"] = str(self.bytes_max)
        return configs


class CreatedTopic(Struct, frozen=True):
    """A topic that `apply` created."""

    topic: str
    partitions: int


class Drift(Struct, frozen=True):
    """One way in which the broker differs from topics.yaml. `setting` is `topic` when it is missing altogether."""

    topic: str
    setting: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, {FILE} says {self.wanted}"


def load(partitions: int | None = None) -> tuple[TopicSpec, ...]:
    """Return the topics of the packaged topics.yaml. `partitions` replaces the file's number, not a topic's own."""
    return parse(resources.topics_file(), FILE, partitions)


def parse(text: str, file: str, partitions: int | None = None) -> tuple[TopicSpec, ...]:
    """Return the topics in `text`. Raises TopicError that names `file`, the path in it and the fix."""
    try:
        content = _File.model_validate(read_mapping(_File, text, file))
    except DefinitionError as exc:
        raise TopicError(str(exc)) from exc
    except ValidationError as exc:
        errors = (definition_error(each, file, path_of(each.place)) for each in model_errors(exc, _File))
        raise TopicError("\n".join(map(str, errors))) from exc
    count = partitions or content.partitions
    return tuple(_spec(name, entry, count) for name, entry in content.topics.items())


async def apply(bootstrap_servers: str, specs: Iterable[TopicSpec]) -> list[CreatedTopic]:
    """Create the topics that are missing, nothing else. Raises TopicError when the broker refuses, BrokerError."""
    async with _admin(bootstrap_servers) as admin:
        present = await _partition_counts(admin)
        missing = [spec for spec in specs if spec.name not in present]
        return await _create(admin, missing) if missing else []


async def prepare(bootstrap_servers: str, specs: Sequence[TopicSpec]) -> None:
    """Create the topics that are missing. Raises TopicError also when one that is there has other partitions."""
    await require_partitions(bootstrap_servers, specs)
    await apply(bootstrap_servers, specs)


async def require_partitions(bootstrap_servers: str, specs: Iterable[TopicSpec]) -> None:
    """Return when no topic has other partitions than its spec; one that is missing is none of them.

    Raises TopicError that names them: lane n of a role has partition n of each. Raises BrokerError.
    """
    async with _admin(bootstrap_servers) as admin:
        counts = await _partition_counts(admin)
    wrong = [f"{spec.name} has {counts[spec.name]}, not {spec.partitions}" for spec in specs if _differs(spec, counts)]
    if wrong:
        raise TopicError(f"partitions of topics that exist are not as {FILE} says: {', '.join(wrong)}; {FIX}")


async def check(bootstrap_servers: str, specs: Sequence[TopicSpec]) -> list[Drift]:
    """Return every difference between the broker and `specs`. Raises BrokerError when the broker is not there."""
    async with _admin(bootstrap_servers) as admin:
        counts = await _partition_counts(admin)
        present = [spec for spec in specs if spec.name in counts]
        configs = await _configs(admin, present) if present else {}
    return [drift for spec in specs for drift in _drift(spec, counts, configs)]


def _spec(name: str, entry: _Entry, partitions: int) -> TopicSpec:
    return TopicSpec(
        name=name,
        event=entry.event,
        schema=entry.topic_schema,
        key=entry.key,
        partitions=entry.partitions or partitions,
        cleanup=entry.cleanup,
        retention_ms=entry.retention,
        bytes_max=entry.bytes_max,
        writers=entry.writers,
        meaning=entry.meaning,
    )


def _drift(spec: TopicSpec, counts: Mapping[str, int], configs: Mapping[str, Mapping[str, str]]) -> Iterator[Drift]:
    if spec.name not in counts:
        yield Drift(spec.name, "topic", "present", "missing")
        return
    if _differs(spec, counts):
        yield Drift(spec.name, "partitions", str(spec.partitions), str(counts[spec.name]))
    actual = configs[spec.name]
    for name, expected in spec.configs.items():
        if actual.get(name) != expected:
            yield Drift(spec.name, name, expected, actual.get(name, "not set"))


def _differs(spec: TopicSpec, counts: Mapping[str, int]) -> bool:
    return counts.get(spec.name, spec.partitions) != spec.partitions


@asynccontextmanager
async def _admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    except KafkaError as exc:
        raise BrokerError(f"no answer from Kafka at {bootstrap_servers} ({exc!r}); is the broker running?") from exc
    finally:
        await admin.close()


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> list[CreatedTopic]:
    answer = await admin.create_topics([_new(spec) for spec in specs], timeout_ms=REQUEST_TIMEOUT_MS)
    codes = {name: (code, message) for name, code, message, *_ in answer.topic_errors}
    if refused := {name: reason for name, reason in codes.items() if reason[0] not in (_OK, _EXISTS)}:
        raise TopicError(
            "; ".join(f"{name}: Kafka refused it ({code}: {text})" for name, (code, text) in refused.items())
        )
    return [CreatedTopic(spec.name, spec.partitions) for spec in specs if codes[spec.name][0] == _OK]


def _new(spec: TopicSpec) -> NewTopic:
    topic = NewTopic(spec.name, spec.partitions, 1, topic_configs=spec.configs)
    # The constructor does not take it, the protocol does: how many replicas there are is the cluster's choice.
    topic.replication_factor = BROKER_DEFAULT
    return topic


async def _configs(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs])
    return {
        name: {setting[0]: setting[1] for setting in settings}
        for answer in answers
        for _, _, _, name, settings in answer.resources
    }
