"""The Dockerfile, read as a list of instructions. `hadolint` judges it where it is installed.

No container engine is needed: what its health check does is done here, to a web server with the product's own routes.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest
from aiohttp import web

from app.resources import ROOT
from app.settings import Settings
from app.worker.http_server import HttpServer
from app.worker.http_views import health_routes
from tests.ops.deployed import VERSION, WEB_PORT, parse, unknown_variables

FILE = ROOT / "Dockerfile"


class Instruction(NamedTuple):
    name: str
    words: str


def instructions() -> list[Instruction]:
    """Return the instructions in order, lines that go on joined and comments left out."""
    text = "\n".join(line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    lines = text.replace("\\\n", " ").splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in lines if line.strip()]


def last_stage() -> list[Instruction]:
    all_stages = instructions()
    return all_stages[max(place for place, each in enumerate(all_stages) if each.name == "FROM") :]


def environment(stage: Sequence[Instruction]) -> dict[str, str]:
    pairs = " ".join(each.words for each in stage if each.name == "ENV")
    return dict(pair.split("=", 1) for pair in pairs.split())


def words(name: str) -> str:
    (only,) = (each.words for each in last_stage() if each.name == name)
    return only


def test_both_stages_have_one_base_with_a_version_that_a_digest_can_replace() -> None:
    assert {each.words.split()[0] for each in instructions() if each.name == "FROM"} == {"${PYTHON_IMAGE}"}
    (base,) = (each.words for each in instructions() if each.name == "ARG")
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.1[123]\.\d+-slim-\w+", base)


def test_every_package_comes_from_the_locked_set_and_is_checked_against_its_hash() -> None:
    steps = [step for each in instructions() if each.name == "RUN" for step in each.words.split("&&")]
    pip = [step for step in steps if " -m pip " in step and "uninstall" not in step]
    assert pip
    assert all("--require-hashes" in step or "--no-index" in step for step in pip)


def test_what_is_copied_is_let_in_and_nothing_else_is() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    included_paths = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copies = [each.words.split()[:-1] for each in instructions() if each.name == "COPY" and "--from" not in each.words]
    source_paths = {path for paths in copies for path in paths}
    assert rules[1] == "*"
    assert source_paths == included_paths
    assert [path for path in source_paths if not (ROOT / path).exists()] == []


def test_the_wheel_is_built_from_what_is_copied() -> None:
    hook = (ROOT / "packaging/build_hook.py").read_text(encoding="utf-8")
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    assert {f"!{name}" for name in re.findall(r'root / "([\w.]+)"', hook)} <= set(rules.splitlines())


def test_it_runs_as_somebody_without_rights() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", words("USER"))
    assert [each for each in last_stage() if each.name == "COPY" and "--chown" in each.words] == []


def test_its_settings_and_its_port_are_those_of_the_code() -> None:
    ours = {name: value for name, value in environment(last_stage()).items() if name.startswith("WAYBILL_")}
    assert unknown_variables(ours) == set()
    settings = Settings.from_env(ours)
    assert (settings.web_host, str(settings.web_port)) == ("0.0.0.0", WEB_PORT)
    assert words("EXPOSE") == WEB_PORT


def test_its_version_is_this_one() -> None:
    assert f'org.opencontainers.image.version="{VERSION}"' in words("LABEL")


def test_its_command_is_ours() -> None:
    entry = PurePosixPath(json.loads(words("ENTRYPOINT"))[0])
    assert entry.name == "waybill"
    assert json.loads(words("CMD")) == ["--help"]
    assert parse(["worker", "orchestrate"]) == "worker"


@pytest.mark.parametrize(("path", "is_healthy"), [("/health", True), ("/elsewhere", False)])
async def test_its_health_check_asks_a_worker(path: str, is_healthy: bool) -> None:
    """`/elsewhere`: the server answers 404 to what the check asks for."""
    application = web.Application()
    application.add_routes(health_routes([]))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with HttpServer(application, listening, lambda _: None):
            assert await _check(listening.getsockname()[1], path) is is_healthy


async def test_its_health_check_fails_where_nothing_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert not await _check(port, "/health")


async def _check(port: int, path: str) -> bool:
    python, *arguments = json.loads(words("HEALTHCHECK").partition("CMD ")[2].replace("/health", path))
    assert python == "python"
    check = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env={**os.environ, "WAYBILL_WEB_PORT": str(port)}, stderr=subprocess.DEVNULL
    )
    return await check.wait() == 0


def test_hadolint_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed: `make deployment` installs it")
    verdict = subprocess.run([linter, FILE], capture_output=True, text=True, check=False, timeout=60)
    assert (verdict.returncode, verdict.stdout) == (0, "")
