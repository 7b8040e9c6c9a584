"""Loopback ports: which one is free, and which Kafka answers on one. Blocking calls: no event loop is needed."""

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
_CORRELATION = 0x5742


def free_port() -> int:
    """Return a port of this machine that nothing listens on, and that no other caller gets for a minute.

    Holds between processes too, so that what starts side by side never gets the same one. A server must set
    SO_REUSEADDR to listen there, as Kafka and asyncio do. Raises BrokerError when 100 candidates are taken.
    """
    for port in random.SystemRandom().sample(_FREE, _TRIES):
        if _reserves(port):
            return port
    raise BrokerError(f"No free port between {_FREE.start} and {_FREE.stop} on {HOST}: end what listens there")


def is_taken(port: int) -> bool:
    """Return whether something listens on the port. Raises BrokerError for a port that can never be used."""
    if not 1 <= port <= 65_535:
        raise BrokerError(f"Port {port} does not exist: choose one from 1 to 65535")
    return _connects(port) or not _binds(port)


def require_free(port: int, limit_s: float = 1.0) -> None:
    """Wait until the port is free. Raises BrokerError when it is still taken after `limit_s` seconds.

    The wait is there because the kernel closes the ports of a killed process a moment after the process is gone.
    """
    deadline = time.monotonic() + limit_s
    while is_taken(port):
        if time.monotonic() > deadline:
            raise BrokerError(_refusal(port))
        time.sleep(0.05)


def cluster_at(port: int, timeout_s: float = 2.0) -> str | None:
    """Return the id of the Kafka cluster that answers on the port, once it has a live broker; None for anything else.

    Asks for the metadata of no topic, so that the answer proves more than an open port: the broker serves requests
    and is registered. `timeout_s` holds for each step of the exchange.
    """
    # aiokafka takes half a second to import, which a command without a broker need not pay. Version 2 of the request is
    # the oldest one whose answer names the cluster; every Kafka since 0.10.1 knows it.
    from aiokafka.protocol.metadata import MetadataRequest_v2

    metadata = MetadataRequest_v2([])
    request = metadata.build_request_header(_CORRELATION, "waybill").encode() + metadata.encode()
    try:
        with socket.create_connection((HOST, port), timeout_s) as connection, connection.makefile("rb") as answer:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", answer.read(4))
            return cluster_named(answer.read(size)) if 0 < size <= _ANSWER_BYTES else None
    except (OSError, struct.error):
        # Refused, silent, or gone in the middle.
        return None


def cluster_named(answer: bytes) -> str | None:
    """Return the cluster id in a metadata answer (version 2) with at least one broker; None for any other bytes."""
    from aiokafka.protocol.api import ResponseHeader_v0
    from aiokafka.protocol.metadata import MetadataResponse_v2

    fields = BytesIO(answer)
    try:
        header = ResponseHeader_v0.decode(fields)
        metadata = MetadataResponse_v2.decode(fields)
    except ValueError:
        return None
    is_ours = header.correlation_id == _CORRELATION
    return str(metadata.cluster_id) if is_ours and metadata.brokers and metadata.cluster_id else None


def _reserves(port: int) -> bool:
    """Leave the port in the state TIME_WAIT, unless it is in use or left so by another. Return whether it worked."""
    # Without SO_REUSEADDR a socket cannot be bound to a port in TIME_WAIT, and with it one can, if the waiting socket
    # has it as well: the kernel keeps the reservation, and ends it by itself. The side that closes first is the one
    # that waits: it must be the accepted one, whose port is to be reserved.
    with socket.socket() as listening, socket.socket() as client:
        try:
            listening.bind((HOST, port))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.listen(1)
            client.connect((HOST, port))
            listening.accept()[0].close()
        except OSError:
            return False
    return True


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


def _refusal(port: int) -> str:
    if cluster_at(port) is None:
        return f"Port {port} on {HOST} is taken by another program: end that program or choose another port"
    return (
        f"Port {port} on {HOST} is taken by another Kafka: end it, choose another port, or use that Kafka"
        f" (KAFKA_BOOTSTRAP_SERVERS={HOST}:{port})"
    )
