"""`waybill broker`: the local Apache Kafka, from Python packages alone."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.words import Json, examples

commands = typer.Typer()
Data = Annotated[Path | None, typer.Option(help="Folder of its data (default: ~/.waybill/kafka).")]
DEFAULT_PORT = 9092


@commands.command(epilog=examples("broker start", "broker start --port 19092 --json"))
def start(
    data: Data = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = DEFAULT_PORT,
    json: Json = False,
) -> None:
    """Start it, or say where it already runs. It goes on after this command; the first start fetches 43 MB."""
    from app.commands import output
    from app.sandbox.local import broker

    info = broker.start(data, port, notice=output.note)
    if json:
        output.data({"running": True, "bootstrap_servers": info.bootstrap_servers})
    else:
        output.line(f"Kafka {info.version} on {info.bootstrap_servers}, data in {info.data}")


@commands.command(epilog=examples("broker stop"))
def stop(data: Data = None, json: Json = False) -> None:
    """Stop it cleanly; its topics stay in its data folder."""
    from app.commands import output
    from app.sandbox.local import broker

    stopped = broker.stop(data, notice=output.note)
    if json:
        output.data({"stopped": stopped})
    else:
        output.line("Stopped" if stopped else "No broker was running")


@commands.command(epilog=examples("broker status", "broker status --json"))
def status(data: Data = None, json: Json = False) -> None:
    """Say whether it runs, and where. Exit code 1 when it does not."""
    from app.commands import output
    from app.sandbox.local import broker

    info = broker.status(data)
    if json:
        output.data({"running": info.running, "bootstrap_servers": info.bootstrap_servers})
    elif info.running:
        output.line(f"Kafka {info.version} on {info.bootstrap_servers}, data in {info.data}")
    else:
        output.line(f"Not running (data folder {info.data})")
    raise typer.Exit(0 if info.running else 1)
