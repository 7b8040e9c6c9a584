"""Loopback ports: free and taken ones, and the one question that is asked of a Kafka."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BrokerError
from app.sandbox.local import ports
from app.sandbox.local.ports import HOST, cluster_at, cluster_named, free_port, is_taken, require_free


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def metadata(brokers: int = 1, cluster: str = "here", correlation: int = 0x5742) -> bytes:
    """A metadata answer, version 2, as the protocol guide of Kafka lays it out."""
    broker = struct.pack(">i", 1) + text(HOST) + struct.pack(">i", 9092) + struct.pack(">h", -1)
    return struct.pack(">ii", correlation, brokers) + broker * brokers + text(cluster) + struct.pack(">ii", 1, 0)


@contextmanager
def listener(answer: bytes) -> Iterator[int]:
    """A server that gives the same bytes to everyone who sends something."""

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                if connection.recv(1024):
                    connection.sendall(answer)

    with socket.create_server((HOST, 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def framed(answer: bytes) -> bytes:
    return struct.pack(">i", len(answer)) + answer


def test_a_cluster_is_named_by_its_metadata() -> None:
    assert cluster_named(metadata(cluster="Ab-1_")) == "Ab-1_"


def test_a_kafka_without_a_live_broker_is_not_ready() -> None:
    assert cluster_named(metadata(brokers=0)) is None


def test_the_answer_to_another_question_counts_for_nothing() -> None:
    assert cluster_named(metadata(correlation=1)) is None


@given(st.integers(0, len(metadata()) - 9))
def test_an_answer_that_is_cut_before_the_cluster_ends_counts_for_nothing(length: int) -> None:
    assert cluster_named(metadata()[:length]) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(noise: bytes) -> None:
    named = cluster_named(struct.pack(">i", 0x5742) + noise)
    assert named is None or isinstance(named, str)


def test_a_kafka_on_a_port_names_its_cluster() -> None:
    with listener(framed(metadata(cluster="abc"))) as port:
        assert cluster_at(port) == "abc"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", struct.pack(">i", 50) + b"short"])
def test_what_is_not_kafka_names_no_cluster(answer: bytes) -> None:
    with listener(answer) as port:
        assert cluster_at(port) is None


def test_nothing_answers_on_a_free_port() -> None:
    port = free_port()
    assert not is_taken(port)
    assert cluster_at(port) is None
    require_free(port)


def test_a_free_port_is_given_to_one_caller_only(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port()
    monkeypatch.setattr(ports, "_FREE", range(first + 1, first + 4))
    monkeypatch.setattr(ports, "_TRIES", 3)
    given = {free_port()}
    with pytest.raises(BrokerError, match="No free port"):
        given.update(free_port() for _ in range(3))
    for port in given:
        with socket.create_server((HOST, port)):
            assert is_taken(port)


def test_a_taken_port_is_named_with_the_fix() -> None:
    with (
        listener(b"hello") as port,
        pytest.raises(BrokerError, match=f"Port {port} .*another program: end that program"),
    ):
        require_free(port, limit_s=0.1)


def test_another_kafka_on_the_port_can_be_used_instead() -> None:
    with listener(framed(metadata())) as port, pytest.raises(BrokerError, match="KAFKA_BOOTSTRAP_SERVERS=127"):
        require_free(port, limit_s=0.1)


def test_a_port_that_is_bound_but_silent_is_taken() -> None:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        assert is_taken(bound.getsockname()[1])


def test_a_port_that_becomes_free_in_time_is_free() -> None:
    held = socket.create_server((HOST, 0))
    port = held.getsockname()[1]
    timer = threading.Timer(0.1, held.close)
    timer.start()
    require_free(port, limit_s=5)
    timer.join()


@pytest.mark.parametrize("port", [-1, 0, 65_536])
def test_a_port_that_does_not_exist_is_an_error(port: int) -> None:
    with pytest.raises(BrokerError, match=f"Port {port} does not exist: choose one from 1 to 65535"):
        require_free(port)
