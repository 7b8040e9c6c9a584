"""What `waybill provider new` makes holds the contract, and the rules of this repository, at once and under any name.

It is tried in a copy of the repository, with the commands that its reader would type.
"""

from pathlib import Path

import pytest

from app.errors import SettingError
from app.providers.scaffold import NAME_CHARS_MAX, scaffold
from tests.repository_copy import COMMAND_LIMIT_S, copy_to, run_in

PLAIN, LONGEST, QUIET = "qx", "z9_" + "of_the_far_north_" + "9999", "pigeon_post"
HTTP = {"__init__.py", "actions.py", "client.py", "manifest.yaml"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    copy_to(root)
    for name, option in ((PLAIN, ()), (LONGEST, ("--webhooks",)), (QUIET, ("--kafka",))):
        run_in(root, "app", "provider", "new", name, *option)
    return root


def folders(root: Path, name: str) -> list[str]:
    parts = ("app/providers", "app/sandbox/vendors", "tests/providers")
    return [f"{part}/{name}" for part in parts if (root / part / name).exists()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != "__pycache__"}


def test_the_files_have_the_roles_of_every_provider(copy: Path) -> None:
    assert names(copy / "app/providers" / PLAIN) == HTTP
    assert names(copy / "app/providers" / LONGEST) == HTTP | {"webhook.py"}
    assert names(copy / "app/providers" / QUIET) == {"manifest.yaml"}
    assert names(copy / "app/sandbox/vendors" / PLAIN) == {"__init__.py", "server.py"}
    assert folders(copy, QUIET) == [f"app/providers/{QUIET}"]


def test_it_is_listed_and_the_one_without_settings_is_active(copy: Path) -> None:
    said = run_in(copy, "app", "provider", "list")
    assert {PLAIN, LONGEST, QUIET, "sap"} <= set(said.split())
    assert [line.split()[:2] for line in said.splitlines() if QUIET in line] == [[QUIET, "yes"]]
    assert f"WAYBILL_{PLAIN.upper()}_API_KEY" in said


@pytest.mark.timeout(COMMAND_LIMIT_S + 10)
def test_it_holds_the_contract_and_the_layers(copy: Path) -> None:
    tests = ["tests/providers/test_contract.py", "tests/test_layers.py", f"tests/providers/{LONGEST}"]
    said = run_in(copy, "pytest", "-v", "-p", "no:cacheprovider", *tests, "-k", f"{PLAIN} or {LONGEST}")
    assert f"{PLAIN}: no orders begin at Qx" in said, "cards are skipped with the manifest's own reason"
    assert f"[{PLAIN}" in said, "the contract suite found the folder"


@pytest.mark.timeout(COMMAND_LIMIT_S + 10)
def test_it_is_clean(copy: Path) -> None:
    made = [*folders(copy, PLAIN), *folders(copy, LONGEST)]
    run_in(copy, "ruff", "check", *made)
    run_in(copy, "ruff", "format", "--check", *made)
    run_in(copy, "mypy", *made)


@pytest.mark.parametrize(
    "name",
    ["", "x", "Acme", "3pl", "a b", "a-b", "a__b", "a_", "../up", "ä1", "x" * (NAME_CHARS_MAX + 1), "class", "dom"],
)
def test_a_name_that_cannot_be_one_is_refused_with_the_rule(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be a provider's name"):
        scaffold(name, ("http",), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "there"),
    [("flexe", "app/providers/flexe"), ("http", r"app/providers/http\.py"), (PLAIN, "app/providers/qx")],
)
def test_what_exists_is_never_overwritten(name: str, there: str, copy: Path) -> None:
    before = {path: path.read_bytes() for path in (copy / "app/providers").rglob("*.*")}
    for layers in (("http", "webhooks"), ("kafka",)):
        with pytest.raises(SettingError, match=f"^{there} exists already"):
            scaffold(name, layers, copy)
    assert {path: path.read_bytes() for path in (copy / "app/providers").rglob("*.*")} == before


def test_tests_that_exist_are_never_overwritten(copy: Path) -> None:
    (copy / "tests/providers/zinc").mkdir()
    with pytest.raises(SettingError, match=r"^tests/providers/zinc exists already"):
        scaffold("zinc", ("http",), copy)
    assert folders(copy, "zinc") == ["tests/providers/zinc"]


def test_without_the_contract_suite_there_is_nothing_to_add_to(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is not a checkout of Waybill"):
        scaffold("qx", ("http",), tmp_path)
