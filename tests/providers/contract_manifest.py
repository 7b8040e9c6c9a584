"""The cards of what a provider says of itself: its manifest is the code, and each capability is there or exempted."""

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from app.domain.lifecycle import TRANSITIONS
from app.errors import ProviderError
from app.events.catalog import RECORDS
from app.providers import registry
from app.providers.manifest import Manifest
from app.providers.port import CallFailedError, Outcome, Provider, PullSource
from app.providers.webhooks import RefusalCode, WebhookRefusedError
from tests.providers.bench import brought
from tests.providers.contract import ALWAYS, Stage

REPORTED = {event for _, event in TRANSITIONS} | {"order created", "order changed"}
"""What a provider may report: events of the life of an order."""
CAPABILITIES = {"creates", "pull", "rate limits", "webhooks"}
"""What cards are skipped for. Each is declared, or exempted with a reason."""
REASON_WORDS_MIN = 4
NOW_S = 1_769_860_800.0
BODIES = [b"", b"{", b"[1]", b'"text"', b'{"type": 3}', b"\xff\xfe", b'{"specversion": "1.0"}']


class Read(Mapping[str, str]):
    """Settings that remember which of them were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values, self.names = values, set[str]()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def module(manifest: Manifest, name: str) -> Any:
    return importlib.import_module(f"app.providers.{manifest.name}.{name}")


def settings(stage: Stage) -> dict[str, str]:
    """As the simulators' environment has them; added providers say there only what is theirs to say."""
    given = stage.simulators.environ()
    told = {setting.name: given.get(stage.manifest.variable(setting.name), "") for setting in stage.manifest.settings}
    spare = {"BASE_URL": f"{stage.proxy.url}/{stage.manifest.name}", "WEBHOOK_SECRET": "whsec_c2VjcmV0LXNlY3JldA=="}
    return {name: value or spare.get(name, f"any-{name.lower()}") for name, value in told.items()}


class ManifestContract:
    """`stage` is a fixture, parametrised over the folders."""

    async def test_pc_100_a_pull_can_be_repeated(self, stage: Stage) -> None:
        stage.needs(registry.PULL)
        source = cast(PullSource, stage.provider)
        first = await source.pull(None)
        again = await source.pull(None)
        assert brought(again) == brought(first)
        assert brought(await source.pull(again.cursor)) == brought(await source.pull(first.cursor))
        for cursor in ("{", "[]"):
            with pytest.raises(ProviderError):
                await source.pull(cursor)

    @pytest.mark.parametrize("body", [b"<html>", b"{", b"[1]", b'{"value": 3}', b"\xff\xfe"])
    async def test_pc_101_a_malformed_page_moves_nothing(self, stage: Stage, body: bytes) -> None:
        stage.needs(registry.PULL)
        source = cast(PullSource, stage.provider)
        stage.proxy.answer(lambda request: request.method == "GET", 200, body)
        with pytest.raises(CallFailedError) as failure:
            await source.pull(None)
        assert failure.value.result.outcome is Outcome.RETRY
        await source.pull(None)

    @pytest.mark.parametrize("body", BODIES)
    async def test_pc_110_a_webhook_that_is_not_proven_is_refused(self, stage: Stage, body: bytes) -> None:
        stage.needs(registry.WEBHOOKS)
        receive, told = module(stage.manifest, "webhook").receive, settings(stage)
        forged = {"Webhook-Id": "1", "Webhook-Timestamp": str(int(NOW_S)), "Webhook-Signature": "v1,Zm9yZ2Vk"}
        for headers in ({}, forged, {"Authorization": "Bearer forged"}, {"Authorization": "\udcff"}):
            with pytest.raises(WebhookRefusedError) as refusal:
                receive(headers, body, told, NOW_S)
            assert refusal.value.code in (RefusalCode.BAD_SIGNATURE, RefusalCode.MALFORMED)
            assert not [value for value in told.values() if value in refusal.value.detail]

    async def test_pc_140_the_manifest_is_the_code(self, stage: Stage) -> None:
        manifest = stage.manifest
        assert {action.name for action in manifest.actions} == module(manifest, "actions").ACTIONS
        assert stage.provider.name == manifest.name
        assert {action.event for action in manifest.actions} <= RECORDS.keys()
        assert set(manifest.events) <= REPORTED
        assert any(setting.secret for setting in manifest.settings)

    async def test_pc_141_what_it_cannot_do_it_says_with_a_reason(self, stage: Stage) -> None:
        manifest = stage.manifest
        assert manifest.capabilities.keys() | manifest.exemptions.keys() >= CAPABILITIES
        assert not manifest.capabilities.keys() & manifest.exemptions.keys()
        assert all(len(reason.split()) >= REASON_WORDS_MIN for reason in manifest.exemptions.values())

    async def test_pc_142_it_reads_every_setting_that_it_names_and_no_other(self, stage: Stage) -> None:
        read = Read(settings(stage))
        provider: Provider = module(stage.manifest, "client").open_provider(read)
        await provider.perform(stage.bench.action(0), ALWAYS)  # a secret may change: it is read when it is sent
        await provider.close()
        if registry.WEBHOOKS in stage.manifest.capabilities:
            with pytest.raises(WebhookRefusedError):
                module(stage.manifest, "webhook").receive({}, b"{}", read, NOW_S)
            with pytest.raises(WebhookRefusedError):
                module(stage.manifest, "webhook").receive(
                    {"webhook-id": "1", "webhook-timestamp": "1"}, b"{}", read, NOW_S
                )
        assert read.names == {setting.name for setting in stage.manifest.settings}

    async def test_pc_143_its_capabilities_are_code(self, stage: Stage) -> None:
        capabilities = stage.manifest.capabilities
        assert hasattr(stage.provider, "pull") is (registry.PULL in capabilities)
        found = importlib.util.find_spec(f"app.providers.{stage.manifest.name}.webhook")
        assert (found is not None) is (registry.WEBHOOKS in capabilities)

    async def test_pc_144_it_is_built_from_its_environment(self, stage: Stage) -> None:
        told, manifest = settings(stage), stage.manifest
        environ = {manifest.variable(name): value for name, value in told.items()}
        provider = registry.build(manifest.name, environ)
        try:
            secrets = [told[setting.name] for setting in manifest.settings if setting.secret]
            assert not [secret for secret in secrets if secret in repr(provider) + repr(vars(provider))]
        finally:
            await provider.close()
