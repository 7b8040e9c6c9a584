"""What the ledger of sourcing says, for commands and views: stock, what waits, runs, and why a source was chosen."""

from typing import Any, Final, TypeVar

from app.domain.event_names import EventName
from app.domain.order import OrderState
from app.inventory import source_ledger
from app.inventory.ledger_values import ExplainedPlan
from app.inventory.source_ledger import LedgerValue
from app.kafka import topic_reader
from app.kafka.cluster_access import ClusterAccess
from app.queries import order_queries
from app.queries.views import order_view, sourcing_view
from app.sealing.master_keys import MasterKeys

LEDGER: Final = "source-ledger"
_SOURCING: Final = frozenset({EventName.ORDER_SOURCED, EventName.ORDER_BACKORDERED, EventName.ORDER_NOT_SOURCED})
Value = TypeVar("Value", bound=LedgerValue)


async def values(cluster: ClusterAccess, kind: type[Value], master_keys: MasterKeys) -> list[Value]:
    """Return all ledger values of a kind, by key. Raises BrokerError, LedgerError."""
    latest = await _latest(cluster, kind, "", master_keys)
    return [source_ledger.decode(kind, value) for _, value in sorted(latest.items())]


async def find_explained(cluster: ClusterAccess, order_id: str, master_keys: MasterKeys) -> list[ExplainedPlan]:
    """Return the explanations of an order's plans, oldest first. All partitions are read: the pool decides which."""
    latest = await _latest(cluster, ExplainedPlan, f"{order_id}/", master_keys)
    explained = [source_ledger.decode(ExplainedPlan, value) for value in latest.values()]
    return sorted((each for each in explained if each.order_id == order_id), key=lambda each: (each.issued, each.at))


async def find_view(cluster: ClusterAccess, order_id: str, master_keys: MasterKeys) -> dict[str, Any] | None:
    """Return the view of an order that the ledger holds, None for another one. Raises BrokerError, LedgerError."""
    order = await order_queries.find_order(cluster, order_id, master_keys)
    return None if order is None else await complete_view(cluster, order, master_keys)


async def complete_view(cluster: ClusterAccess, order: OrderState, master_keys: MasterKeys) -> dict[str, Any]:
    """Return an order as it is shown, with why its lines ship from where they do. Raises BrokerError, LedgerError.

    The ledger of sourcing is read only for an order that was sourced line by line.
    """
    explained = []
    if _was_sourced(order):
        explained = await find_explained(cluster, order.order.order_id, master_keys)
    return order_view(order) | {"sourcing": sourcing_view(explained)}


def _was_sourced(order: OrderState) -> bool:
    return bool(order.fulfillment_orders) or any(entry.event in _SOURCING for entry in order.timeline)


async def _latest(cluster: ClusterAccess, kind: type[Any], name: str, master_keys: MasterKeys) -> dict[bytes, bytes]:
    """Return the last value of each key of a kind whose name begins so."""
    latest: dict[bytes, bytes] = {}
    prefix = source_ledger.key_of(kind, name)
    async with topic_reader.consumer(cluster) as reader:
        async for record in topic_reader.read_to_end(reader, await topic_reader.partitions(reader, LEDGER)):
            if record.key is not None and record.key.startswith(prefix) and record.value is not None:
                latest[record.key] = record.value
    return {key: master_keys.open_value(LEDGER, key, value) for key, value in latest.items()}
