"""`waybill broker`: the local Apache Kafka, from Python packages alone."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands import output
from app.local import broker

commands = typer.Typer(
    help="A local Apache Kafka, without Docker and without Java on the machine.", no_args_is_help=True
)
Data = Annotated[Path | None, typer.Option(help="Folder of its data (default: ~/.waybill/kafka).")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@commands.command()
def start(
    data: Data = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = broker.DEFAULT_PORT,
    json: Json = False,
) -> None:
    """Start it, or say where it already runs. It goes on after this command; the first start fetches 43 MB."""
    info = broker.start(data, port, notice=output.aside.print)
    if json:
        output.data({"running": True, "bootstrap_servers": info.bootstrap_servers})
    else:
        output.people.print(f"Kafka {info.version} on {info.bootstrap_servers}, data in {info.data}")


@commands.command()
def stop(data: Data = None) -> None:
    """Stop it cleanly; its topics stay in its data folder."""
    stopped = broker.stop(data, notice=output.aside.print)
    output.people.print("Stopped" if stopped else "No broker was running")


@commands.command()
def status(data: Data = None, json: Json = False) -> None:
    """Say whether it runs, and where. Exit code 1 when it does not."""
    found = broker.status(data)
    if json:
        output.data({"running": found.running, "bootstrap_servers": found.bootstrap_servers})
    else:
        output.people.print(
            f"Kafka {found.version} on {found.bootstrap_servers}, data in {found.data}"
            if found.running
            else f"Not running (data folder {found.data})"
        )
    raise typer.Exit(0 if found.running else 1)
