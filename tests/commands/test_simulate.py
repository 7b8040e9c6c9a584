"""`sourcing check` and `sourcing simulate`, on files as people have them."""

import json
from pathlib import Path
from random import Random

import pytest

from app.sandbox.demo.made_orders import bigcommerce_order
from tests.commands.console import Console

STOCK = "sku,site,warehouse,on_hand\n"
CHEAP = "default: {strategy: cheap, weights: {distance: 1}}\n"
FEW = "default: {strategy: few, weights: {distance: 1, shipments: 20000}}\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    dice, lines, skus = Random(7), [], set[str]()
    for number in range(1, 21):
        wire = bigcommerce_order(dice, number, 1_760_000_000 + number)
        skus |= {product["sku"] for product in wire["products"]}
        lines.append(json.dumps(wire))
    (tmp_path / "orders.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = [f"{sku},S,{place},40" for sku in sorted(skus) for place in ("EU-HAM", "US-SEA")]
    (tmp_path / "stock.csv").write_text(STOCK + "\n".join(rows))
    (tmp_path / "cheap.yaml").write_text(CHEAP)
    (tmp_path / "few.yaml").write_text(FEW)
    return tmp_path


def given(files: Path, *more: str) -> tuple[str, ...]:
    return ("sourcing", "simulate", "--orders", str(files / "orders.jsonl"), "--stock", str(files / "stock.csv"), *more)


def test_two_strategies_are_compared_order_by_order(waybill: Console, files: Path) -> None:
    both = ("--strategy", str(files / "cheap.yaml"), "--strategy", str(files / "few.yaml"))
    said = waybill(*given(files, *both, "--json"))
    assert said.code == 0
    cheap, few = said.json["strategies"]
    assert (cheap["strategy"], few["strategy"]) == ("cheap", "few")
    assert cheap["lines"] == few["lines"] > 20
    assert few["shipments"] <= cheap["shipments"]
    assert sum(said.json["placed"].values()) == 20
    for each in said.json["differences"]:
        assert each["first"]["allocations"] != each["second"]["allocations"]
    shown = waybill(*given(files, *both))
    assert "lines without a source" in shown.out
    assert "orders differ" in shown.out


def test_what_ships_is_tried_where_nothing_is_named(waybill: Console, files: Path) -> None:
    (only,) = waybill(*given(files, "--json")).json["strategies"]
    assert only["strategy"] == "near-and-together + split-lines"


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("stock.csv", STOCK + "TEA,EU,MOON,3\n", "stock.csv:2: there is no warehouse 'MOON'"),
        ("stock.csv", STOCK + "TEA,EU,EU-HAM,much\n", "stock.csv:2: on_hand 'much' is no number"),
        ("stock.csv", "sku,site\n", "stock.csv: no column warehouse, on_hand"),
        ("orders.jsonl", "{}\n", "orders.jsonl:1"),
        (
            "cheap.yaml",
            "default: {strategy: cheap, weight: {}}\n",
            "cheap.yaml: default.weight: unknown key; did you mean",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(waybill: Console, files: Path, name: str, text: str, named: str) -> None:
    (files / name).write_text(text)
    said = waybill(*given(files, "--strategy", str(files / "cheap.yaml")))
    assert said.code != 0
    assert named in said.err + said.out


def test_check_names_what_is_wrong_with_the_files_of_the_environment(
    waybill: Console, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert waybill("sourcing", "check").code == 0
    (files / "cheap.yaml").write_text(CHEAP.replace("distance", "distanse"))
    monkeypatch.setenv("WAYBILL_STRATEGIES_FILE", str(files / "cheap.yaml"))
    said = waybill("sourcing", "check", "--json")
    assert (said.code, [problem["path"] for problem in said.json]) == (1, ["default.weights.distanse"])
