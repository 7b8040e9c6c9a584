"""docker-compose.kafka.yml with its profile `full`: what it says agrees with the code, and with itself.

tests/sandbox/local/test_broker.py holds that its broker is the one of `waybill broker start`.
"""

from typing import Any

import pytest
import yaml

from app.agents.roles import ROLES
from app.resources import ROOT
from app.sandbox.vendors.host import environ_at
from app.settings import Settings
from tests.ops.deployed import STOP_WORKER_S, VERSION, WEB_PORT, parse, unknown_variables

FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("waybill:")}
WORKERS = {name: service for name, service in OURS.items() if service["command"][0] == "worker"}
SIMULATORS = "http://127.0.0.1:8480"


def test_without_a_profile_it_is_the_broker_alone() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"kafka"}
    assert {tuple(service["profiles"]) for name, service in SERVICES.items() if name != "kafka"} == {("full",)}


def test_the_broker_has_a_listener_for_this_machine_and_one_for_containers() -> None:
    environment = SERVICES["kafka"]["environment"]
    listeners = dict(each.split("://") for each in environment["KAFKA_LISTENERS"].split(","))
    advertised = dict(each.split("://") for each in environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert advertised == {"PLAINTEXT": "127.0.0.1:9092", "CONTAINERS": "kafka:29092"}
    assert {name: address.rpartition(":")[2] for name, address in advertised.items()} == {
        name: address.rpartition(":")[2] for name, address in listeners.items() if name != "CONTROLLER"
    }
    protocols = dict(each.split(":") for each in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert protocols.keys() == listeners.keys()
    assert {service["environment"]["KAFKA_BOOTSTRAP_SERVERS"] for service in OURS.values()} == {"kafka:29092"}


def test_every_role_runs_and_every_command_is_one_of_ours() -> None:
    assert {name: service["command"] for name, service in WORKERS.items()} == {r: ["worker", r] for r in ROLES}
    assert {name: parse(service["command"]) for name, service in OURS.items()} == {
        "topics": "topics apply",
        "simulators": "simulators",
        **dict.fromkeys(ROLES, "worker"),
    }


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_read_by_something_and_has_a_value_that_can_be_used(name: str) -> None:
    environment = OURS[name]["environment"]
    assert unknown_variables(environment) == set()
    assert all(isinstance(value, str) for value in environment.values()), "YAML reads 00 as a number"
    Settings.from_env(environment)
    assert environ_at(SIMULATORS).items() <= environment.items()


def test_webhooks_go_to_the_worker_that_takes_them() -> None:
    command = SERVICES["simulators"]["command"]
    assert command[command.index("--port") + 1] == SIMULATORS.rpartition(":")[2]
    assert command[command.index("--webhooks") + 1] == f"http://127.0.0.1:{WEB_PORT}/webhooks"
    pull = SERVICES["pull"]
    assert pull["environment"].get("WAYBILL_WEB_PORT", WEB_PORT) == WEB_PORT


def test_the_roles_that_call_the_simulators_share_their_loopback_address_and_no_port() -> None:
    beside = {name: each for name, each in WORKERS.items() if each.get("network_mode") == "service:simulators"}
    assert set(beside) == {"pull", "perform", "apply"} == set(SERVICES["simulators"]["networks"]["default"]["aliases"])
    assert len({each["environment"].get("WAYBILL_WEB_PORT", WEB_PORT) for each in beside.values()}) == len(beside)


def test_prometheus_scrapes_every_role() -> None:
    config = yaml.safe_load((ROOT / "ops/compose/prometheus.yml").read_text(encoding="utf-8"))
    ports = {name: each["environment"].get("WAYBILL_WEB_PORT", WEB_PORT) for name, each in WORKERS.items()}
    (job,) = config["scrape_configs"]
    (targets,) = (static["targets"] for static in job["static_configs"])
    assert sorted(targets) == sorted(f"{name}:{port}" for name, port in ports.items())


def test_what_is_mounted_is_in_the_repository_or_kept_by_name() -> None:
    volumes = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    paths = {volume for volume in volumes if volume.startswith("./")}
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    assert list((ROOT / "ops/prometheus").glob("*-rules.yml")), "what the rule_files of ops/compose/prometheus.yml name"
    assert list((ROOT / "ops/grafana").glob("*.json"))
    assert set(volumes) - paths == set(FILE["volumes"])


def test_images_have_a_version_and_ours_is_this_one() -> None:
    tags = {service["image"]: service["image"].rpartition(":")[2] for service in SERVICES.values()}
    assert [image for image, tag in tags.items() if "/" in tag or tag in ("", "latest")] == []
    assert {service["image"] for service in OURS.values()} == {f"waybill:{VERSION}"}


def test_our_containers_may_do_nothing_that_they_need_not() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_worker_has_the_time_that_it_needs_to_stop() -> None:
    assert all(int(service["stop_grace_period"].removesuffix("s")) >= STOP_WORKER_S for service in WORKERS.values())


def test_nothing_is_open_to_other_machines() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert len({port.split(":")[1] for port in ports}) == len(ports)
