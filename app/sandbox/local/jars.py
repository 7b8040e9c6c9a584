"""The jars of Apache Kafka: those that kafka.lock pins, fetched once per user with jgo, or those of KAFKA_HOME.

No dependency is resolved here: the lock names every jar, and a file that is not the one it names is refused.
"""

import hashlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.errors import BrokerError

LOCK = Path(__file__).with_name("kafka.lock")
_LINE = re.compile(r"([\w.-]+):([\w.-]+):([\w.-]+) ([0-9a-f]{64})")
_HOME_JAR = re.compile(r"kafka_2\.\d+-(\d[\d.]*)\.jar")
_AT_ONCE = 8
_TRIES = 3
_TIMEOUT_S = 15

Notice = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One line of kafka.lock: a Maven coordinate and the SHA-256 of its jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where a Maven repository keeps the jar, relative to its root."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


@dataclass(frozen=True, slots=True)
class Kafka:
    """A Kafka that Java can run: its version and its class path."""

    version: str
    classpath: str


@dataclass(frozen=True, slots=True)
class Repositories:
    """Where jars are kept on this machine, and the Maven repositories they come from (name to address)."""

    cache: Path
    remote: dict[str, str]


def find_kafka(notice: Notice) -> Kafka:
    """The Kafka of KAFKA_HOME where that is set, otherwise the locked one, fetched now if this user has not got it yet.

    `notice` is told what takes long. Raises BrokerError for a KAFKA_HOME without Kafka, a download that fails, and a
    jar that is not the one that kafka.lock names.
    """
    home = os.environ.get("KAFKA_HOME")
    if home:
        return kafka_of_home(Path(home))
    return locked_kafka(parse_lock(LOCK.read_text()), configured_repositories(), notice)


def parse_lock(text: str) -> tuple[LockedJar, ...]:
    """The jars of a lock file, one `group:artifact:version sha256` a line. Raises BrokerError for any other line."""
    return tuple(_parse_line(number, line) for number, line in enumerate(text.splitlines(), 1))


def configured_repositories() -> Repositories:
    """What the user's jgo.conf and M2_REPO say; without them ~/.m2/repository and Maven Central.

    A mirror is named `central` in the section `repositories` of jgo.conf. Proxies come from HTTPS_PROXY.
    """
    # jgo costs 0.2 s of import, which `status` and `stop` need not pay.
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL

    settings = GlobalSettings.load()
    return Repositories(Path(settings.repo_cache), {"central": MAVEN_CENTRAL_URL, **settings.repositories})


def locked_kafka(jars: tuple[LockedJar, ...], repositories: Repositories, notice: Notice) -> Kafka:
    """Fetch the jars that are missing from the cache and check every one of them, each time. Raises BrokerError."""
    version = _locked_version(jars)
    missing = [jar for jar in jars if not (repositories.cache / jar.path).exists()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        if missing:
            notice(f"Fetching Kafka {version}: {len(missing)} files, once")
            list(pool.map(lambda jar: _fetch(jar, repositories), missing))
        paths = list(pool.map(lambda jar: _checked(jar, repositories.cache), jars))
    return Kafka(version, os.pathsep.join(map(str, paths)))


def kafka_of_home(home: Path) -> Kafka:
    """The Kafka that is unpacked in a folder. Raises BrokerError when the folder has no libs/kafka_2.*.jar."""
    for jar in sorted(home.glob("libs/kafka_2.*.jar")):
        if found := _HOME_JAR.fullmatch(jar.name):
            return Kafka(found[1], str(jar.parent.resolve() / "*"))
    raise BrokerError(
        f"KAFKA_HOME={home} holds no libs/kafka_2.*.jar:"
        " point it at an unpacked Kafka 4, or unset it to use the one that Waybill fetches"
    )


def _parse_line(number: int, line: str) -> LockedJar:
    found = _LINE.fullmatch(line)
    if found is None:
        raise BrokerError(
            f"kafka.lock, line {number}: expected `group:artifact:version sha256`, found {line[:80]!r}:"
            " install Waybill again to restore the file"
        )
    return LockedJar(*found.groups())


def _locked_version(jars: tuple[LockedJar, ...]) -> str:
    for jar in jars:
        if jar.group == "org.apache.kafka" and jar.artifact.startswith("kafka_2."):
            return jar.version
    raise BrokerError("kafka.lock names no org.apache.kafka:kafka_2.*: install Waybill again to restore the file")


def _fetch(jar: LockedJar, repositories: Repositories) -> None:
    for left in reversed(range(_TRIES)):
        try:
            _fetch_once(jar, repositories)
            return
        # requests' exceptions are OSErrors; jgo raises RuntimeError when no repository has the file.
        except (OSError, RuntimeError) as exc:
            if not left:
                raise BrokerError(_fetch_failed(jar, repositories, exc)) from exc


def _fetch_once(jar: LockedJar, repositories: Repositories) -> None:
    """Download beside its place and move the checked file in: a jar that is there is whole, whoever else fetches it."""
    from jgo.maven import MavenContext

    repositories.cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".waybill-", dir=repositories.cache) as folder:
        context = MavenContext(repo_cache=Path(folder), remote_repos=repositories.remote, timeout=_TIMEOUT_S)
        fetched = Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())
        if _sha256(fetched) != jar.sha256:
            raise BrokerError(
                f"{jar} as served by {_addresses(repositories)} is not the file that kafka.lock names; it was not kept:"
                " use another mirror (central in jgo.conf) and start again"
            )
        target = repositories.cache / jar.path
        target.parent.mkdir(parents=True, exist_ok=True)
        fetched.replace(target)


def _fetch_failed(jar: LockedJar, repositories: Repositories, exc: Exception) -> str:
    reason = " ".join(str(exc).split())[:200]
    # Only the file system gives an error number; what requests raises has none.
    if isinstance(exc, OSError) and exc.errno is not None:
        return f"{repositories.cache} cannot be written ({reason}): make room and permission, or set M2_REPO elsewhere"
    return (
        f"{jar} could not be fetched from {_addresses(repositories)} ({reason}): check the network (HTTPS_PROXY is"
        " honoured) or name a mirror as central in jgo.conf, and start again; or set KAFKA_HOME to an installed Kafka"
    )


def _addresses(repositories: Repositories) -> str:
    return ", ".join(repositories.remote.values())


def _checked(jar: LockedJar, cache: Path) -> Path:
    path = cache / jar.path
    try:
        actual = _sha256(path)
    except OSError as exc:
        raise BrokerError(
            f"{path} cannot be read ({exc.strerror}): make it readable or delete it, and start again"
        ) from exc
    if actual != jar.sha256:
        raise BrokerError(f"{path} is not the file that kafka.lock names (SHA-256 {actual}): delete it and start again")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
