"""Manifests, and which providers are set up."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from app.errors import DefinitionError, SettingError
from app.flows.installed import INSIDE, ActionSpec
from app.providers import registry
from app.providers.bigcommerce.client import BigCommerce
from app.providers.manifest import parse_manifest
from app.providers.port import Code, UnsharedLease
from app.providers.webhooks import WebhookRefusedError, signer
from app.sandbox.vendors.host import SimulatorOptions, serve
from app.settings import Settings
from tests.providers.flexe.bench import BENCH
from tests.providers.recording_proxy import open_recording_proxy

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


HOUSE = {
    "WAYBILL_FLEXE_BASE_URL": "https://flexe.example",
    "WAYBILL_FLEXE_OWNER_ID": "owner-1",
    "WAYBILL_FLEXE_API_KEY": "key-12345",
}
NOW_S = 1_800_000_000.0


def signed(secret: str, body: bytes) -> dict[str, str]:
    at = datetime.fromtimestamp(NOW_S, UTC)
    signature = signer(secret).sign("w-1", at, body.decode())
    return {"webhook-id": "w-1", "webhook-timestamp": str(int(NOW_S)), "webhook-signature": signature}


def cancelled(**data: str) -> bytes:
    order = {"id": "f-1", "external_id": "o-1", "owner_id": "owner-1", "reason": "", **data}
    return msgspec.json.encode({"type": "order.cancelled", "timestamp": "2027-01-15T08:00:00Z", "data": order})


def test_webhooks_are_proven_by_either_secret_while_one_replaces_the_other(tmp_path: Path) -> None:
    old, new = "whsec_b2xkLXNlY3JldA==", "whsec_bmV3LXNlY3JldA=="
    path = tmp_path / "secret"
    path.write_text(f"{old}\n")
    receive = registry.receivers({**HOUSE, "WAYBILL_FLEXE_WEBHOOK_SECRET_FILE": str(path)})["flexe"]
    body = cancelled()
    assert receive(signed(old, body), body, NOW_S).events
    path.write_text(f"{new}\n{old}\n")
    assert receive(signed(old, body), body, NOW_S) == receive(signed(new, body), body, NOW_S)
    path.write_text(f"{new}\n")
    with pytest.raises(WebhookRefusedError, match="no webhook-signature fits"):
        receive(signed(old, body), body, NOW_S)
    assert receive(signed(new, body), body, NOW_S).events


def test_nothing_that_a_webhook_says_has_a_secret_in_it(tmp_path: Path) -> None:
    secret = "whsec_b2xkLXNlY3JldA=="
    (tmp_path / "key").write_text("key-12345\nold-key-12345")
    environ = {name: value for name, value in HOUSE.items() if "KEY" not in name}
    keys = {"WAYBILL_FLEXE_API_KEY_FILE": str(tmp_path / "key"), "WAYBILL_FLEXE_WEBHOOK_SECRET": secret}
    receive = registry.receivers({**environ, **keys})["flexe"]
    body = cancelled(reason="key-12345 and old-key-12345")
    assert [event.values for event in receive(signed(secret, body), body, NOW_S).events] == [{"reason": "*** and ***"}]
    body = cancelled(external_id="is key-12345")
    with pytest.raises(WebhookRefusedError) as refusal:
        receive(signed(secret, body), body, NOW_S)
    assert "***" in refusal.value.detail
    assert "key-12345" not in refusal.value.detail
    assert refusal.value.__cause__ is None


async def test_a_client_uses_the_secret_that_is_in_the_file_now(tmp_path: Path) -> None:
    """What is refused for a secret that was replaced while the call was on its way is sent again with the new one."""
    path = tmp_path / "key"
    path.write_text("wrong-key\n")
    async with serve(SimulatorOptions()) as simulators, open_recording_proxy(simulators.base_url) as proxy:
        environ = simulators.environ()
        key = environ.pop("WAYBILL_FLEXE_API_KEY")
        environ = {**environ, "WAYBILL_FLEXE_BASE_URL": f"{proxy.url}/flexe", "WAYBILL_FLEXE_API_KEY_FILE": str(path)}
        provider = registry.build("flexe", environ)
        refused = await provider.perform(BENCH.action(0), UnsharedLease())
        proxy.change(lambda _: path.write_text(f"{key}\n") > 0, lambda body: body)
        accepted = await provider.perform(BENCH.action(0), UnsharedLease())
        path.write_text("wrong-key\n")
        again = await provider.perform(BENCH.action(1), UnsharedLease())
        await provider.close()
    assert [each.code for each in (refused, accepted, again)] == [Code.UNAUTHORIZED, Code.OK, Code.UNAUTHORIZED]


def test_a_secret_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path) -> None:
    secrets = {"WAYBILL_FLEXE_WEBHOOK_SECRET_FILE": str(tmp_path / "none")}
    with pytest.raises(SettingError, match=f"WAYBILL_FLEXE_WEBHOOK_SECRET_FILE={tmp_path}/none: is no file"):
        registry.open_all({**HOUSE, **secrets})
