"""`provider list`: what is installed, set up, and missing. For `provider new` see tests/providers/test_scaffold.py."""

import pytest

from tests.commands.console import Console

SECRET = "not-to-be-shown"


def test_what_is_missing_is_named_and_no_value_is_shown(waybill: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BASE_URL", "API_KEY", "OWNER_ID"):
        monkeypatch.setenv(f"WAYBILL_FLEXE_{name}", SECRET)
    said = waybill("provider", "list", "--json")
    flexe = next(row for row in said.json if row["name"] == "flexe")
    assert (said.code, flexe["active"], flexe["missing"]) == (0, False, ["WAYBILL_FLEXE_WEBHOOK_SECRET"])
    assert {"variable": "WAYBILL_FLEXE_API_KEY", "given": True, "optional": False} in flexe["settings"]
    monkeypatch.setenv("WAYBILL_FLEXE_WEBHOOK_SECRET", SECRET)
    active = [row["name"] for row in waybill("provider", "list", "--json").json if row["active"]]
    assert active == ["flexe"]
    people = waybill("provider", "list").out
    assert {"bigcommerce", "fno", "sap"} <= set(people.split())
    assert SECRET not in said.out + people


def test_options_that_exclude_each_other(waybill: Console) -> None:
    said = waybill("provider", "new", "qx", "--webhooks", "--kafka")
    assert (said.code, "exclude each other" in said.err) == (1, True)
