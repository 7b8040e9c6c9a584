"""Manifests, and which providers are set up."""

import pytest

from app.errors import DefinitionError, SettingError
from app.flows.installed import INSIDE, ActionSpec
from app.providers import registry
from app.providers.bigcommerce.client import BigCommerce
from app.providers.manifest import parse_manifest
from app.settings import Settings

SHOP = {
    "WAYBILL_BIGCOMMERCE_BASE_URL": "https://api.bigcommerce.com/",
    "WAYBILL_BIGCOMMERCE_STORE_HASH": "abc123",
    "WAYBILL_BIGCOMMERCE_ACCESS_TOKEN": " token \n",
}
MANIFEST = """
name: shop
title: Shop
wire: REST
actions:
  - {name: Update, event: channel update requested, through: http, idempotency: a key}
events: [order created]
settings:
  - {name: TOKEN, secret: true, meaning: a token}
"""


ALWAYS_ACTIVE = {
    manifest.name: registry.action_specs(manifest)
    for manifest in registry.load_manifests().values()
    if not manifest.required
}
"""Providers of this checkout that speak Kafka alone: `waybill provider new --kafka` adds one."""


def test_s1_only_what_is_set_up_is_offered_to_flows() -> None:
    maps = ("salesorders.iom-to-fno",)
    setup = registry.setup(Settings(maps=maps), SHOP)
    name = "Update order status"
    spec = ActionSpec("bigcommerce", name, "channel update requested", "http")
    assert setup.actions == {"bigcommerce": {name: spec}, **ALWAYS_ACTIVE, **INSIDE.actions}
    assert setup.events.keys() == setup.actions.keys()
    assert setup.events.items() >= {"bigcommerce": frozenset({"order created"}), **INSIDE.events}.items()
    assert setup.maps == frozenset(maps)


def test_nobody_outside_is_set_up_by_himself() -> None:
    assert registry.setup(Settings(), {}).actions == {**ALWAYS_ACTIVE, **INSIDE.actions}


def test_a_provider_set_up_in_part_is_an_error_that_names_the_rest() -> None:
    with pytest.raises(SettingError, match="set WAYBILL_BIGCOMMERCE_STORE_HASH, WAYBILL_BIGCOMMERCE_ACCESS_TOKEN"):
        registry.active_manifests({"WAYBILL_BIGCOMMERCE_BASE_URL": "https://x", "WAYBILL_BIGCOMMERCE_STORE_HASH": " "})


async def test_a_provider_is_built_from_its_settings() -> None:
    provider = registry.build("bigcommerce", SHOP)
    assert isinstance(provider, BigCommerce)
    assert provider.link.base_url == "https://api.bigcommerce.com/stores/abc123/v2"
    await provider.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"WAYBILL_BIGCOMMERCE_ACCESS_TOKEN": "to ken"}, "ACCESS_TOKEN: has a space"),
        ({"WAYBILL_BIGCOMMERCE_ACCESS_TOKEN": "tökén"}, "not ASCII"),
        ({"WAYBILL_BIGCOMMERCE_STORE_HASH": "../admin"}, "letters and digits"),
        ({"WAYBILL_BIGCOMMERCE_BASE_URL": "api.bigcommerce.com"}, "must look like"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message) as refusal:
        registry.build("bigcommerce", SHOP | change)
    assert "tökén" not in str(refusal.value)


def test_a_provider_is_set_up_without_what_is_optional_and_told_that_it_is_empty() -> None:
    two = MANIFEST + "  - {name: WEBHOOK_SECRET, secret: true, optional: true, meaning: a secret}\n"
    manifest = parse_manifest(two, "shop/manifest.yaml")
    assert manifest.required == ("TOKEN",)
    assert registry.is_active(manifest, {"WAYBILL_SHOP_TOKEN": "t"})
    assert registry.values(manifest, {"WAYBILL_SHOP_TOKEN": "t"}) == {"TOKEN": "t", "WEBHOOK_SECRET": ""}
    both = {"WAYBILL_SHOP_TOKEN": "t", "WAYBILL_SHOP_WEBHOOK_SECRET": " s "}
    assert registry.values(manifest, both) == {"TOKEN": "t", "WEBHOOK_SECRET": "s"}
    with pytest.raises(SettingError, match="shop is set up in part: set WAYBILL_SHOP_TOKEN, or unset"):
        registry.is_active(manifest, {"WAYBILL_SHOP_WEBHOOK_SECRET": "s"})


def test_unknown_and_missing_providers_are_named() -> None:
    with pytest.raises(SettingError, match=r"no provider 'shopify'; there are .*bigcommerce, .*f"):
        registry.build("shopify", {})
    with pytest.raises(SettingError, match="fno is not set up: set WAYBILL_FNO_BASE_URL"):
        registry.build("fno", {})


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("through: http", "through: fax", r"actions\[0\]\.through"),
        ("through: http", "through: dual-write", r"actions\[0\]"),
        ("events: [order created]", "events: order created", "events"),
        ("title: Shop", "titel: Shop", "titel"),
        ("name: TOKEN", "name: token", r"settings\[0\]\.name"),
        (", idempotency: a key", "", r"actions\[0\]\.idempotency"),
        ("events: [order created]", "events: [order created", "line 8, column 9"),
        ("secret: true", "optional: true", r"\(file\)"),
    ],
)
def test_a_wrong_manifest_names_file_and_path(old: str, new: str, path: str) -> None:
    assert old in MANIFEST
    with pytest.raises(DefinitionError, match=f"^shop/manifest.yaml: {path}: "):
        parse_manifest(MANIFEST.replace(old, new), "shop/manifest.yaml")


QUIET = """
name: pigeon
title: Pigeons
wire: Kafka
actions:
  - {name: Send, event: fulfillment requested, through: kafka, idempotency: effect_id}
events: [order shipped]
"""


def test_who_reads_kafka_needs_neither_settings_nor_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    pigeon = parse_manifest(QUIET, "app/providers/pigeon/manifest.yaml")
    monkeypatch.setattr(registry, "load_manifests", lambda: {"pigeon": pigeon})
    assert registry.setup(Settings(), {}).events["pigeon"] == {"order shipped"}
    assert registry.open_all({}) == {}
    with pytest.raises(SettingError, match="pigeon is not called: its actions go through kafka"):
        registry.build("pigeon", {})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("through: kafka", "through: http", "one setting at least is not optional: it says whether"),
        ("events:", "capabilities: {pull: by pigeon}\nevents:", "all actions go through kafka"),
    ],
)
def test_a_manifest_alone_is_for_who_reads_kafka_and_pulls_nothing(old: str, new: str, problem: str) -> None:
    with pytest.raises(DefinitionError, match=rf"\(file\): {problem}"):
        parse_manifest(QUIET.replace(old, new), "pigeon/manifest.yaml")
