"""`waybill topics`: create what is missing on the broker, report what differs."""

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from app import topics
from app.commands import output
from app.errors import TopicError
from app.settings import Settings
from app.topics import Drift, TopicSpec

commands = typer.Typer(help="The topics of topics.yaml on the broker.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@commands.command()
def apply(json: Json = False) -> None:
    """Create the topics that are missing. Nothing that exists is changed; exit code 1 when some of it differs."""
    settings = Settings.from_env(os.environ)
    created, drifts = asyncio.run(_apply(settings.bootstrap_servers, topics.load(settings.partitions)))
    if json:
        output.data(created)
    else:
        output.people.print(f"{len(created)} topics created" if created else "No topic is missing")
    for drift in drifts:
        output.aside.print(str(drift), markup=False, highlight=False)
    if drifts:
        raise TopicError(f"{len(drifts)} differences in topics that were there already: {topics.FIX}")


async def _apply(bootstrap_servers: str, specs: Sequence[TopicSpec]) -> tuple[list[str], list[Drift]]:
    """The topics that were created, and how those differ that were there."""
    created = [change.topic for change in await topics.apply(bootstrap_servers, specs)]
    return created, await topics.check(bootstrap_servers, [spec for spec in specs if spec.name not in created])


@commands.command()
def check(json: Json = False) -> None:
    """Report each difference between the broker and topics.yaml. Exit code 1 when there is one."""
    settings = Settings.from_env(os.environ)
    drifts = asyncio.run(topics.check(settings.bootstrap_servers, topics.load(settings.partitions)))
    if json:
        output.data([{"topic": d.topic, "setting": d.setting, "wanted": d.wanted, "found": d.found} for d in drifts])
    else:
        for drift in drifts:
            output.people.print(str(drift), markup=False)
        output.people.print(
            "The broker's topics are as topics.yaml says" if not drifts else f"{len(drifts)} differences"
        )
    raise typer.Exit(1 if drifts else 0)
