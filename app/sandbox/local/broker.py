"""The local broker: one real Apache Kafka node (KRaft) on loopback, detached, with its data in a folder of the user's.

No Docker and no installed Java are needed. There is no cluster here, no remote access and no tuning: whoever wants
those runs a Kafka of their own and names it in KAFKA_BOOTSTRAP_SERVERS.
"""

import logging
import os
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from app.errors import BrokerError
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.local.broker_fence import fence
from app.sandbox.local.broker_folder import BrokerFolder, BrokerRecord, last_error_line
from app.sandbox.local.jars import Kafka, Notice, find_kafka
from app.sandbox.local.jvm import MarkedProcess, dies_with_us, find_java, launch, run, wait_until
from app.sandbox.local.ports import HOST, cluster_at, free_port, require_free
from app.secrets import FILE_SUFFIX
from app.settings import PREFIX, variables

DEFAULT_PORT = 9092
READY_TIMEOUT_S = 60.0
STOP_LIMIT_S = 30.0
_FORMAT_LIMIT_S = 60.0
_HEAP = ("-Xms64m", "-Xmx1g")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BrokerInfo:
    """A broker that runs and answers. `started_at` is UTC; `log` is the file with Kafka's warnings and errors."""

    bootstrap_servers: str
    port: int
    pid: int
    version: str
    started_at: datetime
    data: Path
    log: Path

    @property
    def cluster(self) -> ClusterAccess:
        """How clients reach it."""
        return ClusterAccess(self.bootstrap_servers)


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """Whether the broker of a data folder answers. A `pid` without `running`: it starts, stops or hangs."""

    running: bool
    bootstrap_servers: str | None
    pid: int | None
    version: str | None
    data: Path


def start(
    data: Path | None = None,
    port: int = DEFAULT_PORT,
    *,
    ready_timeout_s: float = READY_TIMEOUT_S,
    notice: Notice = _log.info,
) -> BrokerInfo:
    """Start the broker of a data folder, detached, and return when it answers; one that runs already is left as it is.

    `notice` gets a sentence before what takes long (the first download). Blocks: async code calls it in a thread.
    Raises BrokerError for everything that stands in the way, with the fix; no process is left behind then.
    """
    folder = BrokerFolder.of(data)
    with folder.start_lock():
        record = _living(folder)
        if record is None:
            record = _start_new(folder, port, ready_timeout_s, notice)
        else:
            _require_port(folder, record, port)
            _await_ready(folder, record, ready_timeout_s)
    return _info(folder, record)


def stop(data: Path | None = None, *, limit_s: float = STOP_LIMIT_S, notice: Notice = _log.info) -> bool:
    """Stop the broker of a data folder. Return False when none runs.

    Kafka has `limit_s` seconds to end by itself, then it is killed; `notice` gets a sentence that says which. Raises
    BrokerError when the process cannot be ended.
    """
    folder = BrokerFolder.of(data)
    return _stop(folder, limit_s, notice, f"its topics are kept in {folder.path}")


def address(data: Path | None = None) -> str | None:
    """Return host:port where the broker of a data folder serves, or will in a moment; None when none runs.

    Sends no request to it. Raises BrokerError for an unreadable folder.
    """
    record = _living(BrokerFolder.of(data))
    return None if record is None else f"{HOST}:{record.port}"


def status(data: Path | None = None) -> BrokerStatus:
    """Return whether the broker of a data folder answers, and where. Raises BrokerError for an unreadable folder."""
    folder = BrokerFolder.of(data)
    record = _living(folder)
    if record is None:
        return BrokerStatus(running=False, bootstrap_servers=None, pid=None, version=None, data=folder.path)
    running = _answers(folder, record)
    return BrokerStatus(
        running=running,
        bootstrap_servers=f"{HOST}:{record.port}" if running else None,
        pid=record.pid,
        version=record.version,
        data=folder.path,
    )


@contextmanager
def temporary(
    *, port: int | None = None, ready_timeout_s: float = READY_TIMEOUT_S, notice: Notice = _log.info
) -> Iterator[BrokerInfo]:
    """Run a broker in a temporary folder, and remove it with its topics when the block ends.

    Without `port` it takes a free one. It also ends when this process is killed. Inside the block it may be stopped and
    started again (`info.data`, `info.port`); the one started then no longer ends with a killed process.
    """
    with TemporaryDirectory(prefix="waybill-kafka-", ignore_cleanup_errors=True) as path:
        info = start(Path(path), port or free_port(), ready_timeout_s=ready_timeout_s, notice=notice)
        with dies_with_us(info.pid):
            try:
                yield info
            finally:
                _stop(BrokerFolder.of(info.data), STOP_LIMIT_S, notice, "its topics are removed")


