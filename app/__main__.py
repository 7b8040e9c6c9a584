"""The command `waybill`, same as `python -m app`. Exit codes: 0 done, 1 refused, 2 wrong usage, 70 lane ended."""

import logging
import sys

import typer

from app.commands import (
    backorders,
    broker,
    dead_letters,
    definitions,
    orders,
    provider,
    run,
    sourcing,
    stock,
    topics,
)
from app.commands.output import aside
from app.errors import LaneError, WaybillError

cli = typer.Typer(
    name="waybill",
    help="Intelligent Order Management as Kafka streams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(broker.commands, name="broker")
cli.add_typer(topics.commands, name="topics")
cli.add_typer(definitions.schemas, name="schemas")
cli.add_typer(definitions.flows, name="flows")
cli.add_typer(definitions.policies, name="policies")
cli.add_typer(provider.commands, name="provider")
cli.add_typer(orders.commands, name="orders")
cli.add_typer(stock.commands, name="stock")
cli.add_typer(sourcing.commands, name="sourcing")
cli.add_typer(backorders.commands, name="backorders")
cli.add_typer(dead_letters.commands, name="dead-letters")
run.register(cli)


def main() -> None:
    """Runs the command line; a WaybillError is one sentence on standard error, never a trace."""
    # A client that retries says so at length; what it cannot mend becomes an error of ours.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        cli()
    except LaneError as problem:
        aside.print(f"waybill: {problem}", style="red", markup=False)
        sys.exit(70)
    except WaybillError as problem:
        aside.print(f"waybill: {problem}", style="red", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
