"""The Kafka clients of Waybill. They never create a topic: `waybill topics apply` does, as topics.yaml says.

aiokafka asks for the metadata of a topic in such a way that a broker with `auto.create.topics.enable` makes the topic,
with its own number of partitions and none of our settings. Faust's clients ask through the same code.
"""

from collections.abc import Mapping
from typing import Any

import aiokafka.client
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.metadata import MetadataRequest

import app.kafka.compressed_batches  # noqa: F401 bounds what every consumer here unpacks
from app.kafka.cluster_access import ClusterAccess
from app.kafka.connection import client_settings

__all__ = [
    "AIOKafkaAdminClient",
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "new_admin",
    "new_consumer",
    "new_producer",
    "partition_counts",
]


class MetadataQuery(MetadataRequest):  # type: ignore[misc]
    """A request for the metadata of topics that creates none. tests/kafka/test_pins.py holds what it relies on."""

    def __init__(self, topics: list[str] | None = None) -> None:
        super().__init__(topics, allow_auto_topic_creation=False)


# aiokafka has no setting for it: its clients look the request up by name, in these two modules.
aiokafka.client.MetadataRequest = MetadataQuery
aiokafka.admin.client.MetadataRequest = MetadataQuery


def new_consumer(cluster: ClusterAccess, **settings: Any) -> AIOKafkaConsumer:
    """Return a consumer of the cluster, not started yet. `settings` are aiokafka's."""
    return AIOKafkaConsumer(**client_settings(cluster), **settings)


def new_producer(cluster: ClusterAccess, **settings: Any) -> AIOKafkaProducer:
    """Return a producer of the cluster, not started yet. `settings` are aiokafka's."""
    return AIOKafkaProducer(**client_settings(cluster), **settings)


def new_admin(cluster: ClusterAccess, **settings: Any) -> AIOKafkaAdminClient:
    """Return a client for the administration of the cluster, not started yet. `settings` are aiokafka's."""
    return AIOKafkaAdminClient(**client_settings(cluster), **settings)


async def partition_counts(client: AIOKafkaConsumer | AIOKafkaProducer) -> Mapping[str, int]:
    """Return how many partitions each topic of the cluster has, asked anew. Raises KafkaError."""
    # A consumer's and a producer's own answers speak only of topics that they use already.
    inner: Any = client.client if isinstance(client, AIOKafkaProducer) else client._client
    cluster = await inner.fetch_all_metadata()
    return {topic: len(cluster.partitions_for_topic(topic)) for topic in cluster.topics()}
