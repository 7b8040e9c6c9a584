"""`waybill worker`, `up`, `simulators`, `demo`, `verify`, `bench` and `settings`: the commands without a group.

What they need is imported when they run, so that `waybill --help` does not wait for it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.agents.roles import ROLES
from app.commands.words import Json, examples

if TYPE_CHECKING:
    from app.sandbox.local.up_addresses import UpAddresses

DEFAULT_COUNT = 200
KINDS = ("down", "slow", "429", "500", "drop-response")


def register(cli: typer.Typer) -> None:
    """Add these commands to the top level."""
    cli.command(name="up", epilog=examples("up", "up --json"))(run_up)
    cli.command(name="demo", epilog=examples("demo", "demo --scenario 1 --count 20", "demo --fault flexe:down"))(
        run_demo
    )
    cli.command(name="verify", epilog=examples("verify", "verify --providers --json"))(run_verify)
    cli.command(name="worker", epilog=examples("worker orchestrate", "worker perform apply mirror"))(run_worker)
    cli.command(name="simulators", epilog=examples("simulators", "simulators --port 0 --generous"))(run_simulators)
    cli.command(name="settings", epilog=examples("settings", "settings --json"))(show_settings)
    cli.command(name="bench", epilog=examples("bench", "bench --fold-only --json", "bench --sourcing"))(run_bench)


def run_worker(
    roles: Annotated[list[str], typer.Argument(help=f"One or more of: {', '.join(ROLES)}.", metavar="ROLE...")],
) -> None:
    """Run roles until stopped. Exit code 70: a lane was fenced or lost its broker; start it again."""
    from app.commands.environment import environment
    from app.worker import main

    raise typer.Exit(main.run(roles, environment()))


def run_simulators(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8480,
    generous: Annotated[
        bool, typer.Option("--generous", help="Quotas of a large plan, not the vendors' defaults.")
    ] = False,
    webhooks: Annotated[
        str, typer.Option(help="Where a worker takes webhooks in, such as http://127.0.0.1:6066/webhooks.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Say as JSON where they answer.")] = False,
) -> None:
    """Run the simulators of BigCommerce, Finance + Operations, Flexe and SAP, with their wire, until stopped."""
    from app.commands import output
    from app.commands.environment import environment
    from app.sandbox.vendors import host

    def as_json(base_url: str) -> None:
        output.data_line({"base_url": base_url})

    tell = as_json if json else host.print_line
    host.run(port, environment(), generous, webhooks, tell)


def run_up(
    json: Annotated[bool, typer.Option("--json", help="Say as one JSON document where everything answers.")] = False,
) -> None:
    """Run everything on this machine: broker, topics, simulators, all roles. Ctrl-C ends it.

    The broker is the one of KAFKA_BOOTSTRAP_SERVERS or of `waybill broker`, or else a new one, which ends with this
    command. The other commands on this machine find it by themselves.
    """
    import os

    from app.commands import output
    from app.commands.environment import warn
    from app.commands.stopping import until_stopped
    from app.sandbox.local import up

    def tell(addresses: "UpAddresses") -> None:
        if json:
            output.data(
                {"broker": addresses.broker, "simulators": addresses.simulators, "workers": dict(addresses.workers)}
            )
            return
        for name, address in up.addresses_of(addresses):
            output.line(f"{name:<12} {address}")

    warn()
    until_stopped(up.run(os.environ, output.note if json else output.line, tell))


def run_demo(
    orders: Annotated[
        Path | None, typer.Option(help="Orders of the shop: expanded BigCommerce V2 orders, one JSON a line.")
    ] = None,
    scenario: Annotated[list[int] | None, typer.Option(help="Only this scenario; may be given again.")] = None,
    count: Annotated[int, typer.Option(min=1, max=50_000, help="Orders of each scenario.")] = DEFAULT_COUNT,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER:KIND[:SECONDS]",
            help=f"Another round in which a provider is in trouble ({', '.join(KINDS)}); may be given again.",
        ),
    ] = None,
    stock: Annotated[
        Path | None, typer.Option(help="What the warehouses have (scenario 6): CSV of sku,site,warehouse,on_hand.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="The warehouses: CSV of warehouse,site,city,latitude,longitude.")
    ] = None,
    receipts: Annotated[
        Path | None, typer.Option(help="What comes in later: CSV of sku,site,warehouse,quantity.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the report here.")] = None,
) -> None:
    """The main job: every scenario on a real broker with real HTTP, judged on what its topics show."""
    from app.commands import demo

    options = demo.read_options(
        orders=orders,
        scenarios=scenario or (),
        count=count,
        faults=fault or (),
        files=(sources, stock, receipts),
        report=json,
    )
    raise typer.Exit(0 if demo.run(options, json) else 1)


def run_verify(
    providers: Annotated[
        bool, typer.Option("--providers", help="Also ask the providers that are set up what they have of each order.")
    ] = False,
    json: Json = False,
) -> None:
    """Hold all topics and ledgers against one another: how many orders stand where, what is lost, doubled, different.

    Nothing is written, and workers may run meanwhile: what they have not finished counts as under way. Exit codes for
    cron: 0 all holds, 1 something is lost, doubled or different, 2 the broker or a provider could not be looked at.
    """
    from app.commands import verify

    raise typer.Exit(verify.run(providers=providers, as_json=json))


def run_bench(
    orders: Annotated[int, typer.Option(min=500, max=50_000, help="Orders that go through the role.")] = 4_000,
    live: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Live orders in the ledger when the lanes open.")
    ] = 20_000,
    fold_only: Annotated[bool, typer.Option("--fold-only", help="Only the fold in memory, no Kafka.")] = False,
    sourcing: Annotated[
        bool, typer.Option("--sourcing", help="Not orchestrate but the solver: 200 orders over 20 sources, no Kafka.")
    ] = False,
    batches: Annotated[int, typer.Option(min=1, max=1_000, help="Batches of each case, with --sourcing.")] = 9,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Events per second and CPU per event of orchestrate, in memory and as a worker on a broker of its own."""
    from app.commands import bench

    if sourcing:
        bench.run_sourcing(batches, json)
    else:
        bench.run(orders, live, fold_only, json)


def show_settings(
    json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page docs/settings.md.")] = False,
) -> None:
    """List every environment variable that Waybill reads, and say which are set. No value is shown."""
    from app.commands import settings

    settings.show(as_json=json, as_markdown=markdown)
