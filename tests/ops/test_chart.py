"""The Helm chart: its files as data, and what helm makes of them where it is installed.

`make deployment` installs helm and runs all of it; elsewhere the tests that need them say so.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app.agents.apply import Apply
from app.agents.mirror import Mirror
from app.agents.orchestrate import Orchestrate
from app.agents.perform import Perform
from app.agents.pull import Pull
from app.agents.roles import ROLES
from app.agents.source import Source
from app.resources import ROOT
from app.settings import Settings
from tests.ops.deployed import STOP_WORKER_S, VERSION, WEB_PORT, parse, unknown_variables

CHART = ROOT / "ops/helm/waybill"
VARIABLE = re.compile(r"\b(?:WAYBILL|KAFKA|SCHEMA_REGISTRY)_[A-Z0-9_]*[A-Z0-9]\b")
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
FULL: dict[str, Any] = {
    "image": {"repository": "registry.example/waybill", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "settings": {
        "KAFKA_BOOTSTRAP_SERVERS": "one.kafka:9093,two.kafka:9093",
        "WAYBILL_PREFIX": "shop-a.",
        "WAYBILL_INSTALLATION": "north",
        "WAYBILL_PARTITIONS": 12,
        "WAYBILL_RECORD_BYTES_MAX": 2097152,
        "WAYBILL_FLEXE_BASE_URL": "https://flexe.example",
        "WAYBILL_FLEXE_OWNER_ID": "we",
    },
    "secrets": {
        "WAYBILL_FLEXE_API_KEY": {"secret": "flexe", "key": "api-key"},
        "WAYBILL_FLEXE_WEBHOOK_SECRET": {"secret": "flexe", "key": "webhooks"},
        "WAYBILL_WEB_TOKEN": {"secret": "waybill", "key": "token"},
    },
    "files": {
        "WAYBILL_NETWORK_FILE": {"configMap": "sourcing", "key": "network.yaml"},
        "WAYBILL_STRATEGIES_FILE": {"secret": "sourcing", "key": "strategies.yaml"},
    },
    "roles": {"orchestrate": {"replicas": 3, "resources": {"requests": {"cpu": "1"}}}},
    "topics": {"hook": "check"},
    "autoscaling": {"enabled": True, "lag": 5000, "metadata": {"sasl": "scram_sha512"}, "authentication": "kafka"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "serviceAccountName": "waybill",
    "podAnnotations": {"team": "orders"},
    "nodeSelector": {"pool": "orders"},
    "tolerations": [{"key": "orders", "operator": "Exists"}],
}
# A helm that `go install` made says of itself that it renders for 1.20.
TEMPLATE = ("template", "shop", CHART, "--kube-version", "1.33.0")
CUSTOM = ("ServiceMonitor", "ScaledObject")
LEAST = {"settings": {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}}


def merged(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the values over the defaults, as helm lays them."""
    laid = {**defaults, **values}
    both = (name for name in values if isinstance(values[name], dict) and isinstance(defaults.get(name), dict))
    return laid | {name: merged(values[name], defaults[name]) for name in both}


def refusals(values: dict[str, Any]) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(merged(values, VALUES))]


def files() -> list[Path]:
    return [path for path in sorted(CHART.rglob("*")) if path.is_file()]


# The chart as data


def test_its_versions_are_ours() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_it_has_every_role() -> None:
    assert list(VALUES["roles"]) == list(ROLES) == SCHEMA["properties"]["roles"]["required"]


def test_it_knows_what_each_role_reads() -> None:
    inputs = yaml.safe_load((CHART / "inputs.yaml").read_text(encoding="utf-8"))
    roles = (Orchestrate, Source, Perform, Apply, Mirror)
    assert inputs["topics"] == {role.name: list(role.inputs) for role in roles}
    assert {*inputs["topics"], Pull.name} == set(ROLES)
    assert inputs["partitions"] == yaml.safe_load((ROOT / "topics.yaml").read_text(encoding="utf-8"))["partitions"]


