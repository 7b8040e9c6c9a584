"""The data folder of a local broker: Kafka's settings, the version that wrote it, the process that serves it, its log.

Files only; the process itself is in broker.py. Kafka's own topics are in the folder `log` inside it.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from app.errors import BrokerError
from app.sandbox.local.ports import HOST
from app.sandbox.local.private_files import (
    append_to_private_file,
    close_to_others,
    make_private_folder,
    write_private_file,
)

# What every Waybill broker has in common; docker-compose.kafka.yml says the same.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    # Groups form at once: there is no fleet of consumers to wait for.
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # A transaction whose lane died must not hold read_committed readers back for longer than its own time-out.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # Nor may anybody else's, whatever its producer asks for (`waybill topics check`).
    "transaction.max.timeout.ms": "60000",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A record that is too large for Waybill must still reach it, so that it lands in dead-letter with a reason.
    "message.max.bytes": "8388608",
    "replica.fetch.max.bytes": "8388608",
    "log.preallocate": "false",
}
CONTROLLER_LOG4J = "controller-log4j2.properties"
# Warnings and errors alone, so that the last error is easy to find and the file stays small.
_LOG4J = """\
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.target=SYSTEM_ERR
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1} %m%n
"""
_CONTROLLER_LOG4J = f"""\
{_LOG4J}logger.controller.name=org.apache.kafka.controller
logger.controller.level=info
"""
_CLUSTER = re.compile(r"^cluster\.id=(.+)$", re.MULTILINE)
_TROUBLE = re.compile(r"\b(ERROR|FATAL)\b|(Exception|Error)\b")
_LOG_TAIL_BYTES = 65_536
_LINE_CHARACTERS = 300


class BrokerRecord(msgspec.Struct, frozen=True):
    """broker.json: the process that serves the folder. `started_at` is UTC."""

    pid: int
    port: int
    version: str
    started_at: datetime


class _Origin(msgspec.Struct, frozen=True):
    """meta.json: the version of the Kafka that wrote the folder."""

    kafka_version: str


_Kind = TypeVar("_Kind", BrokerRecord, _Origin)


@dataclass(frozen=True, slots=True)
class BrokerFolder:
    """One data folder. To make the value touches nothing on disk."""

    path: Path

    @classmethod
    def of(cls, data: Path | None) -> "BrokerFolder":
        """Return the given folder, or the user's own: `kafka` in WAYBILL_HOME or in ~/.waybill. Raises BrokerError."""
        home = os.environ.get("WAYBILL_HOME") or "~/.waybill"
        try:
            return cls((Path(home, "kafka") if data is None else data).expanduser().resolve())
        except RuntimeError as exc:
            raise BrokerError("This user has no home folder: set WAYBILL_HOME, or name a broker that runs") from exc

    @property
    def log(self) -> Path:
        """File of Kafka's warnings and errors since the last start. Those of the start before are in broker.log.1."""
        return self.path / "broker.log"

    @property
    def mark(self) -> str:
        """Argument that marks the command line of the folder's broker: a hash, since not every path is ASCII."""
        return f"-Dwaybill.broker={hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]}"

    @contextmanager
    def start_lock(self) -> Iterator[None]:
        """Make the folder and keep other starts out of it. Raises BrokerError when one is under way already."""
        with _file_access(self.path):
            make_private_folder(self.path)
            if (self.path / "meta.json").exists():
                close_to_others(self.path)  # made before such folders were private
            file = append_to_private_file(self.path / "start.lock")
        with file:
            _lock(file.fileno(), self.path)
            yield

    def record(self) -> BrokerRecord | None:
        """Return the process that was last started, alive or not. Raises BrokerError for an unreadable record."""
        return _read(self.path / "broker.json", BrokerRecord)

    def write_record(self, record: BrokerRecord) -> None:
        """Note the process that serves the folder. Raises BrokerError."""
        with _file_access(self.path):
            _write(self.path / "broker.json", record)

    def remove_record(self) -> None:
        """Forget the process that served the folder. Raises BrokerError."""
        with _file_access(self.path), suppress(FileNotFoundError):
            (self.path / "broker.json").unlink()

    def claim(self, version: str) -> None:
        """Note the Kafka version that writes here. Raises BrokerError when another or an unknown one did before."""
        origin = _read(self.path / "meta.json", _Origin)
        if origin is None and not (self.path / "log").exists():
            with _file_access(self.path):
                return _write(self.path / "meta.json", _Origin(version))
        if origin is None or origin.kafka_version != version:
            writer = f"Kafka {origin.kafka_version}" if origin else "a Kafka of unknown version"
            raise BrokerError(
                f"{self.path} was written by {writer}, and this is Kafka {version}: choose another folder"
                " (WAYBILL_HOME), delete this one with its topics, or set KAFKA_HOME to the Kafka that wrote it"
            )
        return None

    def write_settings(self, port: int, controller_port: int) -> None:
        """Write server.properties and the log settings, and move the log of the last run to broker.log.1."""
        with _file_access(self.path):
            write_private_file(self.path / "server.properties", properties(port, controller_port).encode())
            write_private_file(self.path / "log4j2.properties", _LOG4J.encode())
            if self.log.exists():
                self.log.replace(self.path / "broker.log.1")

    def write_controller_settings(self, controller_port: int) -> tuple[Path, Path]:
        """Write the settings of the controller alone. Return their file, and the file of its log."""
        settings = self.path / "controller.properties"
        with _file_access(self.path):
            write_private_file(settings, controller_properties(controller_port).encode())
            write_private_file(self.path / CONTROLLER_LOG4J, _CONTROLLER_LOG4J.encode())
        return settings, self.path / "controller.log"

    def crashed(self) -> bool:
        """Return whether a broker ran here that did not stop in order."""
        log = self.path / "log"
        return (log / "__cluster_metadata-0").exists() and not (log / ".kafka_cleanshutdown").exists()

    def cluster_id(self) -> str | None:
        """Return the id of the cluster whose topics are here; None before Kafka has formatted the folder."""
        file = self.path / "log" / "meta.properties"
        with _file_access(self.path):
            line = _CLUSTER.search(file.read_text()) if file.exists() else None
        return line[1].strip() if line else None

    def last_trouble(self) -> str:
        """Return the last line of the log that names an error, or simply the last one."""
        try:
            text = self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        except FileNotFoundError:
            return "nothing was logged"
        return last_error_line(text)


