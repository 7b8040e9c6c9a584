"""Targets about what people write: YAML of every kind, networks in CSV, settings; and packed batches of a fetch."""

from collections.abc import Callable, Mapping
from functools import partial

from app import policies, resources
from app.dualwrite import sales_order_mapping
from app.errors import DefinitionError, SettingError, TopicError
from app.flows.loading import flow_check
from app.flows.loading.flow_compiler import compile_flow
from app.flows.loading.flow_spec import load as load_flow
from app.flows.loading.flow_spec import load_routing
from app.flows.loading.routing import check as check_routing
from app.inventory import preferences
from app.kafka import topics
from app.kafka.compressed_batches import BATCH_BYTES_MAX, FETCH_BYTES_MAX, unpack_batches
from app.optimizer import sourcing_network, sourcing_strategy
from app.policies import policy_loader
from app.providers import registry
from app.providers.manifest import parse_manifest
from app.settings import Settings, variables
from app.worker.configured_files import SHIPPED
from tests.dualwrite.rows import TEXTS
from tests.flows.journey import SETUP
from tests.flows.journey import policies as compiled_policies
from tests.fuzz.target import Target, check_sentence
from tests.kafka.test_compressed_batches import CODECS, batch
from tests.policies.orders import an_order

FILE = "fuzzed.yaml"


def run_flow(text: str) -> None:
    spec = load_flow(text, FILE)
    for problem in flow_check.check(spec, compiled_policies(), SETUP):
        check_sentence(str(problem))
    compile_flow(spec, compiled_policies(), SETUP)


def run_routing(text: str) -> None:
    for problem in check_routing(load_routing(text, FILE), {"fno-fno-fno"}):
        check_sentence(str(problem))


def run_policy(text: str) -> None:
    """A policy that can be loaded gives every order a verdict."""
    for problem in policy_loader.check(text, FILE):
        check_sentence(str(problem))
    check_sentence(policies.compile(policies.load(text, FILE)).evaluate(an_order()).detail)


def run_network(text: str) -> None:
    for file in (FILE, "fuzzed.csv"):
        try:
            sourcing_network.load(text, file)
        except DefinitionError as problem:
            check_sentence(str(problem))


def run_maps(text: str) -> None:
    """In the place of the file that it is most like."""
    place = 0 if "table:" in text else 1 if "map: salesorders.fno" in text else 2
    sales_order_mapping.load({**TEXTS, sales_order_mapping.FILES[place]: text})


YAML: dict[str, tuple[Callable[[str], object], dict[str, str]]] = {
    "flows": (
        run_flow,
        {file: text for file, text in resources.flow_files().items() if not file.endswith("routing.yaml")},
    ),
    "routing": (run_routing, {"": resources.flow_files()["app/flows/routing.yaml"]}),
    "policies": (run_policy, resources.policy_files()),
    "network": (
        run_network,
        {
            "yaml": resources.read_text(SHIPPED["network"]),
            "csv": "warehouse,site,latitude,longitude\nEU-HAM,EU,53.5,9.9\n",
        },
    ),
    "strategies": (
        lambda text: sourcing_strategy.load(text, FILE),
        {"": resources.read_text(SHIPPED["strategies"])},
    ),
    "preferences": (lambda text: preferences.load(text, FILE), {"": resources.read_text(SHIPPED["preferences"])}),
    "manifests": (lambda text: parse_manifest(text, FILE), resources.manifest_files()),
    "topics": (lambda text: topics.parse(text, FILE), {"": resources.topics_file()}),
    "maps": (run_maps, TEXTS),
}


def reading(load: Callable[[str], object]) -> Callable[[bytes], None]:
    """Return what reads a file: text that is UTF-8, as files are read everywhere."""

    def run(data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return
        try:
            load(text)
        except (DefinitionError, TopicError) as problem:
            check_sentence(str(problem))

    return run


def run_settings(data: bytes) -> None:
    """Lines `NAME=value`: the settings of a process and of its providers."""
    lines = (line.partition("=") for line in data.decode("utf-8", "surrogateescape").split("\n"))
    environ = {name: value for name, _, value in lines if "\0" not in value}
    for read in (Settings.from_env, registry.active_manifests, registry.receivers, _opened):
        try:
            read(environ)
        except SettingError as problem:
            check_sentence(str(problem)[sum(map(len, environ.values())) :])


def _opened(environ: dict[str, str]) -> None:
    """Open the clients of all that is set up. Nothing leaves: no session exists before the first call."""
    registry.open_all(environ)


def run_batches(data: bytes) -> None:
    """Whatever is in a fetch, unpacking it ends, and within the limits."""
    assert len(unpack_batches(data)) <= len(data) + FETCH_BYTES_MAX + BATCH_BYTES_MAX


def _setting_seeds() -> tuple[bytes, ...]:
    names = {"bootstrap_servers": "a:9092,b:9092", "maps": "salesorders.fno-to-iom", "partitions": "4"}
    lines = [f"{variables()[name]}={value}" for name, value in names.items()]
    lines += ["WAYBILL_FLEXE_BASE_URL=https://x", "WAYBILL_FLEXE_API_KEY=k", "WAYBILL_FLEXE_OWNER_ID=o"]
    lines += ["WAYBILL_FLEXE_WEBHOOK_SECRET=whsec_AAAA", "SCHEMA_REGISTRY_URL=http://u:p@h"]
    return ("\n".join(lines).encode(),)


def _batch_seeds() -> tuple[bytes, ...]:
    return tuple(batch(number, b"{}" * 50, b"x") for number in CODECS.values())


def _encoded(texts: Mapping[str, str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts.values())


TARGETS = (
    *(Target(name, reading(load), partial(_encoded, texts)) for name, (load, texts) in YAML.items()),
    Target("settings", run_settings, _setting_seeds),
    Target("batches", run_batches, _batch_seeds),
)
