"""The jars of Kafka: the lock, the download from a repository on this machine, and a Kafka of the user's own."""

import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.errors import BrokerError
from app.sandbox.local.jars import (
    LOCK,
    LockedJar,
    Repositories,
    configured_repositories,
    find_kafka,
    kafka_of_home,
    locked_kafka,
    parse_lock,
)
from app.sandbox.local.ports import free_port

CONTENT = {"kafka_2.13": b"the broker", "kafka-clients": b"the clients"}
JARS = tuple(
    LockedJar("org.apache.kafka", artifact, "4.2.2", hashlib.sha256(content).hexdigest())
    for artifact, content in CONTENT.items()
)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a Maven repository that serves JARS; its port is in the file `port`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    for jar in JARS:
        (folder / jar.path).parent.mkdir(parents=True)
        (folder / jar.path).write_bytes(CONTENT[jar.artifact])
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        (folder / "port").write_text(str(server.server_port))
        yield folder
        server.shutdown()
        thread.join()


@pytest.fixture
def repositories(served: Path, tmp_path: Path) -> Repositories:
    return Repositories(tmp_path / "cache", {"central": f"http://127.0.0.1:{(served / 'port').read_text()}"})


def test_the_lock_pins_every_jar_of_one_kafka() -> None:
    jars = parse_lock(LOCK.read_text())
    assert len({jar.path for jar in jars}) == len(jars) == 47
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.2.2"}
    assert JARS[0].path in {jar.path for jar in jars}


@pytest.mark.parametrize("line", ["", "org.yaml:snakeyaml:2.5", f"org.yaml:snakeyaml {'0' * 64}", f"a:b:1 {'0' * 63}"])
def test_a_line_of_another_form_is_an_error_with_its_number(line: str) -> None:
    with pytest.raises(BrokerError, match=r"kafka.lock, line 2: expected .*install Waybill again"):
        parse_lock(f"a:b:1 {'0' * 64}\n{line}\n")


def test_a_lock_without_kafka_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"names no org.apache.kafka:kafka_2"):
        locked_kafka(JARS[1:], Repositories(tmp_path, {}), print)


def test_missing_jars_are_fetched_once(repositories: Repositories) -> None:
    notices: list[str] = []
    first = locked_kafka(JARS, repositories, notices.append)
    assert notices == ["Fetching Kafka 4.2.2: 2 files, once"]
    assert [Path(path).read_bytes() for path in first.classpath.split(os.pathsep)] == list(CONTENT.values())
    unreachable = Repositories(repositories.cache, {"central": "http://127.0.0.1:1"})
    assert locked_kafka(JARS, unreachable, notices.append) == first
    assert len(notices) == 1


def test_a_fetch_leaves_nothing_but_the_jars(repositories: Repositories) -> None:
    locked_kafka(JARS, repositories, print)
    assert {path.name for path in repositories.cache.iterdir()} == {"org"}


def test_a_jar_that_changed_in_the_cache_is_refused_each_time(repositories: Repositories) -> None:
    locked_kafka(JARS, repositories, print)
    changed = repositories.cache / JARS[1].path
    changed.write_bytes(b"the clientz")
    for _ in range(2):
        with pytest.raises(BrokerError, match=f"{changed} is not the file that kafka.lock names .*delete it and start"):
            locked_kafka(JARS, repositories, print)
    changed.unlink()
    locked_kafka(JARS, repositories, print)


def test_a_repository_that_serves_another_file_is_refused_and_nothing_is_kept(
    served: Path, repositories: Repositories
) -> None:
    (served / JARS[0].path).write_bytes(b"something else")
    with pytest.raises(BrokerError, match=r"kafka_2.13:4.2.2 as served by http.* is not the file .*another mirror"):
        locked_kafka(JARS, repositories, print)
    assert not (repositories.cache / JARS[0].path).exists()


def test_a_repository_that_cannot_be_reached_is_an_error_with_the_ways_out(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(BrokerError, match=f"could not be fetched from {address} .*HTTPS_PROXY.*jgo.conf.*KAFKA_HOME"):
        locked_kafka(JARS, Repositories(tmp_path, {"central": address}), print)


def test_a_repository_without_the_file_is_an_error(served: Path, repositories: Repositories) -> None:
    (served / JARS[0].path).unlink()
    with pytest.raises(BrokerError, match=r"kafka_2.13:4.2.2 could not be fetched .*not found in remote repositories"):
        locked_kafka(JARS, repositories, print)


def test_a_cache_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match="M2_REPO"):
        locked_kafka(JARS, Repositories(tmp_path / "file" / "cache", {}), print)


def test_the_users_own_mirror_and_cache_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jgo.conf").write_text("[repositories]\ncentral = http://mirror.example/maven\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    assert configured_repositories() == Repositories(tmp_path / "m2", {"central": "http://mirror.example/maven"})


def test_kafka_home_is_used_where_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libs").mkdir()
    for name in ("kafka_2.13-4.2.0.jar", "kafka_2.13-4.2.0-sources.jar", "kafka-clients-4.2.0.jar"):
        (tmp_path / "libs" / name).touch()
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    kafka = find_kafka(print)
    assert (kafka.version, kafka.classpath) == ("4.2.0", f"{tmp_path}/libs/*")


def test_a_kafka_home_without_kafka_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=f"KAFKA_HOME={tmp_path} holds no libs/kafka_2.*unset it"):
        kafka_of_home(tmp_path)
