"""Which files the role `source` is made of, and what is said of one that cannot be used."""

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.errors import DefinitionError, SettingError
from app.optimizer.gazetteer import Gazetteer
from app.settings import Settings
from app.worker.composition import compose, compose_role
from app.worker.configured_files import load_network, load_preferences, load_strategies
from app.worker.metrics import Collectors, Metrics

STRATEGIES = "default:\n  strategy: near\n  time_limit_s: {limit}\n"


def test_without_settings_the_shipped_files_are_used() -> None:
    settings = Settings()
    assert [source.warehouse for source in load_network(settings).sources] == [
        "EU-HAM",
        "US-SEA",
        "SA-GRU",
    ]
    assert load_strategies(settings).default.name == "near-and-together"
    assert load_preferences(settings).backorders


def test_a_network_is_read_from_csv_and_yaml(tmp_path: Path) -> None:
    file = tmp_path / "sources.csv"
    file.write_text("warehouse,site,city,latitude,longitude\nJP-TYO,JP,Tokyo,35.6,139.7\n", encoding="utf-8")
    found = load_network(Settings.from_env({"WAYBILL_NETWORK_FILE": str(file)}))
    assert [source.warehouse for source in found.sources] == ["JP-TYO"]


def test_a_file_that_is_not_there_is_named_with_its_variable(tmp_path: Path) -> None:
    file = tmp_path / "missing.yaml"
    with pytest.raises(SettingError) as caught:
        load_preferences(Settings.from_env({"WAYBILL_PREFERENCES_FILE": str(file)}))
    sentence = f"WAYBILL_PREFERENCES_FILE={file}: cannot be read (No such file or directory); name a file, or unset it"
    assert str(caught.value) == sentence


def test_a_file_that_is_wrong_is_named_with_the_place(tmp_path: Path) -> None:
    file = tmp_path / "strategies.yaml"
    file.write_text(STRATEGIES.format(limit="long"), encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        load_strategies(Settings.from_env({"WAYBILL_STRATEGIES_FILE": str(file)}))
    assert str(caught.value).startswith(f"{file}: default.time_limit_s: ")


def test_plans_that_would_cost_a_worker_its_lanes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "strategies.yaml"
    file.write_text(STRATEGIES.format(limit=3), encoding="utf-8")
    given = {"WAYBILL_STRATEGIES_FILE": str(file)}
    with pytest.raises(SettingError, match=r"time_limit_s of all strategies is 3; less than 2\.5"):
        load_strategies(Settings.from_env(given))
    assert load_strategies(Settings.from_env({**given, "WAYBILL_SESSION_TIMEOUT_S": "20"})).default


def test_each_lane_gets_a_role_of_its_own() -> None:
    observer = Metrics("source", Collectors(CollectorRegistry()))
    kind = compose_role("source", compose(Settings(), {}), observer)
    first, second = kind.for_lane(0), kind.for_lane(1)
    assert first is not second
    assert first.name == "source"


def test_no_worker_waits_for_the_cities_before_an_address_is_placed() -> None:
    def load() -> Gazetteer:
        loaded.append("cities")
        return Gazetteer([])

    loaded: list[str] = []
    parts = replace(compose(Settings(), {}), places=load)
    kind = compose_role("source", parts, Metrics("source", Collectors(CollectorRegistry())))
    kind.for_lane(0)
    assert loaded == []
