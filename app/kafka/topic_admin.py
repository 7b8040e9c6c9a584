"""The broker's topics compared with topics.yaml: missing ones are created, existing ones never change. And its limits.

Deleting topics and altering their settings are deliberately absent: both can lose records.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from msgspec import Struct

from app.errors import BrokerError, TopicError
from app.kafka.clients import AIOKafkaAdminClient, new_admin
from app.kafka.cluster_access import ClusterAccess
from app.kafka.cluster_refusals import RefusedError, explain, explain_denial
from app.kafka.topics import FILE, IN_SYNC_MIN, TopicSpec

REQUEST_TIMEOUT_MS: Final = 15_000
BROKER_DEFAULT: Final = -1
MISSING: Final = "topic"
"""The `setting` of a topic that is not there."""
REPLICATION: Final = "replication"
"""The `setting` that says how many replicas there are of a topic."""
FIX_SETTING: Final = "alter it with `kafka-configs.sh --alter --topic TOPIC --add-config SETTING=VALUE`"
FIX_REPLICATION: Final = "give its partitions more replicas with `kafka-reassign-partitions.sh`"
FIX: Final = (
    f"delete those that are empty and run `waybill topics apply`, or, for a setting, {FIX_SETTING}, or, for"
    f" {REPLICATION}, {FIX_REPLICATION}; where all topics keyed by order id have another number of partitions, set"
    " WAYBILL_PARTITIONS to it"
)
TRANSACTION_TIMEOUT_MS_MAX: Final = 60_000
"""What a producer's transaction may last at most: the default of Kafka's own clients, who are refused above it."""
_TRANSACTION_LIMIT: Final = "transaction.max.timeout.ms"
_RULES: Final = {
    _TRANSACTION_LIMIT: "it should be",
    REPLICATION: "WAYBILL_REPLICATION asks for",
    IN_SYNC_MIN: "WAYBILL_REPLICATION asks for",
}
"""Who says what a setting should be, where topics.yaml does not."""
_BROKERS_OWN: Final = ("__consumer_offsets", "__transaction_state")
"""What exactly-once rests on beside our topics: the broker makes them, with its own number of replicas."""
_OK, _EXISTS, _TOO_FEW_BROKERS = 0, 36, 38


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
        rule = _RULES.get(self.setting, f"{FILE} says")
        return f"{self.topic}: {self.setting} is {self.actual}, {rule} {self.expected}"

    @property
    def fix(self) -> str:
        """What the operator of a topic that is there can do about it."""
        return FIX_REPLICATION if self.setting == REPLICATION else FIX_SETTING


class _Layout(NamedTuple):
    """How a topic lies on the brokers. `replicas` are those of the partition that has the fewest."""

    partitions: int
    replicas: int


async def apply(cluster: ClusterAccess, specs: Iterable[TopicSpec]) -> list[CreatedTopic]:
    """Create the topics that are missing, nothing else. Raises TopicError when the broker refuses, BrokerError."""
    async with _admin(cluster) as admin:
        present = await _layouts(admin)
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
        layouts = await _layouts(admin)
    different = [spec for spec in specs if _has_other_partitions(spec, layouts)]
    wrong = [f"{spec.name} has {layouts[spec.name].partitions}, not {spec.partitions}" for spec in different]
    if wrong:
        raise TopicError(f"partitions of topics that exist are not as {FILE} says: {', '.join(wrong)}; {FIX}")


async def require_rights(cluster: ClusterAccess, topics: Iterable[str], groups: Iterable[str]) -> None:
    """Return when the cluster hides none of the topics and groups from us. Raises RefusedError, BrokerError.

    A consumer that may not join its group or see a topic waits for ever, and says nothing.
    """
    async with _admin(cluster) as admin:
        codes = {topic["topic"]: topic["error_code"] for topic in await admin.describe_topics(sorted(set(topics)))}
        denied = sorted(name for name, code in codes.items() if code == TopicAuthorizationFailedError.errno)
        denials: list[KafkaError] = [TopicAuthorizationFailedError(denied)] if denied else []
        for group in groups:
            try:
                await admin.find_coordinator(group)
            except GroupAuthorizationFailedError:
                denials.append(GroupAuthorizationFailedError(group))
            except KafkaError:
                continue  # it has none yet: the first group of a new cluster
    for denial in denials:
        raise RefusedError(explain_denial(cluster, denial))


async def check(cluster: ClusterAccess, specs: Sequence[TopicSpec]) -> list[Drift]:
    """Return every difference between the broker and `specs`.

    Raises BrokerError when the broker is not there, TopicError when it does not show its settings.
    """
    async with _admin(cluster) as admin:
        layouts = await _layouts(admin)
        present = [spec for spec in specs if spec.name in layouts]
        configs = await _configs(admin, present) if present else {}
    drifts = [drift for spec in specs for drift in _drift(spec, layouts, configs)]
    replication = max((spec.replication or 0 for spec in specs), default=0)
    return drifts + [drift for name in _BROKERS_OWN for drift in _replication_drift(name, replication, layouts)]


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


def _drift(
    spec: TopicSpec, layouts: Mapping[str, _Layout], configs: Mapping[str, Mapping[str, str]]
) -> Iterator[Drift]:
    if spec.name not in layouts:
        yield Drift(spec.name, MISSING, "present", "missing")
        return
    if _has_other_partitions(spec, layouts):
        yield Drift(spec.name, "partitions", str(spec.partitions), str(layouts[spec.name].partitions))
    yield from _replication_drift(spec.name, spec.replication or 0, layouts)
    actual = configs[spec.name]
    for name, expected in spec.configs.items():
        if actual.get(name) != expected:
            yield Drift(spec.name, name, expected, actual.get(name, "not set"))


def _replication_drift(topic: str, replication: int, layouts: Mapping[str, _Layout]) -> Iterator[Drift]:
    if topic in layouts and layouts[topic].replicas < replication:
        yield Drift(topic, REPLICATION, str(replication), str(layouts[topic].replicas))


def _has_other_partitions(spec: TopicSpec, layouts: Mapping[str, _Layout]) -> bool:
    return spec.name in layouts and layouts[spec.name].partitions != spec.partitions


@asynccontextmanager
async def _admin(cluster: ClusterAccess) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = new_admin(cluster, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    except KafkaError as exc:
        raise BrokerError(await explain(cluster, exc)) from exc
    finally:
        await admin.close()


async def _layouts(admin: AIOKafkaAdminClient) -> dict[str, _Layout]:
    return {
        topic["topic"]: _Layout(
            partitions=len(topic["partitions"]),
            replicas=min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
        )
        for topic in await admin.describe_topics()
    }


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> list[CreatedTopic]:
    answer = await admin.create_topics([_new(spec) for spec in specs], timeout_ms=REQUEST_TIMEOUT_MS)
    codes = {name: (code, message) for name, code, message, *_ in answer.topic_errors}
    if refused := {name: reason for name, reason in codes.items() if reason[0] not in (_OK, _EXISTS)}:
        raise TopicError(_refusal(refused))
    return [CreatedTopic(spec.name, spec.partitions) for spec in specs if codes[spec.name][0] == _OK]


def _refusal(refused: Mapping[str, tuple[int, str]]) -> str:
    topics: dict[tuple[int, str], list[str]] = {}
    for name, reason in refused.items():
        topics.setdefault(reason, []).append(name)
    return "; ".join(
        f"{', '.join(names)}: Kafka refused it ({code}: {text})"
        + ("; set WAYBILL_REPLICATION to at most the number of brokers" if code == _TOO_FEW_BROKERS else "")
        for (code, text), names in topics.items()
    )


def _new(spec: TopicSpec) -> NewTopic:
    topic = NewTopic(spec.name, spec.partitions, spec.replication or 1, topic_configs=spec.configs)
    if spec.replication is None:
        # The constructor does not take it, the protocol does: how many replicas there are is the cluster's choice then.
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