def last_error_line(text: str) -> str:
    """Return the last line that names an error, or the last one, cut to 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _TROUBLE.search(line) and not line.startswith("at ")]
    return (errors or lines or ["nothing was logged"])[-1][:_LINE_CHARACTERS]


def properties(port: int, controller_port: int) -> str:
    """Return Kafka's server.properties."""
    places = {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"{SETTINGS['node.id']}@{HOST}:{controller_port}",
        # Relative, because such a file is Latin-1 and splits folders at commas.
        "log.dirs": "log",
    }
    return "".join(f"{name}={value}\n" for name, value in {**SETTINGS, **places}.items())


def controller_properties(port: int) -> str:
    """Return settings of the same node as a controller only, which takes a silent broker for dead after 0.5 s."""
    own = {
        "process.roles": "controller",
        "listeners": f"CONTROLLER://{HOST}:{port}",
        "controller.quorum.voters": f"{SETTINGS['node.id']}@{HOST}:{port}",
        "log.dirs": "log",
        "broker.session.timeout.ms": "500",
        "broker.heartbeat.interval.ms": "250",
    }
    shared = {name: value for name, value in SETTINGS.items() if name != "inter.broker.listener.name"}
    return "".join(f"{name}={value}\n" for name, value in {**shared, **own}.items())


@contextmanager
def _file_access(folder: Path) -> Iterator[None]:
    """Turn an OSError of the block into a BrokerError with the fix."""
    try:
        yield
    except OSError as exc:
        raise BrokerError(
            f"{folder} cannot hold the broker's data ({exc}):"
            " make it a folder that you may write to, or choose another (WAYBILL_HOME)"
        ) from exc


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise BrokerError(
            f"Another start of the broker of {folder} is under way: wait for it, then ask with `waybill broker status`"
        ) from exc


def _read(path: Path, kind: type[_Kind]) -> _Kind | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as exc:
        raise BrokerError(
            f"{path} cannot be read ({exc}): end the broker if one runs, delete the file, start again"
        ) from exc


def _write(path: Path, value: BrokerRecord | _Origin) -> None:
    """Replace the file as a whole, so that a reader never sees half of it."""
    draft = path.with_suffix(".new")
    write_private_file(draft, msgspec.json.encode(value))
    draft.replace(path)
