"""The least rights at a cluster by who uses it: each role, operators, and the programs around Waybill.

They follow from topics.yaml and from what the roles read. Names are those on the brokers, with the prefix.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.agents.apply import Apply
from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.perform import Perform
from app.agents.pull import Pull
from app.agents.source import Source
from app.events.record import DEAD_LETTER
from app.kafka.cluster_access import ClusterAccess
from app.kafka.topics import TopicSpec
from app.sealing.key_book import TOPIC as KEYS

TOPIC, GROUP, TRANSACTION, CLUSTER = "topic", "group", "transactional-id", "cluster"
EVERY_PRINCIPAL: Final = (
    "orchestrate", "source", "perform", "apply", "mirror", "pull", "webhooks", "operator", "producer", "subscriber",
    "connector",
)  # fmt: skip
MEANINGS: Final = {
    "webhooks": "a worker of any role that takes webhooks, in addition",
    "operator": "the commands of `waybill`, and the workers' views of orders",
    "producer": "a program that publishes orders",
    "subscriber": "a program that follows order-status in a group whose name begins with subscriber-",
    "connector": "a connector that writes the rows of F+O",
}
_ROLES: Final = {role.name: role for role in (Orchestrate, Source, Perform, Apply, Mirror, Pull)}
_FIRST: Final = "waybill"


@dataclass(frozen=True, slots=True)
class Right:
    """Operations on resources of one kind, by Kafka's names. `is_prefix`: the names are beginnings of names."""

    kind: str
    names: tuple[str, ...]
    operations: tuple[str, ...]
    is_prefix: bool = False


def rights_of(principal: str, cluster: ClusterAccess, specs: Sequence[TopicSpec]) -> list[Right]:
    """Return what one of EVERY_PRINCIPAL must be allowed to do, and nothing else."""
    if principal in _ROLES:
        return list(_role_rights(principal, cluster, specs))
    named = {
        "webhooks": [_topics(cluster, ("provider-event", "pull-requested"), "Write")],
        "operator": list(_operator_rights(cluster, specs)),
        "producer": [_topics(cluster, ("order-created",), "Write")],
        "subscriber": [
            _topics(cluster, ("order-status",), "Read"),
            Right(GROUP, ("subscriber-",), ("Read",), is_prefix=True),
        ],
        "connector": [_topics(cluster, ("dualwrite.fno.salesorders",), "Write")],
    }
    return named[principal]


def _topics(cluster: ClusterAccess, names: Sequence[str], *operations: str) -> Right:
    return Right(TOPIC, tuple(f"{cluster.prefix}{name}" for name in names), operations)


def _role_rights(name: str, cluster: ClusterAccess, specs: Sequence[TopicSpec]) -> Iterator[Right]:
    role = _ROLES[name]
    written = [spec.name for spec in specs if {name, "each"} & set(spec.writers) and spec.name != role.ledger]
    yield _topics(cluster, (*role.inputs, KEYS), "Read")
    yield _topics(cluster, (role.ledger,), "Read", "Write")
    yield _topics(cluster, written, "Write")
    yield Right(GROUP, (f"{cluster.owner}-{name}",), ("Read",))
    # A ledger without a note of its owner is taken over from the id that lanes have unless WAYBILL_INSTALLATION is set.
    owners = dict.fromkeys((cluster.owner, f"{cluster.prefix}{_FIRST}"))
    yield Right(TRANSACTION, tuple(f"{owner}-{name}-" for owner in owners), ("Write",), is_prefix=True)


def _operator_rights(cluster: ClusterAccess, specs: Sequence[TopicSpec]) -> Iterator[Right]:
    names = [spec.name for spec in specs]
    intake = [spec.name for spec in specs if "any" in spec.writers]
    yield _topics(cluster, names, "Create", "Read", "DescribeConfigs")
    yield _topics(cluster, [*intake, DEAD_LETTER], "Write")
    yield Right(TRANSACTION, (f"{cluster.owner}-command-",), ("Write",), is_prefix=True)
    yield Right(CLUSTER, (), ("Describe", "DescribeConfigs"))


def command_of(right: Right, user: str, servers: str) -> str:
    """Return the command of Kafka's kafka-acls.sh that gives a right to a user; admin.properties is its login."""
    words = ["kafka-acls.sh", "--bootstrap-server", servers, "--command-config", "admin.properties", "--add"]
    words += ["--allow-principal", user]
    for operation in right.operations:
        words += ["--operation", operation]
    if right.is_prefix:
        words += ["--resource-pattern-type", "prefixed"]
    for name in right.names:
        words += [f"--{right.kind}", name]
    if right.kind == CLUSTER:
        words.append("--cluster")
    return shlex.join(words)
