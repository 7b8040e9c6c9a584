"""The command `waybill`, same as `python -m app`. Exit codes: 0 done, 1 refused, 2 wrong usage, 70 lane ended."""

import logging
import sys
from typing import Annotated

import typer

from app.commands import run
from app.commands.lazy import add_groups
from app.errors import LaneError, WaybillError

cli = typer.Typer(
    name="waybill",
    help="Intelligent Order Management as Kafka streams.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
add_groups(cli)
run.register(cli)


def _show_version(is_asked_for: bool) -> None:
    if is_asked_for:
        from importlib.metadata import version

        typer.echo(f"waybill {version('waybill')}")
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line. A WaybillError becomes one sentence on standard error, never a trace."""
    # A client that retries says so at length; what it cannot mend becomes an error of ours.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        cli()
    except LaneError as problem:
        _say(problem)
        sys.exit(70)
    except WaybillError as problem:
        _say(problem)
        sys.exit(1)


def _say(problem: WaybillError) -> None:
    from app.commands import output

    output.refusal(str(problem))


if __name__ == "__main__":
    main()
