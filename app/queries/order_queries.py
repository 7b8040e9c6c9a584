"""Orders as the ledger has them: one, some or all. Each look reads partitions of the ledger from their beginning."""

from collections.abc import Set
from typing import Final

from aiokafka import TopicPartition

from app.agents import order_ledger
from app.domain.order import OrderState
from app.events.ids import partition_of
from app.kafka.clients import partition_counts
from app.kafka.cluster_access import ClusterAccess
from app.kafka.topic_reader import consumer, partitions, read_to_end
from app.lanes.ledger_keys import is_lanes_own
from app.sealing.key_book import TOPIC as KEYS_TOPIC
from app.sealing.master_keys import MasterKeys

LEDGER: Final = "order-ledger"


async def find_order(cluster: ClusterAccess, order_id: str, master_keys: MasterKeys) -> OrderState | None:
    """Return the order's last entry in the ledger; None for one that is not there. Raises BrokerError, LedgerError."""
    return (await find_orders(cluster, {order_id}, master_keys)).get(order_id)


async def find_orders(cluster: ClusterAccess, order_ids: Set[str], master_keys: MasterKeys) -> dict[str, OrderState]:
    """Return the last entries of those of the orders that the ledger holds; only their partitions are read.

    Raises BrokerError, LedgerError.
    """
    latest: dict[bytes, bytes | None] = dict.fromkeys(order_id.encode() for order_id in sorted(order_ids))
    async with consumer(cluster) as reader:
        places = await partitions(reader, LEDGER)
        own = sorted({partition_of(key, len(places)) for key in latest})
        async for record in read_to_end(reader, [places[number] for number in own]):
            if record.key in latest:
                latest[record.key] = record.value
    orders = ((key.decode(), order_in(_opened(key, value, master_keys))) for key, value in latest.items())
    return {order_id: order for order_id, order in orders if order is not None}


async def had_key(cluster: ClusterAccess, order_id: str) -> bool:
    """Return whether the order has a key of its own, or had one that was removed lately. Raises BrokerError."""
    key = order_id.encode()
    async with consumer(cluster) as reader:
        count = (await partition_counts(reader)).get(KEYS_TOPIC, 0)
        if not count:
            return False
        place = TopicPartition(KEYS_TOPIC, partition_of(key, count))
        return key in {record.key async for record in read_to_end(reader, [place])}


async def all_orders(cluster: ClusterAccess, master_keys: MasterKeys) -> list[OrderState]:
    """Return every order that the ledger holds, by id. Raises BrokerError, LedgerError."""
    latest: dict[bytes, bytes | None] = {}
    async with consumer(cluster) as reader:
        async for record in read_to_end(reader, await partitions(reader, LEDGER)):
            if record.key is not None and not is_lanes_own(record.key):
                latest[record.key] = record.value
    orders = (order_in(_opened(key, value, master_keys)) for key, value in sorted(latest.items()))
    return [order for order in orders if order is not None]


def _opened(key: bytes, value: bytes | None, master_keys: MasterKeys) -> bytes | None:
    return None if value is None else master_keys.open_value(LEDGER, key, value)


def order_in(value: bytes | None) -> OrderState | None:
    """Return the order of a ledger value; None for no value, and for events of an order that was not created yet.

    Raises LedgerError for a value that this version cannot read.
    """
    entry = order_ledger.decode(value) if value else None
    return entry if isinstance(entry, OrderState) else None
