"""The broker's topics compared with topics.yaml: missing ones are created, existing ones never change. And its limits.

Deleting topics and altering their settings are deliberately absent: both can lose records.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from msgspec import Struct

from app.errors import BrokerError, TopicError
from app.kafka.clients import AIOKafkaAdminClient, new_admin
from app.kafka.cluster_access import ClusterAccess
from app.kafka.topics import FILE, TopicSpec

REQUEST_TIMEOUT_MS: Final = 15_000
BROKER_DEFAULT: Final = -1
MISSING: Final = "topic"
"""The `setting` of a topic that is not there."""
FIX_SETTING: Final = "alter it with `kafka-configs.sh --alter --topic TOPIC --add-config SETTING=VALUE`"
FIX: Final = (
    f"delete those that are empty and run `waybill topics apply`, or, for a setting, {FIX_SETTING}; where all topics"
    " keyed by order id have another number of partitions, set WAYBILL_PARTITIONS to it"
)
TRANSACTION_TIMEOUT_MS_MAX: Final = 60_000
"""What a producer's transaction may last at most: the default of Kafka's own clients, who are refused above it."""
_TRANSACTION_LIMIT: Final = "transaction.max.timeout.ms"
_OK, _EXISTS = 0, 36


class CreatedTopic(Struct, frozen=True):
    """A topic that `apply` created."""

    topic: str
    partitions: int


class Drift(Struct, frozen=True):
    """One way in which the broker differs from topics.yaml. `setting` is MISSING for a topic that is not there."""

    topic: str
    setting: str
    expected: str
    actual: str

    def __str__(self) -> str:
        rule = FILE + " says" if self.setting != _TRANSACTION_LIMIT else "it should be"
        return f"{self.topic}: {self.setting} is {self.actual}, {rule} {self.expected}"


async def apply(cluster: ClusterAccess, specs: Iterable[TopicSpec]) -> list[CreatedTopic]:
    """Create the topics that are missing, nothing else. Raises TopicError when the broker refuses, BrokerError."""
    async with _admin(cluster) as admin:
        present = await _partition_counts(admin)
        missing = [spec for spec in specs if spec.name not in present]
        return await _create(admin, missing) if missing else []


async def prepare(cluster: ClusterAccess, specs: Sequence[TopicSpec]) -> None:
    """Create the topics that are missing. Raises TopicError also when one that is there has other partitions."""
    await require_partitions(cluster, specs)
    await apply(cluster, specs)


async def require_partitions(cluster: ClusterAccess, specs: Iterable[TopicSpec]) -> None:
    """Return when no topic has other partitions than its spec; one that is missing is none of them.

    Raises TopicError that names them: lane n of a role has partition n of each. Raises BrokerError.
    """
    async with _admin(cluster) as admin:
        counts = await _partition_counts(admin)
    wrong = [f"{spec.name} has {counts[spec.name]}, not {spec.partitions}" for spec in specs if _differs(spec, counts)]
    if wrong:
        raise TopicError(f"partitions of topics that exist are not as {FILE} says: {', '.join(wrong)}; {FIX}")


async def check(cluster: ClusterAccess, specs: Sequence[TopicSpec]) -> list[Drift]:
    """Return every difference between the broker and `specs`.

    Raises BrokerError when the broker is not there, TopicError when it does not show its settings.
    """
    async with _admin(cluster) as admin:
        counts = await _partition_counts(admin)
        present = [spec for spec in specs if spec.name in counts]
        configs = await _configs(admin, present) if present else {}
    return [drift for spec in specs for drift in _drift(spec, counts, configs)]


async def check_brokers(cluster: ClusterAccess, transaction_ms_max: int) -> list[Drift]:
    """Return which brokers let transactions hold readers back for longer. Raises as `check` does."""
    async with _admin(cluster) as admin:
        nodes = [str(node["node_id"]) for node in (await admin.describe_cluster())["brokers"]]
        setting = {_TRANSACTION_LIMIT: ""}
        resources = [ConfigResource(ConfigResourceType.BROKER, node, setting) for node in nodes]
        configs = await _describe(admin, resources)
    limits = {node: configs[node][_TRANSACTION_LIMIT] for node in nodes}
    return [
        Drift(f"broker {node}", _TRANSACTION_LIMIT, f"at most {transaction_ms_max}", limit)
        for node, limit in limits.items()
        if int(limit) > transaction_ms_max
    ]


def _drift(spec: TopicSpec, counts: Mapping[str, int], configs: Mapping[str, Mapping[str, str]]) -> Iterator[Drift]:
    if spec.name not in counts:
        yield Drift(spec.name, MISSING, "present", "missing")
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
async def _admin(cluster: ClusterAccess) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = new_admin(cluster, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    except KafkaError as exc:
        raise BrokerError(f"no answer from Kafka at {cluster} ({exc!r}); is the broker running?") from exc
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
    return await _describe(admin, [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs])


async def _describe(admin: AIOKafkaAdminClient, resources: Sequence[ConfigResource]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs(resources)
    described = [resource for answer in answers for resource in answer.resources]
    if refused := [f"{name} ({code}: {text})" for code, text, _, name, _ in described if code != _OK]:
        raise TopicError(f"Kafka does not show the settings of {', '.join(refused)}; allow DescribeConfigs")
    return {name: {setting[0]: setting[1] for setting in settings} for _, _, _, name, settings in described}
