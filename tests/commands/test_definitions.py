"""`schemas`, `flows` and `policies`: checked before an order meets them."""

import pytest

from app import resources
from app.sandbox.local.up import simulated
from tests.commands.console import Console


def test_the_shipped_definitions_are_right(waybill: Console) -> None:
    for name in ("schemas", "flows", "policies"):
        said = waybill(name, "check")
        assert said.code == 0
        assert "0 problems" in said.out


def test_a_json_schema_that_the_code_has_left_behind_is_named(
    waybill: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = resources.json_schema_files()
    monkeypatch.setattr(resources, "json_schema_files", lambda: {**files, "stock-change.schema.json": "{}"})
    said = waybill("schemas", "check")
    assert said.code == 1
    assert "schemas/stock-change.schema.json: is not what the code says; run `make schemas`" in said.out
    assert "7 JSON Schemas, 1 problems" in said.out


@pytest.mark.parametrize("name", ["flows", "policies"])
def test_no_problems_are_an_empty_list(waybill: Console, name: str) -> None:
    said = waybill(name, "check", "--json")
    assert (said.code, said.json) == (0, [])


def test_flows_are_checked_as_this_environment_is_set_up(waybill: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    said = waybill("flows", "check", "--active", "--json")
    assert said.code == 1
    assert {"file", "path", "problem", "fix"} == set(said.json[0])
    assert any("'fno' is not installed" in problem["problem"] for problem in said.json)
    for name, value in simulated({}, 8480).items():
        monkeypatch.setenv(name, value)
    assert waybill("flows", "check", "--active").code == 0


def test_a_wrong_policy_is_named_with_file_path_and_fix(waybill: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    files = resources.policy_files()
    file, text = next(iter(files.items()))
    monkeypatch.setattr(resources, "policy_files", lambda: {**files, file: text.replace("version:", "edition:")})
    said = waybill("policies", "check")
    assert said.code == 1
    assert file in said.out
    assert "edition" in said.out
    assert waybill("policies", "check", "--json").json[0]["file"] == file


def test_flows_are_drawn(waybill: Console) -> None:
    said = waybill("flows", "graph", "fno-fno-fno")
    assert said.code == 0
    assert "order shipped" in said.out
    assert len(waybill("flows", "graph").out) > len(said.out)


def test_a_flow_that_is_not_there(waybill: Console) -> None:
    said = waybill("flows", "graph", "none")
    assert said.code == 1
    assert said.err.startswith("waybill: no flow 'none'; there are bigcommerce-")
    assert said.out == ""
