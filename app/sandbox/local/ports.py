"""Loopback ports: which one is free, and which Kafka answers on one. No Kafka client is needed, and no event loop."""

import random
import socket
import struct
import time
from io import BytesIO

from app.errors import BrokerError

HOST = "127.0.0.1"
# Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections: none of those gets in.
_FREE = range(20_000, 32_000)
_TRIES = 100
_ANSWER_BYTES = 65_536
# Metadata, version 2: the oldest answer that names the cluster, and one that every Kafka since 0.10.1 gives.
_METADATA, _VERSION, _CORRELATION = 3, 2, 0x5742


def free_port() -> int:
    """A port of this machine that nothing listens on.

    Chosen by chance, so that two processes that ask at once get different ones. Raises BrokerError when 100 candidates
    are taken.
    """
    for port in random.SystemRandom().sample(_FREE, _TRIES):
        if not is_taken(port):
            return port
    raise BrokerError(f"No free port between {_FREE.start} and {_FREE.stop} on {HOST}: end what listens there")


def is_taken(port: int) -> bool:
    """Whether something listens on the port of this machine. Raises BrokerError for a port that can never be used."""
    if not 1 <= port <= 65_535:
        raise BrokerError(f"Port {port} does not exist: choose one from 1 to 65535")
    return _connects(port) or not _binds(port)


def require_free(port: int, limit_s: float = 1.0) -> None:
    """Return when the port is free; a port that is still taken after `limit_s` seconds raises BrokerError.

    It waits because the kernel closes the ports of a killed process a moment after the process is gone.
    """
    deadline = time.monotonic() + limit_s
    while is_taken(port):
        if time.monotonic() > deadline:
            raise BrokerError(_taken(port))
        time.sleep(0.05)


def cluster_at(port: int, timeout_s: float = 2.0) -> str | None:
    """The id of the Kafka cluster that answers on the port, once it has a live broker; None for anything else.

    It asks for the metadata of no topic, so that the answer proves more than an open port: the broker serves requests
    and is registered. `timeout_s` holds for each step of the exchange.
    """
    request = struct.pack(">hhih7si", _METADATA, _VERSION, _CORRELATION, 7, b"waybill", 0)
    try:
        with socket.create_connection((HOST, port), timeout_s) as connection, connection.makefile("rb") as answer:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", answer.read(4))
            return cluster_named(answer.read(size)) if 0 < size <= _ANSWER_BYTES else None
    except (OSError, struct.error):
        # Refused, silent, or gone in the middle.
        return None


def cluster_named(answer: bytes) -> str | None:
    """The cluster id in a metadata answer (version 2) with at least one broker; None for any other bytes."""
    fields = BytesIO(answer)
    try:
        return _cluster_id(fields) if _integer(fields) == _CORRELATION else None
    except (struct.error, UnicodeDecodeError):
        return None


def _connects(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), 1.0):
            return True
    except OSError:
        return False


def _binds(port: int) -> bool:
    with socket.socket() as probe:
        # Kafka sets it as well: a port whose old connections still linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as exc:
            raise BrokerError(f"Port {port} is reserved for the system's administrator: choose one above 1023") from exc
        except OSError:
            return False
    return True


def _taken(port: int) -> str:
    if cluster_at(port) is None:
        return f"Port {port} on {HOST} is taken by another program: end that program or choose another port"
    return (
        f"Port {port} on {HOST} is taken by another Kafka: end it, choose another port, or use that Kafka"
        f" (KAFKA_BOOTSTRAP_SERVERS={HOST}:{port})"
    )


def _cluster_id(fields: BytesIO) -> str | None:
    brokers = _integer(fields)
    for _ in range(brokers):
        _integer(fields)  # node id
        _string(fields)  # host
        _integer(fields)  # port
        _string(fields)  # rack
    cluster = _string(fields)
    return cluster if brokers > 0 else None


def _integer(fields: BytesIO) -> int:
    (value,) = struct.unpack(">i", fields.read(4))
    return int(value)


def _string(fields: BytesIO) -> str | None:
    (size,) = struct.unpack(">h", fields.read(2))
    if size < 0:
        return None
    (text,) = struct.unpack(f"{size}s", fields.read(size))
    return bytes(text).decode()
