"""`waybill orders`: submit orders, and look at them as the ledger and the status topic have them."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.words import Json, examples
from app.errors import SettingError, suggest

if TYPE_CHECKING:
    from app.domain.order import OrderState
    from app.kafka.cluster_access import ClusterAccess

commands = typer.Typer()
EXAMPLE = "schemas/examples/order-created.json"


@commands.command(epilog=examples(f"orders submit {EXAMPLE}", "orders submit orders.jsonl --json", "orders submit -"))
def submit(
    file: Annotated[
        str,
        typer.Argument(
            help="Orders as JSON (schemas/order-created.schema.json): one object, an array, or one object after the"
            " other; - reads standard input."
        ),
    ],
    json: Json = False,
) -> None:
    """Publish orders on order-created. All are checked first: when one is wrong it is named, and none is sent.

    What is checked: form, ids, flow, and what the flow's policies say, such as totals. An order that exists already is
    left out and named; one that exists with other content is refused. With --json: the ids that were sent.
    """
    from app.commands import submit as sending

    sending.run(file, as_json=json)


@commands.command(name="list", epilog=examples("orders list", "orders list --state completed", "orders list --json"))
def list_orders(
    state: Annotated[str | None, typer.Option(help="Only orders in this state.")] = None,
    json: Json = False,
) -> None:
    """Every order that the ledger holds, with its state and reason."""
    from app.commands import output
    from app.commands.environment import load_settings
    from app.kafka.cluster_access import ClusterAccess
    from app.queries import order_queries

    name = None if state is None else _state(state)
    settings = load_settings()
    orders = asyncio.run(order_queries.all_orders(ClusterAccess.of(settings), settings.master_keys()))
    briefs = [_brief(each) for each in orders if name in (None, each.order.state)]
    if json:
        output.data(briefs)
        return
    names = ("order_id", "flow", "state", "reason", "lines", "version")
    rows = [[each[name] for name in names] for each in briefs]
    output.table(("Order", "Flow", "State", "Reason", "Lines", "Version"), rows)


def _state(name: str) -> str:
    """Return the state of that name. Raises SettingError that names those that there are."""
    from app.domain.lifecycle import Status

    states = {status.state.lower(): status.state for status in Status}
    if name.lower() not in states:
        raise SettingError(
            f"--state {name}: {suggest(name, states.values())} (states are {', '.join(states.values())})"
        )
    return states[name.lower()]


def _brief(item: "OrderState") -> dict[str, Any]:
    order = item.order
    return {
        "order_id": order.order_id,
        "source_ref": order.source_ref,
        "flow": item.flow,
        "state": order.state,
        "reason": order.reason,
        "lines": len(order.lines),
        "version": item.version,
    }


@commands.command(epilog=examples("orders show web-100042", "orders show web-100042 --json"))
def show(order: Annotated[str, typer.Argument(help="Order id, e.g. bc-demo-1001.")], json: Json = False) -> None:
    """One order: state, lines, what set each field, and its timeline. Exit code 1 when there is none."""
    from app.commands import output
    from app.commands.environment import load_settings
    from app.kafka.cluster_access import ClusterAccess
    from app.queries import sourcing_queries

    settings = load_settings()
    view = asyncio.run(sourcing_queries.find_view(ClusterAccess.of(settings), order, settings.master_keys()))
    if view is None:
        output.refusal(f"no order {order} in the ledger")
        raise typer.Exit(1)
    if json:
        output.data(view)
    else:
        _print_order(view)


def _print_order(view: dict[str, Any]) -> None:
    from app.commands import output

    output.line(f"{view['order_id']}: {view['state']} / {view['reason']}", style="bold")
    output.line(f"flow {view['flow']} version {view['flow_version']}, company {view['company'] or '-'}")
    names = ("line_id", "sku", "quantity", "site", "warehouse", "state", "reason")
    lines = [[line[name] or None for name in names] for line in view["lines"]]
    output.table(("Line", "SKU", "Quantity", "Site", "Warehouse", "State", "Reason"), lines, "Lines")
    timeline = map(_entry, view["timeline"])
    output.table(("At", "Event", "State / Reason", "By", "Note"), timeline, "Timeline, in UTC")
    rows = [(item["field"], item["rule"], item["event_id"]) for item in view["lineage"]]
    output.table(("Field", "Rule", "Event"), rows, "What set each field")


def _entry(entry: dict[str, Any]) -> tuple[str, ...]:
    from app.commands import output

    by = f"{entry['source']}, step {entry['step']}" if entry["step"] else entry["source"]
    return output.moment(entry["at"]), entry["event"], f"{entry['state']} / {entry['reason']}", by, entry["note"]


@commands.command(epilog=examples("orders forget web-100042", "orders forget web-100042 --yes --json"))
def forget(
    order: Annotated[str, typer.Argument(help="Order id, e.g. bc-demo-1001.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    actor: Annotated[str, typer.Option(help="Who asks for it, for the timeline.")] = "",
    json: Json = False,
) -> None:
    """Remove the personal data of an order that has ended, and say what remains where until when (docs/privacy.md).

    It cannot be undone. The order stays, with its amounts, items and statuses.
    """
    from app.commands import forget as forgetting

    def confirm() -> bool:
        return yes or typer.confirm(f"Remove the personal data of {order} for good?", err=True)

    forgetting.run(order, actor, confirm, as_json=json)


@commands.command(epilog=examples("orders watch", "orders watch --order web-100042 --json"))
def watch(
    order: Annotated[str | None, typer.Option(help="Only this order.")] = None,
    json: Json = False,
) -> None:
    """Status changes as they come, until stopped. With --json: one JSON document a line."""
    from app.commands.environment import load_cluster

    try:
        asyncio.run(_watch(load_cluster(), order, json))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _watch(cluster: "ClusterAccess", order: str | None, as_json: bool) -> None:
    from app.commands import output
    from app.events import codec
    from app.kafka import topic_reader
    from app.queries.views import status_view

    records = codec.load()
    async with topic_reader.consumer(cluster) as reader:
        partitions = await topic_reader.partitions(reader, "order-status")
        statuses = await topic_reader.follow(reader, partitions)
        output.note("Status changes appear here as they come. Ctrl-C ends this.")
        async for record in statuses:
            view = status_view(records.decode(record))
            if order is not None and view["order_id"] != order:
                continue
            if as_json:
                output.data_line(view)
            else:
                output.line("{at} {order_id}  {state} / {reason}  ({event})".format_map(view))