def test_every_variable_that_it_names_is_read_by_waybill() -> None:
    names = {name for path in files() for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert "KAFKA_BOOTSTRAP_SERVERS" in names
    assert unknown_variables(names) == set()


def test_no_value_that_it_comes_with_is_refused() -> None:
    assert refusals({}) == refusals(LEAST) == refusals(FULL) == []


@pytest.mark.parametrize(
    "values",
    [
        {"roles": {"harvest": {"replicas": 1}}},
        {"roles": {"source": {"replicas": "2"}}},
        {"settings": {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "WAYBILL_WEB_PORT": "80"}},
        {"settings": {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "PATH": "/"}},
        {"secrets": {"WAYBILL_FLEXE_API_KEY": "a secret that does not belong here"}},
        {"files": {"WAYBILL_NETWORK_FILE": {"key": "network.yaml"}}},
        {"image": {"tag": "latest"}},
        {"image": {"digest": "latest"}},
        {"topics": {"hook": "delete"}},
        {"terminationGracePeriodSeconds": 10},
        {"replicaCount": 3},
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(values: dict[str, Any]) -> None:
    assert len(refusals(values)) >= 1


def test_a_worker_has_the_time_that_it_needs_to_stop() -> None:
    assert VALUES["terminationGracePeriodSeconds"] >= STOP_WORKER_S
    assert SCHEMA["properties"]["terminationGracePeriodSeconds"]["minimum"] >= STOP_WORKER_S


def test_it_runs_as_the_user_of_the_image() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"runAsUser: {user}" in (CHART / "templates/_helpers.tpl").read_text(encoding="utf-8")


# What helm makes of it


def helm(*arguments: str | Path, answers: bool = True) -> str:
    """Return what helm prints. `answers` False: it must refuse."""
    program = shutil.which("helm")
    if program is None:
        pytest.skip("helm is not installed: `make deployment` installs it")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode == 0) is answers, done.stdout + done.stderr
    return done.stdout + done.stderr


def rendered(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return [each for each in yaml.safe_load_all(helm(*TEMPLATE, "--values", file)) if each]


def of_kind(kind: str, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in objects if each["kind"] == kind]


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    owners = of_kind("Deployment", objects) + of_kind("Job", objects)
    return [owner["spec"]["template"]["spec"] for owner in owners]


def environment(pod: dict[str, Any]) -> dict[str, str]:
    (container,) = pod["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def mounted_paths(pod: dict[str, Any]) -> set[str]:
    """Return the path of every file that the pod's volumes bring."""
    (container,) = pod["containers"]
    places = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert places.keys() == {each["name"] for each in pod["volumes"]}
    projected = {each["name"]: each["projected"]["sources"] for each in pod["volumes"] if "projected" in each}
    return {
        f"{places[name]}/{item['path']}"
        for name, sources in projected.items()
        for source in sources
        for origin in source.values()
        for item in origin["items"]
    }


def test_helm_finds_nothing_wrong_with_it() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", "--set", "settings.KAFKA_BOOTSTRAP_SERVERS=k:9092", CHART)


def test_without_a_broker_it_is_refused_with_the_fix() -> None:
    assert "set settings.KAFKA_BOOTSTRAP_SERVERS" in helm(*TEMPLATE, answers=False)


@pytest.mark.parametrize("values", [LEAST, FULL], ids=["least", "full"])
def test_every_role_and_the_topics_run_commands_of_ours(values: dict[str, Any], tmp_path: Path) -> None:
    commands = [pod["containers"][0]["args"] for pod in pods(rendered(values, tmp_path))]
    hook = values.get("topics", VALUES["topics"])["hook"]
    assert sorted(commands) == sorted([*(["worker", role] for role in ROLES), ["topics", hook]])
    assert {parse(command) for command in commands} == {"worker", f"topics {hook}"}


@pytest.mark.parametrize("values", [LEAST, FULL], ids=["least", "full"])
def test_the_settings_of_every_pod_can_be_used(values: dict[str, Any], tmp_path: Path) -> None:
    for pod in pods(rendered(values, tmp_path)):
        settings = environment(pod)
        assert unknown_variables(settings) == set()
        files_of_settings = {name for name, value in settings.items() if value.startswith("/etc/waybill/")}
        assert {settings[name] for name in files_of_settings} == mounted_paths(pod)
        plain = Settings.from_env({name: settings[name] for name in settings.keys() - files_of_settings})
        assert (plain.web_host, str(plain.web_port)) == ("0.0.0.0", WEB_PORT)
        assert plain.bootstrap_servers == values["settings"]["KAFKA_BOOTSTRAP_SERVERS"]


def test_values_arrive_as_they_were_written(tmp_path: Path) -> None:
    settings = environment(pods(rendered(FULL, tmp_path))[0])
    assert {name: str(value) for name, value in FULL["settings"].items()}.items() <= settings.items()


@pytest.mark.parametrize("values", [LEAST, FULL], ids=["least", "full"])
def test_every_pod_is_restricted_and_reads_no_service_as_a_setting(values: dict[str, Any], tmp_path: Path) -> None:
    for pod in pods(rendered(values, tmp_path)):
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)


def test_selectors_find_the_pods_of_their_role_alone(tmp_path: Path) -> None:
    objects = rendered(FULL, tmp_path)
    labels = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in
              of_kind("Deployment", objects) + of_kind("Job", objects)}  # fmt: skip
    selectors = [
        *((each["metadata"]["name"], each["spec"]["selector"]) for each in of_kind("Service", objects)),
        *((each["metadata"]["name"], each["spec"]["selector"]["matchLabels"])
          for kind in ("Deployment", "PodDisruptionBudget") for each in of_kind(kind, objects)),
    ]  # fmt: skip
    assert len(selectors) == 3 * len(ROLES)
    for name, selector in selectors:
        assert [owner for owner in labels if selector.items() <= labels[owner].items()] == [name]


def test_probes_and_services_ask_the_port_that_is_open(tmp_path: Path) -> None:
    objects = rendered(FULL, tmp_path)
    for deployment in of_kind("Deployment", objects):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["ports"] == [{"name": "http", "containerPort": int(WEB_PORT)}]
        probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert {probe["port"] for probe in probes.values()} == {"http"}
        assert [probe["path"] for probe in probes.values()] == ["/health", "/health", "/ready"]
    for service in of_kind("Service", objects):
        assert service["spec"]["ports"] == [{"name": "http", "port": int(WEB_PORT), "targetPort": "http"}]


def test_lag_scales_every_role_but_the_one_with_one_partition(tmp_path: Path) -> None:
    objects = rendered(FULL, tmp_path)
    own = FULL["settings"]
    settings = Settings(prefix=own["WAYBILL_PREFIX"], installation=own["WAYBILL_INSTALLATION"])
    groups = {
        each["spec"]["scaleTargetRef"]["name"]: {t["metadata"]["consumerGroup"] for t in each["spec"]["triggers"]}
        for each in of_kind("ScaledObject", objects)
    }
    assert groups == {f"shop-waybill-{role}": {settings.group(role)} for role in ROLES if role != Pull.name}
    topics = {t["metadata"]["topic"] for each in of_kind("ScaledObject", objects) for t in each["spec"]["triggers"]}
    assert topics == {
        f"shop-a.{topic}" for role in (Orchestrate, Source, Perform, Apply, Mirror) for topic in role.inputs
    }
    fixed = [each["metadata"]["name"] for each in of_kind("Deployment", objects) if "replicas" in each["spec"]]
    assert fixed == ["shop-waybill-pull"]
    assert {each["spec"]["maxReplicaCount"] for each in of_kind("ScaledObject", objects)} == {12}


def test_what_is_optional_is_absent_unless_it_is_asked_for(tmp_path: Path) -> None:
    kinds = {each["kind"] for each in rendered(LEAST, tmp_path)}
    assert kinds == {"Deployment", "Service", "PodDisruptionBudget", "Job"}
    assert "Job" not in {each["kind"] for each in rendered({**LEAST, "topics": {"hook": "none"}}, tmp_path)}


def test_a_setting_that_is_a_secret_as_well_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    twice = {**FULL, "settings": {**FULL["settings"], "WAYBILL_WEB_TOKEN": "a-token-of-16-letters"}}
    file.write_text(yaml.safe_dump(twice), encoding="utf-8")
    answer = helm(*TEMPLATE, "--values", file, answers=False)
    assert "WAYBILL_WEB_TOKEN is in settings and in secrets" in answer


@pytest.mark.parametrize("values", [LEAST, FULL], ids=["least", "full"])
def test_kubernetes_would_accept_every_object(values: dict[str, Any], tmp_path: Path) -> None:
    objects = rendered(values, tmp_path)
    file = os.environ.get("KUBERNETES_OPENAPI")
    if file is None:
        pytest.skip("no description of Kubernetes' objects is at hand: `make deployment` brings one")
    schemas = strict_schemas(Path(file))
    checked = [each for each in objects if each["kind"] not in CUSTOM]
    assert len(checked) == 3 * len(ROLES) + 1
    for each in checked:
        validator = schemas[each["apiVersion"], each["kind"]]
        assert [f"{each['kind']}: {error.message}" for error in validator.iter_errors(each)] == []


def strict_schemas(openapi: Path) -> dict[tuple[str, str], jsonschema.Draft7Validator]:
    """Return what validates an object of each version and kind of Kubernetes, and refuses fields that it has not."""
    definitions: dict[str, Any] = json.loads(openapi.read_text(encoding="utf-8"))["definitions"]
    # The description has no type for a value that may be a number or words.
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {"type": ["string", "integer"]}
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    schemas = {}
    for name, definition in definitions.items():
        if "properties" in definition:
            definition["additionalProperties"] = False
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            version = "/".join(part for part in (kind["group"], kind["version"]) if part)
            schema = {"$ref": f"#/definitions/{name}", "definitions": definitions}
            schemas[version, kind["kind"]] = jsonschema.Draft7Validator(schema)
    return schemas


def test_the_values_in_the_documentation_are_accepted() -> None:
    text = (ROOT / "docs/deploying.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n# values.yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    values = yaml.safe_load(block)
    assert refusals(values) == []
    assert unknown_variables({*values["settings"], *values["secrets"], *values["files"]}) == set()
