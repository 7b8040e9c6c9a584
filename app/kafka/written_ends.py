"""The ends of partitions with what is not committed yet, which a reader of committed records has no call for."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, NoError, for_code
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy

_CONSUMER: Final = -1
_READ_UNCOMMITTED: Final = 0


async def written_ends(reader: Any, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
    """Return the end of each partition, asked on the reader's own connection. One that gives no answer is left out.

    A leader that changes or a connection that breaks is no fault: who asks now and then asks again.
    """
    by_node: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for place in places:
        node = reader._client.cluster.leader_for_partition(place)
        if node is not None and node >= 0:
            by_node[node][place.topic].append((place.partition, OffsetResetStrategy.LATEST))
    answers = await asyncio.gather(*(_ask(reader._client, node, topics) for node, topics in by_node.items()))
    return {place: end for answer in answers for place, end in answer.items()}


async def _ask(client: Any, node: int, topics: Mapping[str, list[tuple[int, int]]]) -> Mapping[TopicPartition, int]:
    request = OffsetRequest(_CONSUMER, _READ_UNCOMMITTED, list(topics.items()))
    try:
        response = await client.send(node, request)
    except KafkaError:
        return {}
    return {
        TopicPartition(topic, partition): offset
        for topic, answers in response.topics
        for partition, code, _, offset in answers
        if for_code(code) is NoError
    }
