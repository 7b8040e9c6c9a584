"""Each internal of Faust and aiokafka that the lanes rely on. A failure says what to read before a version changes."""

import inspect
from collections import defaultdict
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import aiokafka
import faust
import mode
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import _detect_xerial_stream
from aiokafka.conn import OAuthAuthenticator, create_conn
from aiokafka.consumer.fetcher import Fetcher, PartitionRecords
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.sender import EndTxnHandler, Sender
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.metadata import MetadataRequest
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer, ConsumerThread
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from app.kafka.connection import ClusterConnection
from app.worker.transport import BatchConsumer, assignor_of

CONNECTION: Any = ClusterConnection.__base__
PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}

RELIED_ON: list[tuple[Any, str, str]] = [
    (
        Consumer.getmany,
        "75337a29",
        "BatchConsumer.getmany replaces it: drops what a rebalance overtook, a batch at a time",
    ),
    (
        Consumer._wait_next_records,
        "881cccf8",
        "BatchConsumer.getmany calls it and unpacks (records, active partitions)",
    ),
    (Consumer._drain_messages, "c25c498f", "calls getmany and hands each message on; drops those below _read_offset"),
    (Consumer._add_gap, "7130ed19", "BatchConsumer makes it do nothing, because a message stands for a batch"),
    (
        Consumer._new_offset,
        "cd5711e9",
        "BatchConsumer replaces it: highest acknowledged + 1; uses _acked and _acked_index",
    ),
    (Consumer.ack, "d37f1b8a", "the lane acknowledges a batch by its last offset; fills _acked and _acked_index"),
    (
        Consumer.perform_seek,
        "175fdda3",
        "calls seek_to_committed, which the lanes answer, and takes the offsets it returns",
    ),
    (Consumer.on_partitions_revoked, "95764d59", "BatchConsumer lets the flow stop first and pauses the lanes then"),
    (Consumer.on_partitions_assigned, "d0475b2e", "BatchConsumer opens and closes lanes before Faust resumes the flow"),
    (ConsumerThread.on_partitions_assigned, "b5bfcb8b", "runs the consumer's method on the main loop"),
    (
        driver.ConsumerRebalanceListener.on_partitions_assigned,
        "45654723",
        "sets app.consumer_generation_id before the lanes hear",
    ),
    (
        driver.AIOKafkaConsumerThread._create_worker_consumer,
        "89e6d171",
        "BatchConsumerThread replaces it: the consumer's settings",
    ),
    (driver.Producer.on_start, "2904e9df", "starts what _new_producer returns, which UnusedProducer replaces"),
    (driver.AIOKafkaConsumerThread._seek_wait, "eca819cd", "read_on goes to the lanes' offsets with it"),
    (
        driver.AIOKafkaConsumerThread._fetch_records,
        "b26e1965",
        "fetches only the partitions it is given: held lanes rely on it",
    ),
    (
        driver.AIOKafkaConsumerThread._commit,
        "6852568c",
        "commits the group's offsets, a hint; a failure crashes the consumer",
    ),
    (
        Recovery._resume_streams,
        "ef61c97c",
        "perform_seek before resume_flow: nothing is read before the lanes gave their offsets",
    ),
    (
        faust.App._on_partitions_revoked,
        "f21b5112",
        "stops the flow and, without stream_wait_empty, waits for no record",
    ),
    (faust.App._on_partitions_assigned, "56eb5bd7", "needs no leader topic and no table"),
    (faust.App._create_directories, "f3001ee6", "RoleApp makes it do nothing; it is called on the first start"),
    (faust.App.on_stop, "5c3635ae", "stops the fetcher and commits what was acknowledged"),
    (mode.Service.wait_until_stopped, "9d80ab25", "returns when an app stopped or crashed; crash_reason says why"),
    (aiokafka.AIOKafkaProducer.begin_transaction, "4857aa59", "the lane's transactions"),
    (aiokafka.AIOKafkaProducer.commit_transaction, "ed220084", "returns once the broker has ended the transaction"),
    (aiokafka.AIOKafkaProducer.send_batch, "80e42315", "its future gives the offset of the batch's first record"),
    (
        MessageAccumulator.add_batch,
        "78a6e0ce",
        "waits for the partition's earlier batch: batches of a partition stay in order",
    ),
    (BatchBuilder.append, "cd9d0dec", "None means full: the record goes to the next batch"),
    (EndTxnHandler.handle_response, "87274789", "InvalidProducerEpoch is ProducerFenced: the lane's process ends"),
    (AIOKafkaClient._metadata_update, "5c8be017", "app/kafka/clients.py replaces the request that it makes by name"),
    (MetadataRequest.build, "601b8b2e", "False reaches the broker, which makes no topic then"),
    (
        create_conn,
        "81c60f49",
        "connection.py connects with it: it logs no refusal, and makes connections by the name AIOKafkaConnection",
    ),
    (CONNECTION._do_sasl_handshake, "18dd4e42", "asks authenticator_oauth and steps until None or an error"),
    (OAuthAuthenticator.step, "f72195fb", "TokenExchange looks at the broker's answer, which it does not"),
    (CONNECTION.send, "8857b9cc", "cluster_refusals.py sends its request for metadata with it"),
    (RequestStruct.build_request_header, "2d901b71", "ports.py writes its request for metadata with it"),
    (
        Fetcher._proc_fetch_request,
        "ad1f3453",
        "makes the records of a fetch by the name MemoryRecords, which compressed_batches.py replaces",
    ),
    (PartitionRecords._unpack_records, "bd591e99", "unpacks a batch whole; goes on at its last offset"),
    (_detect_xerial_stream, "dd09b46e", "which snappy data is a row of blocks"),
    (Sender._fail_all, "ccc2c161", "a sender that fails fails the transaction: nothing is lost in silence"),
]