def _stop(folder: BrokerFolder, limit_s: float, notice: Notice, topics: str) -> bool:
    record = _living(folder)
    if record is None:
        folder.remove_record()
        return False
    if _process(folder, record).end(limit_s):
        notice(f"Kafka (process {record.pid}) stopped; {topics}")
    else:
        notice(f"Kafka (process {record.pid}) did not stop within {limit_s:g} s and was killed; {topics}")
    folder.remove_record()
    return True


def _living(folder: BrokerFolder) -> BrokerRecord | None:
    """Return the folder's record if its process still lives and is ours."""
    record = folder.record()
    return record if record is not None and _process(folder, record).alive() else None


def _process(folder: BrokerFolder, record: BrokerRecord) -> MarkedProcess:
    return MarkedProcess(record.pid, folder.mark)


def _answers(folder: BrokerFolder, record: BrokerRecord) -> bool:
    cluster = cluster_at(record.port)
    return cluster is not None and cluster == folder.cluster_id()


def _info(folder: BrokerFolder, record: BrokerRecord) -> BrokerInfo:
    return BrokerInfo(
        bootstrap_servers=f"{HOST}:{record.port}",
        port=record.port,
        pid=record.pid,
        version=record.version,
        started_at=record.started_at,
        data=folder.path,
        log=folder.log,
    )


def _require_port(folder: BrokerFolder, record: BrokerRecord, port: int) -> None:
    if record.port != port:
        raise BrokerError(
            f"The broker of {folder.path} already runs on {HOST}:{record.port}, not on port {port}:"
            " use it there, or stop it first (waybill broker stop)"
        )


def _start_new(folder: BrokerFolder, port: int, ready_timeout_s: float, notice: Notice) -> BrokerRecord:
    require_free(port)
    java = find_java()
    kafka = find_kafka(notice)
    folder.claim(kafka.version)
    folder.write_settings(port, free_port())
    environment = _environment(kafka)
    _format(folder, java, environment)
    if folder.crashed():
        fence(folder, _java_command(folder, java), environment)
    record = _launch(folder, java, kafka, port, environment)
    try:
        _await_ready(folder, record, ready_timeout_s)
    except BaseException:
        # An interrupted or failed start leaves no process behind.
        _process(folder, record).end(STOP_LIMIT_S)
        folder.remove_record()
        raise
    return record


def _environment(kafka: Kafka) -> dict[str, str]:
    # The class path stands here to keep the command line short; the locale lets Java open a folder that is not ASCII.
    # The broker outlives this command, and has no use for anyone's secrets.
    ours = set(variables().values()) | {name + FILE_SUFFIX for name in variables().values()}
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) and name not in ours}
    return {**own, "CLASSPATH": kafka.classpath, "LC_ALL": "C.UTF-8"}


def _java_command(folder: BrokerFolder, java: Path) -> list[str]:
    return [str(java), *_HEAP, folder.mark, "-Dlog4j2.configurationFile=log4j2.properties"]


def _format(folder: BrokerFolder, java: Path, environment: dict[str, str]) -> None:
    """Format a new data folder with Kafka's own tool; leave one that has a cluster id as it is."""
    if folder.cluster_id() is not None:
        return
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # A short run is not worth the second compiler: 0.2 s less.
    command = [*_java_command(folder, java), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
    command += ["--ignore-formatted", f"--cluster-id={cluster}", "--config=server.properties"]
    code, output = run(command, folder.path, environment, _FORMAT_LIMIT_S)
    if code:
        raise BrokerError(
            f"Kafka cannot format {folder.path}: {last_error_line(output)}: delete that folder and start again"
        )


def _launch(folder: BrokerFolder, java: Path, kafka: Kafka, port: int, environment: dict[str, str]) -> BrokerRecord:
    command = [*_java_command(folder, java), "kafka.Kafka", str(folder.path / "server.properties")]
    pid = launch(command, folder.path, folder.log, environment)
    record = BrokerRecord(pid, port, kafka.version, datetime.now(UTC))
    folder.write_record(record)
    return record


def _await_ready(folder: BrokerFolder, record: BrokerRecord, limit_s: float) -> None:
    """Wait until the broker answers. Raises BrokerError when it ends before, or takes over `limit_s` seconds."""
    process = _process(folder, record)
    in_time = wait_until(lambda: _answers(folder, record) or not process.alive(), limit_s)
    if in_time and process.alive():
        return
    failure = "ended before it was ready" if in_time else f"was not ready within {limit_s:g} s"
    raise BrokerError(f"Kafka {failure}: {folder.last_trouble()} (its log: {folder.log})")
