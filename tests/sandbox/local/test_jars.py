"""The jars of Kafka: the lock, the download from a repository on this machine, and a Kafka of the user's own."""

import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.errors import BrokerError
from app.sandbox.local.jars import LOCK, find_kafka, kafka_of_home, locked_jars, locked_kafka, locked_version
from app.sandbox.local.ports import free_port

if TYPE_CHECKING:
    from pooch import Pooch

KAFKA = "org/apache/kafka/kafka_2.13/4.2.2/kafka_2.13-4.2.2.jar"
CLIENTS = "org/apache/kafka/kafka-clients/4.2.2/kafka-clients-4.2.2.jar"
CONTENT = {KAFKA: b"the broker", CLIENTS: b"the clients"}
NOWHERE = "http://127.0.0.1:1/"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a Maven repository that serves CONTENT, and is the one to fetch from."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("WAYBILL_MAVEN_URL", f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()
        thread.join()


@pytest.fixture
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Pooch":
    """The jars of a lock that names CONTENT, with an empty cache; a fetch that fails is not repeated."""
    monkeypatch.setenv("M2_REPO", str(tmp_path / "cache"))
    monkeypatch.setenv("WAYBILL_MAVEN_URL", os.environ.get("WAYBILL_MAVEN_URL", NOWHERE))
    lock = tmp_path / "a.lock"
    lock.write_text("".join(f"{name} {sha256(content).hexdigest()}\n" for name, content in CONTENT.items()))
    jars = locked_jars(lock)
    jars.retry_if_failed = 0
    return jars


def test_the_lock_pins_every_jar_of_one_kafka() -> None:
    jars = locked_jars()
    assert len(jars.registry) == len(LOCK.read_text().splitlines()) == 47
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in jars.registry.values())
    assert {Path(name).parent.name for name in jars.registry if name.startswith("org/apache/kafka/")} == {"4.2.2"}
    assert locked_version(jars) == "4.2.2"
    assert KAFKA in jars.registry


@pytest.mark.parametrize("line", ["org/yaml/snakeyaml-2.5.jar", f"org.yaml snakeyaml 2.5 {'0' * 64}"])
def test_a_line_of_another_form_is_an_error_with_its_number(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "kafka.lock"
    lock.write_text(f"a/b-1.jar {'0' * 64}\n{line}\n")
    with pytest.raises(BrokerError, match=r"kafka.lock.* line 2 .*install Waybill again"):
        locked_jars(lock)


def test_a_lock_without_kafka_is_an_error(jars: "Pooch") -> None:
    del jars.registry[KAFKA]
    with pytest.raises(BrokerError, match=r"names no kafka_2"):
        locked_kafka(jars, print)


@pytest.mark.usefixtures("served")
def test_missing_jars_are_fetched_once(jars: "Pooch") -> None:
    notices: list[str] = []
    first = locked_kafka(jars, notices.append)
    assert notices == ["Fetching Kafka 4.2.2: 2 files, once"]
    assert [Path(path).read_bytes() for path in first.classpath.split(os.pathsep)] == list(CONTENT.values())
    jars.base_url = NOWHERE
    assert locked_kafka(jars, notices.append) == first
    assert len(notices) == 1


@pytest.mark.usefixtures("served")
def test_a_fetch_leaves_nothing_but_the_jars(jars: "Pooch") -> None:
    locked_kafka(jars, print)
    assert {path.relative_to(jars.abspath) for path in jars.abspath.rglob("*") if path.is_file()} == set(
        map(Path, CONTENT)
    )


@pytest.mark.usefixtures("served")
def test_a_fetched_jar_is_for_every_user_of_the_machine(jars: "Pooch") -> None:
    locked_kafka(jars, print)
    assert (jars.abspath / KAFKA).stat().st_mode & 0o777 == 0o644


@pytest.mark.usefixtures("served")
def test_a_fetch_says_nothing_of_its_own(jars: "Pooch", capfd: pytest.CaptureFixture[str]) -> None:
    locked_kafka(jars, lambda _: None)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("served")
def test_two_processes_may_fetch_at_once(jars: "Pooch") -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: locked_kafka(jars, print), range(4)))) == 1


@pytest.mark.usefixtures("served")
def test_a_jar_that_changed_in_the_cache_is_refused_each_time(jars: "Pooch") -> None:
    locked_kafka(jars, print)
    changed = jars.abspath / CLIENTS
    changed.write_bytes(b"the clientz")
    for _ in range(2):
        with pytest.raises(BrokerError, match=f"{changed} is not the file that kafka.lock names .*delete it and start"):
            locked_kafka(jars, print)
    changed.unlink()
    locked_kafka(jars, print)


def test_a_repository_that_serves_another_file_is_refused_and_nothing_is_kept(served: Path, jars: "Pooch") -> None:
    (served / KAFKA).write_bytes(b"something else")
    with pytest.raises(BrokerError, match=f"http://127.*{KAFKA} is not the file .*another mirror"):
        locked_kafka(jars, print)
    assert not list((jars.abspath / KAFKA).parent.iterdir())


def test_a_repository_that_cannot_be_reached_is_an_error_with_the_ways_out(jars: "Pooch") -> None:
    jars.base_url = f"http://127.0.0.1:{free_port()}/"
    ways_out = "HTTPS_PROXY.*WAYBILL_MAVEN_URL.*KAFKA_HOME"
    with pytest.raises(BrokerError, match=f"{jars.base_url}{KAFKA} could not be fetched .*{ways_out}"):
        locked_kafka(jars, print)


def test_a_proxy_of_the_users_is_the_way_out(jars: "Pooch", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    jars.base_url = "https://maven.example/"
    with pytest.raises(BrokerError, match=r"ould not be fetched .*proxy"):
        locked_kafka(jars, print)


def test_a_repository_without_the_file_is_an_error(served: Path, jars: "Pooch") -> None:
    (served / KAFKA).unlink()
    with pytest.raises(BrokerError, match=f"{KAFKA} could not be fetched .*404"):
        locked_kafka(jars, print)


@pytest.mark.usefixtures("served")
def test_a_password_in_the_address_is_not_shown(jars: "Pooch") -> None:
    jars.base_url = os.environ["WAYBILL_MAVEN_URL"].replace("//", "//me:secret@") + "/nowhere/"
    with pytest.raises(BrokerError, match=r"could not be fetched .*404") as refusal:
        locked_kafka(jars, print)
    assert "secret" not in str(refusal.value)


def test_a_cache_that_cannot_be_made_is_an_error(jars: "Pooch", tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    jars.path = tmp_path / "file" / "cache"
    with pytest.raises(BrokerError, match="M2_REPO"):
        locked_kafka(jars, print)


def test_mavens_own_folder_and_repository_are_the_usual_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("M2_REPO", raising=False)
    monkeypatch.setenv("WAYBILL_MAVEN_URL", "")
    jars = locked_jars()
    assert (jars.abspath, jars.base_url) == (tmp_path / ".m2" / "repository", "https://repo1.maven.org/maven2/")


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
