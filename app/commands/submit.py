"""The work of `waybill orders submit`: check orders as the roles would, leave out those that exist, send the rest."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from app import policies, resources
from app.commands import output
from app.commands.definitions import full_setup
from app.commands.documents import Document, read
from app.commands.environment import load_settings
from app.domain.lifecycle import Status
from app.domain.order import Order, OrderState
from app.errors import RecordError, SettingError
from app.events import codec
from app.events.codec import Codec
from app.events.model import Event, OrderCreated
from app.events.record import unsent
from app.flows.engine import digest, step
from app.flows.loading.published import Published, publish
from app.kafka import transactions
from app.kafka.cluster_access import ClusterAccess
from app.queries import order_queries
from app.settings import Settings

TOPIC: Final = "order-created"
SHOWN_MAX: Final = 10
EXAMPLE: Final = "an example is in schemas/examples/order-created.json"


class Checked(NamedTuple):
    """An order that may be sent."""

    order_id: str
    document: Document


def run(file: str, *, as_json: bool) -> None:
    """Send the orders of a file. Raises SettingError, and sends none, when one cannot be taken; BrokerError."""
    settings = load_settings()
    documents = read(file)
    if not documents:
        raise SettingError(f"{file}: there is no order in it; {EXAMPLE}")
    checks = Checks(codec.load(record_bytes_max=settings.record_bytes_max))
    orders = checks.all(documents)
    new_orders = asyncio.run(_send(settings, checks, orders))
    if as_json:
        output.data([order.order_id for order in new_orders])
    else:
        output.line(f"{len(new_orders)} {'order' if len(new_orders) == 1 else 'orders'} on {TOPIC}")


async def _send(settings: Settings, checks: "Checks", orders: Sequence[Checked]) -> list[Checked]:
    """Send the orders that the ledger does not hold, and return them."""
    cluster, order_ids = ClusterAccess.of(settings), {order.order_id for order in orders}
    present = await order_queries.find_orders(cluster, order_ids, settings.master_keys())
    checks.require_same(orders, present)
    new_orders = [order for order in orders if order.order_id not in present]
    _tell([state.order for state in present.values()])
    if new_orders:
        await transactions.publish(cluster, TOPIC, [(order.order_id, order.document.value) for order in new_orders])
    return new_orders


def _tell(left_out: Sequence[Order]) -> None:
    for order in left_out[:SHOWN_MAX]:
        output.note(f"{order.order_id} exists already ({order.state} / {order.reason}): not sent again")
    if len(left_out) > SHOWN_MAX:
        output.note(f"and {len(left_out) - SHOWN_MAX} more exist already: not sent again")


class Checks:
    """The checks of an order before it is sent: its form, its id, its flow, what policies say of it."""

    def __init__(self, records: Codec) -> None:
        self._records = records
        self._published = flows()

    def all(self, documents: Iterable[Document]) -> list[Checked]:
        """Return each order with its id. Raises SettingError that names all that are wrong, up to ten."""
        checked: list[Checked] = []
        places: dict[str, str] = {}
        problems: list[str] = []
        for document in documents:
            try:
                order_id = self._order_id(document)
                first = places.setdefault(order_id, document.where)
                if first != document.where:
                    raise RecordError("invalid", f"order_id {order_id} is that of {first} too; give each its own")
                checked.append(Checked(order_id, document))
            except RecordError as problem:
                problems.append(f"{document.where}: {problem.detail}")
        _raise(problems)
        return checked

    def require_same(self, orders: Iterable[Checked], present: Mapping[str, OrderState]) -> None:
        """Raise SettingError for orders that exist with other content: their second form would be set aside."""
        _raise(
            [
                f"{order.document.where}: order {order.order_id} exists with other content; change it by a command,"
                " or send it under another id"
                for order in orders
                if order.order_id in present and not self._is_same(order, present[order.order_id])
            ]
        )

    def _order_id(self, document: Document) -> str:
        event, body = self._decoded(document, time.time_ns() // 1_000_000)
        first = step(self._published.choose(body), None, event)
        if first.state is None:
            raise RecordError(first.code, first.detail)
        order = first.state.order
        if (order.state, order.reason) == Status.REJECTED.value:
            why = next((entry.note for entry in reversed(first.state.timeline) if entry.note), "a policy refuses it")
            raise RecordError("invalid", f"flow {first.state.flow} would refuse order {event.order_id}: {why}")
        return event.order_id

    def _is_same(self, order: Checked, state: OrderState) -> bool:
        """Whether both have the same content. An order without a time of its own has that of its record."""
        _, body = self._decoded(order.document, state.order.placed_at)
        return digest(body.order) == state.content

    def _decoded(self, document: Document, at: int) -> tuple[Event, OrderCreated]:
        event = self._records.decode(unsent(TOPIC, document.value, transactions.JSON, at=at))
        body = event.body
        assert isinstance(body, OrderCreated), f"{TOPIC} holds nothing else"
        return event, body


def flows() -> Published:
    """Return every flow, as if all providers were set up: which are, only the workers know."""
    return publish(resources.flow_files(), policies.all_rules(resources.policy_files()), full_setup())


def _raise(problems: Sequence[str]) -> None:
    if problems:
        more = len(problems) - SHOWN_MAX
        sentences = [*problems[:SHOWN_MAX], *([f"and {more} more"] if more > 0 else [])]
        raise SettingError("\n".join(sentences) + f"\nNo order was sent; {EXAMPLE}")
