"""`waybill topics`: create what is missing on the broker, report what differs, say who may do what."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.words import Json, examples

if TYPE_CHECKING:
    from app.kafka.cluster_access import ClusterAccess
    from app.kafka.topic_admin import Drift
    from app.kafka.topics import TopicSpec

commands = typer.Typer()


@commands.command(epilog=examples("topics apply"))
def apply(json: Json = False) -> None:
    """Create the topics that are missing. Nothing that exists is changed; exit code 1 when some of it differs."""
    from app.commands import output
    from app.commands.environment import load_settings
    from app.errors import TopicError
    from app.kafka import topic_admin, topics
    from app.kafka.cluster_access import ClusterAccess

    settings = load_settings()
    created, drifts = asyncio.run(
        _apply(ClusterAccess.of(settings), topics.load(settings.partitions, settings.replication))
    )
    if json:
        output.data(created)
    else:
        output.line(f"{len(created)} topics created" if created else "No topic is missing")
    for drift in drifts:
        output.note(str(drift))
    if drifts:
        raise TopicError(f"{len(drifts)} differences in topics that were there already: {topic_admin.FIX}")


async def _apply(cluster: "ClusterAccess", specs: Sequence["TopicSpec"]) -> tuple[list[str], list["Drift"]]:
    """Create what is missing. Return the topics that were created, and how those differ that were there."""
    from app.kafka import topic_admin

    created = [change.topic for change in await topic_admin.apply(cluster, specs)]
    return created, await topic_admin.check(cluster, [spec for spec in specs if spec.name not in created])


@commands.command(epilog=examples("topics check", "topics check --json"))
def check(json: Json = False) -> None:
    """Report each difference between the broker and topics.yaml. Exit code 1 when there is one.

    A broker that lets a transaction last longer than a minute is one: its producer can hold readers back for so long.
    """
    from app.commands import output
    from app.commands.environment import load_settings
    from app.kafka import topic_admin, topics
    from app.kafka.cluster_access import ClusterAccess

    settings = load_settings()
    cluster = ClusterAccess.of(settings)
    drifts = asyncio.run(topic_admin.check(cluster, topics.load(settings.partitions, settings.replication)))
    transaction_ms_max = max(topic_admin.TRANSACTION_TIMEOUT_MS_MAX, settings.transaction_timeout_ms)
    too_long = asyncio.run(topic_admin.check_brokers(cluster, transaction_ms_max))
    drifts += too_long
    if json:
        output.data([{"topic": d.topic, "setting": d.setting, "wanted": d.expected, "found": d.actual} for d in drifts])
    else:
        for drift in drifts:
            output.line(str(drift))
        for drift in too_long:
            setting = f"{drift.setting}={transaction_ms_max}"
            output.note(
                f"{drift.topic}: set {setting} in its server.properties: so long may one producer stop all readers"
            )
        output.line(f"{len(drifts)} differences" if drifts else "The broker's topics are as topics.yaml says")
    raise typer.Exit(1 if drifts else 0)


@commands.command(
    epilog=examples("topics acls", "topics acls orchestrate --user User:CN=waybill", "topics acls --json")
)
def acls(
    who: Annotated[
        list[str] | None,
        typer.Argument(help="Roles, webhooks, operator, producer, subscriber, connector; all if none."),
    ] = None,
    user: Annotated[str, typer.Option(help="Who is allowed it; without it a user with the name of each.")] = "",
    json: Json = False,
) -> None:
    """Print the least rights at a secured cluster, as commands of Kafka's own kafka-acls.sh. Asks no broker."""
    from app.commands import output
    from app.commands.environment import load_settings
    from app.errors import SettingError, suggest
    from app.kafka import topics
    from app.kafka.cluster_access import ClusterAccess
    from app.worker.access_rights import EVERY_PRINCIPAL, MEANINGS, command_of, rights_of

    settings = load_settings()
    cluster, specs = ClusterAccess.of(settings), topics.load(settings.partitions)
    for name in who or ():
        if name not in EVERY_PRINCIPAL:
            raise SettingError(f"{name} is none of those who have rights; {suggest(name, EVERY_PRINCIPAL)}")
    rights = {name: rights_of(name, cluster, specs) for name in who or EVERY_PRINCIPAL}
    if json:
        output.data(
            {
                name: [
                    {"kind": each.kind, "names": each.names, "operations": each.operations, "prefix": each.is_prefix}
                    for each in their_rights
                ]
                for name, their_rights in rights.items()
            }
        )
        return
    for name, their_rights in rights.items():
        output.line(f"# {name}: {MEANINGS.get(name, f'`waybill worker {name}`')}")
        for right in their_rights:
            output.line(command_of(right, user or f"User:{name}", cluster.servers))
