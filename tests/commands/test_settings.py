"""`waybill settings`, its page in the documents, and what is said of variables that nothing reads."""

import re

import pytest

from app.providers import registry
from app.providers.variables import all_variables, unread_warnings
from app.resources import ROOT
from app.settings import Settings, variables
from tests.commands.console import Console

SECRET = "not-to-be-shown"


def test_the_page_is_as_the_code_has_it(waybill: Console) -> None:
    said = waybill("settings", "--markdown")
    assert said.out == (ROOT / "docs/settings.md").read_text(encoding="utf-8"), (
        "run `waybill settings --markdown > docs/settings.md`"
    )


def test_every_variable_that_the_code_reads_is_there() -> None:
    names = [variable.name for variable in all_variables()]
    assert len(set(names)) == len(names)
    assert set(variables().values()) < set(names)
    for manifest in registry.load_manifests().values():
        assert {manifest.variable(setting.name) for setting in manifest.settings} < set(names)
    read = set[str]()
    for path in (ROOT / "app").rglob("*.py"):
        read |= set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z0-9_]+)\"", path.read_text(encoding="utf-8")))
    assert read - set(names) == {"USER"}, "read from the environment, and in no document"


def test_limits_and_defaults_are_told() -> None:
    found = {variable.name: variable for variable in all_variables()}
    assert found["WAYBILL_WEB_PORT"].limits == "0 to 65535"
    assert found["WAYBILL_PULL_INTERVAL_S"].limits == "above 0 to 86400"
    assert found["WAYBILL_SESSION_TIMEOUT_S"].default == str(Settings().session_timeout_s)
    assert found["WAYBILL_FNO_CLIENT_SECRET"].is_secret
    assert found["WAYBILL_FNO_CLIENT_SECRET"].is_required


def test_what_is_set_is_told_and_no_value(waybill: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYBILL_FNO_CLIENT_SECRET", SECRET)
    said = waybill("settings", "--json")
    rows = {row["variable"]: row for row in said.json}
    assert (rows["WAYBILL_FNO_CLIENT_SECRET"]["set"], rows["WAYBILL_FNO_BASE_URL"]["set"]) == (True, False)
    people = waybill("settings").out
    assert SECRET not in said.out + people
    assert "WAYBILL_WEB_HOST" in people
    assert waybill("settings", "--json", "--markdown").code == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("WAYBILL_EFFECT_ATEMPTS_MAX", "did you mean `WAYBILL_EFFECT_ATTEMPTS_MAX`?"),
        ("WAYBILL_FNO_BASEURL", "did you mean `WAYBILL_FNO_BASE_URL`?"),
        ("WAYBILL_X", "`waybill settings` lists all that there are"),
    ],
)
def test_a_variable_that_nothing_reads_is_named_with_the_nearest(
    waybill: Console, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.setenv(name, "1")
    said = waybill("sourcing", "check", "--json")
    assert (said.code, said.json) == (0, [])
    assert said.err == f"waybill: {name} is set, and nothing reads it; {says}\n"
    assert f"waybill: {name} is set, and nothing reads it; {says}" in waybill("worker", "nobody").err


def test_what_kubernetes_puts_beside_a_service_of_our_name_is_no_mistake() -> None:
    theirs = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_6066_TCP", "PORT_6066_TCP_ADDR")
    assert list(unread_warnings(f"WAYBILL_{name}" for name in theirs)) == []
    assert list(unread_warnings(f"WAYBILL_PERFORM_{name}" for name in theirs)) == []
    assert len(list(unread_warnings(["WAYBILL_PORTS"]))) == 1