def fingerprint(function: Any) -> str:
    return blake2b(inspect.getsource(function).encode(), digest_size=4).hexdigest()


@pytest.mark.parametrize("package", PINNED)
def test_versions_are_the_ones_that_were_read(package: str) -> None:
    assert version(package) == PINNED[package], (
        f"{package} changed: read what this file names, run tests/kafka, then change the pin in pyproject.toml and here"
    )


@pytest.mark.parametrize(
    ("function", "known", "reason"), RELIED_ON, ids=[f"{found.__qualname__}" for found, _, _ in RELIED_ON]
)
def test_what_is_relied_on_is_as_it_was_read(function: Any, known: str, reason: str) -> None:
    assert fingerprint(function) == known, (
        f"{function.__module__}.{function.__qualname__} changed: {reason}. Read it again"
    )


def test_faust_installs_a_transport_by_assignment() -> None:
    found = inspect.getattr_static(faust.App, "transport")
    assert getattr(found, "fset", None) is not None, "app.transport = ... is how app_factory installs BatchTransport"


def test_the_messages_of_a_stream_carry_what_the_agent_hands_over() -> None:
    from faust.events import Event

    assert callable(Event.ack), "the lane acknowledges a batch with event.ack"
    parameters = list(inspect.signature(Event.__init__).parameters)
    assert parameters[:6] == ["self", "app", "key", "value", "headers", "message"], (
        "BatchSchema makes events by position"
    )


def test_a_full_batch_says_so_and_headers_must_be_a_list() -> None:
    batch = BatchBuilder(1_000, 0, is_transactional=1)
    assert batch.append(timestamp=None, key=b"k", value=b"x" * 5_000, headers=[("h", b"v")]) is not None, (
        "a first record must be taken whatever its size: _Writer.add relies on it"
    )
    assert batch.append(timestamp=None, key=b"k", value=b"x" * 5_000, headers=[]) is None
    with pytest.raises(TypeError, match="expected list"):
        BatchBuilder(1_000, 0).append(timestamp=None, key=b"k", value=b"v", headers=())


class Cluster:
    """What the broker told of topics."""

    def __init__(self, *topics: str) -> None:
        self._topics = topics

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0, 1, 2, 3} if topic in self._topics else None


class Failing:
    """Of the lanes, what an assignor asks."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def fail(self, problem: BaseException) -> None:
        self.problems.append(str(problem))


TOPICS = ["a", "b", "c"]
MEMBERS = {name: ConsumerProtocolMemberMetadata(0, TOPICS, b"") for name in ("one", "two", "three")}


def test_range_assignment_gives_partition_n_of_every_input_to_one_worker() -> None:
    lanes: Any = Failing()
    assigned = assignor_of(lanes).assign(Cluster(*TOPICS), MEMBERS)
    owners: dict[int, set[str]] = defaultdict(set)
    for member, assignment in assigned.items():
        for _, partitions in assignment.assignment:
            for partition in partitions:
                owners[partition].add(member)
    assert {partition: len(found) for partition, found in owners.items()} == {0: 1, 1: 1, 2: 1, 3: 1}, (
        "the lanes need co-partitioned assignment: another assignor scatters the inputs of a lane"
    )
    assert lanes.problems == []


@pytest.mark.parametrize("known", [(), ("a", "c")])
def test_nothing_is_given_out_while_the_broker_tells_nothing_of_an_input(known: tuple[str, ...]) -> None:
    lanes: Any = Failing()
    assignor_of(lanes).assign(Cluster(*known), MEMBERS)
    (problem,) = lanes.problems
    missing = ", ".join(topic for topic in TOPICS if topic not in known)
    assert problem.startswith(f"the broker tells nothing of {missing}: it has just started, or they are missing")


def test_group_offsets_follow_the_last_acknowledged_batch() -> None:
    consumer = object.__new__(BatchConsumer)
    tp = TP("a", 0)
    consumer._acked = defaultdict(list, {tp: [1_999, 3_999]})
    consumer._acked_index = defaultdict(set, {tp: {1_999, 3_999}})
    assert consumer._new_offset(tp) == 4_000
    assert consumer._new_offset(tp) is None
    assert not consumer._acked_index[tp]


def test_cython_is_there() -> None:
    from faust import streams

    assert getattr(streams, "_CStreamIterator", None) is not None, (
        "Faust's pure Python stream acknowledges records of a former generation without handing them over"
    )
