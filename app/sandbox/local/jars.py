"""The jars of Apache Kafka: those that kafka.lock pins, fetched once per user with pooch, or those of KAFKA_HOME.

No dependency is resolved here: the lock names every jar by its path in a Maven repository and its SHA-256, in the form
of pooch's registry files. A file with another content is refused.
"""

import logging
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import BrokerError
from app.settings import MACHINE

if TYPE_CHECKING:
    from pooch import Pooch

LOCK = Path(__file__).with_name("kafka.lock")
_KAFKA_JAR = re.compile(r"kafka_2\.\d+-(\d[\d.]*)\.jar")
_USER = re.compile(r"//[^/@\s]*@")
_FETCHES_AT_ONCE = 8
_RETRIES = 2
_TIMEOUT_S = 15

Notice = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Kafka:
    """A Kafka that Java can run: its version and its class path."""

    version: str
    classpath: str


def find_kafka(notice: Notice) -> Kafka:
    """Return the Kafka of KAFKA_HOME where that is set, otherwise the locked one; fetch its jars that are missing.

    `notice` gets a sentence before a download. Raises BrokerError for a KAFKA_HOME without Kafka, a download that
    fails, and a jar that is not the one that kafka.lock names.
    """
    home = os.environ.get("KAFKA_HOME")
    return kafka_of_home(Path(home)) if home else locked_kafka(locked_jars(), notice)


def kafka_of_home(home: Path) -> Kafka:
    """Return the Kafka that is unpacked in a folder. Raises BrokerError when the folder has no libs/kafka_2.*.jar."""
    for jar in sorted(home.glob("libs/kafka_2.*.jar")):
        if version := _kafka_version(jar.name):
            return Kafka(version, str(jar.parent.resolve() / "*"))
    raise BrokerError(
        f"KAFKA_HOME={home} holds no libs/kafka_2.*.jar:"
        " point it at an unpacked Kafka 4, or unset it to use the one that Waybill fetches"
    )


def locked_jars(lock: Path = LOCK) -> "Pooch":
    """Return the jars of a lock file, with the folder (M2_REPO) and the repository (WAYBILL_MAVEN_URL) they belong to.

    The folder is laid out as Maven's own, so that both share it. Raises BrokerError for a file that is not a lock.
    """
    import pooch  # 0.1 s, which `status` and `stop` need not pay

    pooch.get_logger().setLevel(logging.WARNING)
    folder, repository = (os.environ.get(name) or MACHINE[name][0] for name in ("M2_REPO", "WAYBILL_MAVEN_URL"))
    jars = pooch.create(folder, repository, retry_if_failed=_RETRIES)
    try:
        jars.load_registry(lock)
    except OSError as exc:
        raise BrokerError(f"{exc}: install Waybill again to restore the file") from exc
    return jars


def locked_version(jars: "Pooch") -> str:
    """Return the version of the Kafka among the jars. Raises BrokerError when there is none."""
    for name in jars.registry:
        if version := _kafka_version(Path(name).name):
            return version
    raise BrokerError("kafka.lock names no kafka_2.*.jar: install Waybill again to restore the file")


def locked_kafka(jars: "Pooch", notice: Notice) -> Kafka:
    """Fetch the jars that are missing and check every other one, each time. Raises BrokerError."""
    version = locked_version(jars)
    missing = [name for name in jars.registry if not (jars.abspath / name).exists()]
    if missing:
        notice(f"Fetching Kafka {version}: {len(missing)} files, once")
    with ThreadPoolExecutor(_FETCHES_AT_ONCE) as pool:
        checked = pool.map(lambda name: _fetch(jars, name) if name in missing else _check(jars, name), jars.registry)
        return Kafka(version, os.pathsep.join(checked))


def _kafka_version(name: str) -> str | None:
    match = _KAFKA_JAR.fullmatch(name)
    return match[1] if match else None


def _fetch(jars: "Pooch", name: str) -> str:
    """Download beside the jar's place and move the checked file in: a jar that is there is whole."""
    import pooch
    from requests import RequestException

    path = jars.abspath / name
    source = _one_line(jars.get_url(name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # pooch fails where another process makes the folder first
        # Without `stream` the connection is closed also after an answer of 404; a jar fits in memory.
        jars.fetch(name, downloader=pooch.HTTPDownloader(timeout=_TIMEOUT_S, stream=False))
        path.chmod(0o644)  # pooch's files are for the owner alone, and M2_REPO may be shared
    except RequestException as exc:
        raise BrokerError(
            f"{source} could not be fetched ({_one_line(exc)}): check the network (HTTPS_PROXY is honoured) or name a"
            " mirror (WAYBILL_MAVEN_URL), and start again; or set KAFKA_HOME to an installed Kafka"
        ) from exc
    except ValueError as exc:
        raise BrokerError(
            f"{source} is not the file that kafka.lock names; it was not kept: use another mirror (WAYBILL_MAVEN_URL)"
            " and start again"
        ) from exc
    except OSError as exc:
        raise BrokerError(
            f"{jars.abspath} cannot be written ({_one_line(exc)}): make room and permission, or set M2_REPO elsewhere"
        ) from exc
    return str(path)


def _check(jars: "Pooch", name: str) -> str:
    import pooch

    path = str(jars.abspath / name)
    try:
        actual = pooch.file_hash(path)
    except OSError as exc:
        raise BrokerError(
            f"{path} cannot be read ({exc.strerror}): make it readable or delete it, and start again"
        ) from exc
    if actual != jars.registry[name]:
        raise BrokerError(f"{path} is not the file that kafka.lock names (SHA-256 {actual}): delete it and start again")
    return path


def _one_line(text: object) -> str:
    """Return the text as one line of at most 200 characters, without user and password of an address."""
    return _USER.sub("//", " ".join(str(text).split()))[:200]
