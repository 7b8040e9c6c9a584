"""The contract of a provider, as numbered cards: the real client against the real simulator, over real sockets.

Every folder below app/providers with a client is held to it; contract_manifest.py has the cards of what it says of
itself. A card is skipped only when the manifest exempts the provider from the
capability that the card is about, with a reason.
"""

import asyncio
import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

import httpx
import pytest

from app.providers.breaker import CALLS_MIN, OPEN_S
from app.providers.http import BODY_BYTES_MAX, Timeouts
from app.providers.manifest import Manifest
from app.providers.port import (
    Action,
    CallFailedError,
    Code,
    LeaseLostError,
    OrderFinder,
    Outcome,
    Provider,
    PullSource,
    Result,
    UnsharedLease,
)
from app.sandbox.vendors.host import Simulators
from tests.providers import echo
from tests.providers.bench import HASTY, PATIENT, Bench, Clock, Lapsing, closed_port
from tests.providers.look_alike_ids import LOOK_ALIKES
from tests.providers.recording_proxy import RecordingProxy

ALWAYS = UnsharedLease()
CODES = [
    (400, Code.INVALID),
    (403, Code.FORBIDDEN),
    (404, Code.NOT_FOUND),
    (405, Code.UNSUPPORTED),
    (409, Code.CONFLICT),
    (413, Code.INVALID),
    (415, Code.UNSUPPORTED),
    (418, Code.INVALID),
    (422, Code.INVALID),
    (302, Code.UNSUPPORTED),
]

MALFORMED = {
    "empty": b"", "html": b"<html>", "array": b"[1]", "text": b'"text"', "object": b'{"value": 3}',
    "bytes": b"\xff\xfe", "nan": b'{"a": NaN}', "deep": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep for some": b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}", "huge": b'{"a": 1e999999999}',
    "larger": b'{"a": 1e99999999999999999999}', "long": b'{"a": 0.' + b"1" * 1_000_000 + b"}",
}  # fmt: skip
"""Bodies that are no reply, by what is wrong with them."""

ECHOES = [
    *((400, form) for form in echo.FORMS),
    *((status, "plain") for status in (200, 302, 404, 409, 500, 401)),
]
"""Status and form of replies that say again what was sent."""
TEXTS_CHANGED = 24
"""So many texts of a good reply are replaced by a secret, one at a time."""


@dataclass
class Stage:
    """One provider before the simulators, with a wire in between that can misbehave."""

    bench: Bench
    manifest: Manifest
    simulators: Simulators
    proxy: RecordingProxy
    clock: Clock
    provider: Provider

    async def perform(self, order: int = 0, *, repeated: bool = False) -> Result:
        return await self.provider.perform(self.bench.action(order, repeated=repeated), ALWAYS)

    def effects(self, order: int = 0) -> Sequence[str]:
        return self.bench.effects(self.simulators, order)

    def opened(self, base_url: str, timeouts: Timeouts = PATIENT) -> Provider:
        return self.bench.open(base_url, timeouts, self.clock)

    async def limits(self, quota: int) -> None:
        """How many calls in a minute the simulator takes from now on."""
        body = {"provider": self.manifest.name, "quota": quota, "window_ms": 60_000}
        async with httpx.AsyncClient() as client:
            (await client.post(f"{self.simulators.base_url}/_sim/limits", json=body)).raise_for_status()

    def needs(self, capability: str) -> None:
        """Skips the card when the manifest says why; fails when it says nothing."""
        if capability not in self.manifest.capabilities:
            reason = self.manifest.exemptions.get(capability)
            assert reason, f"{self.manifest.name}: neither a capability nor an exemption {capability!r}"
            pytest.skip(f"{self.manifest.name}: {reason}")


class ProviderContract:
    """`stage` is a fixture, parametrised over the folders."""

    async def test_pc_010_an_action_has_its_result(self, stage: Stage) -> None:
        result = await stage.perform()
        assert (result.outcome, result.code) == (Outcome.OK, Code.OK), result
        assert result.reference == stage.bench.reference(stage.simulators, 0)
        assert stage.effects() == stage.bench.one_effect()

    @pytest.mark.parametrize("repeated", [True, False])
    async def test_pc_020_the_same_key_twice_has_one_effect(self, stage: Stage, repeated: bool) -> None:
        first = await stage.perform()
        second = await stage.perform(repeated=repeated)
        assert second.outcome is Outcome.OK
        assert second.reference == first.reference
        assert stage.effects() == stage.bench.one_effect()

    async def test_pc_025_orders_are_never_taken_for_one_another(self, stage: Stage) -> None:
        bench = stage.bench
        references: dict[str, str] = {}
        for repeated in (False, True):
            for order_id in LOOK_ALIKES:
                result = await stage.provider.perform(bench.action_for(order_id, repeated=repeated), ALWAYS)
                assert (result.outcome is Outcome.OK) is bench.accepts(order_id), (order_id, result)
                if result.outcome is Outcome.OK:
                    assert references.setdefault(order_id, result.reference) == result.reference, order_id
                else:
                    assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID), (order_id, result)
                    assert result.detail
        assert len(set(references.values())) == len(references)
        effects = {order_id: list(bench.effects_of(stage.simulators, order_id)) for order_id in LOOK_ALIKES}
        assert effects == {name: list(bench.one_effect()) if bench.accepts(name) else [] for name in LOOK_ALIKES}

    async def test_pc_026_what_was_sent_is_found_by_reading_alone(self, stage: Stage) -> None:
        finder = stage.provider
        if not isinstance(finder, OrderFinder):
            pytest.skip("it makes no orders, or cannot be asked for them")
        sent: dict[str, list[str]] = {}
        for order_id in LOOK_ALIKES:
            assert await finder.find_references(order_id) == [], order_id
            result = await finder.perform(stage.bench.action_for(order_id), ALWAYS)
            sent[order_id] = [result.reference] if result.outcome is Outcome.OK else []
        assert {order_id: list(await finder.find_references(order_id)) for order_id in LOOK_ALIKES} == sent
        for order_id, references in sent.items():
            assert list(stage.bench.effects_of(stage.simulators, order_id)) == list(
                stage.bench.one_effect() if references else []
            )

    async def test_pc_030_a_refused_connection_may_be_repeated(self, stage: Stage) -> None:
        provider = stage.opened(f"http://127.0.0.1:{closed_port()}")
        result = await provider.perform(stage.bench.action(0), ALWAYS)
        await provider.close()
        assert (result.outcome, result.code) == (Outcome.RETRY, Code.UNAVAILABLE), result
        assert result.outcome is Outcome.RETRY

    async def test_pc_031_an_unknown_host_may_be_repeated(self, stage: Stage) -> None:
        provider = stage.opened("https://nobody.invalid")
        result = await provider.perform(stage.bench.action(0), ALWAYS)
        await provider.close()
        assert result.outcome is Outcome.RETRY, result

    @pytest.mark.parametrize("trouble", ["hang", "cut"])
    async def test_pc_040_a_lost_reply_is_unknown_and_then_found(self, stage: Stage, trouble: str) -> None:
        hasty = stage.opened(stage.proxy.url, HASTY)
        getattr(stage.proxy, trouble)(stage.bench.write)
        result = await hasty.perform(stage.bench.action(0), ALWAYS)
        await hasty.close()
        code = Code.TIMEOUT if trouble == "hang" else Code.UNAVAILABLE
        assert (result.outcome, result.code) == (Outcome.UNKNOWN, code), result
        assert result.outcome in (Outcome.OK, Outcome.UNKNOWN)
        assert (await stage.perform(repeated=True)).outcome is Outcome.OK
        assert stage.effects() == stage.bench.one_effect()

    @pytest.mark.parametrize("trouble", ["hang", "cut"])
    async def test_pc_041_a_lost_look_may_be_repeated(self, stage: Stage, trouble: str) -> None:
        hasty = stage.opened(stage.proxy.url, HASTY)
        getattr(stage.proxy, trouble)(stage.bench.look)
        result = await hasty.perform(stage.bench.action(0, repeated=True), ALWAYS)
        await hasty.close()
        assert result.outcome is Outcome.RETRY, result
        assert (await stage.perform(repeated=True)).outcome is Outcome.OK
        assert stage.effects() == stage.bench.one_effect()

    async def test_pc_042_what_never_happened_is_done_by_the_repeat(self, stage: Stage) -> None:
        stage.proxy.cut(stage.bench.write, forward=False)
        assert (await stage.perform()).outcome is Outcome.UNKNOWN
        assert (await stage.perform(repeated=True)).outcome is Outcome.OK
        assert stage.effects() == stage.bench.one_effect()

    async def test_pc_050_429_is_honoured(self, stage: Stage) -> None:
        stage.proxy.answer(stage.bench.write, 429, headers={"Retry-After": "7", "X-Retry-After": "3"})
        result = await stage.perform()
        assert (result.outcome, result.code) == (Outcome.RETRY, Code.RATE_LIMITED), result
        assert result.retry_after_ms == 7000
        calls = len(stage.proxy.calls)
        early = await stage.perform()
        assert (early.code, len(stage.proxy.calls)) == (Code.RATE_LIMITED, calls), "nothing is sent before its time"
        stage.clock.now += 7
        assert (await stage.perform()).outcome is Outcome.OK
        assert stage.effects() == stage.bench.one_effect()

    async def test_pc_051_429_without_a_time_still_pauses(self, stage: Stage) -> None:
        stage.proxy.answer(stage.bench.write, 429)
        result = await stage.perform()
        assert (result.code, result.retry_after_ms >= 5000) == (Code.RATE_LIMITED, True)

    async def test_pc_052_the_limit_of_the_provider_itself_is_met_and_kept(self, stage: Stage) -> None:
        stage.needs("rate limits")
        await stage.perform(6)
        await stage.limits(0)
        result = await stage.perform()
        assert (result.outcome, result.code) == (Outcome.RETRY, Code.RATE_LIMITED), result
        assert result.retry_after_ms > 0
        assert stage.effects() == []
        await stage.limits(100_000)
        stage.clock.now += result.retry_after_ms / 1000
        assert (await stage.perform()).outcome is Outcome.OK
        assert stage.effects() == stage.bench.one_effect()

    @pytest.mark.parametrize(("status", "code"), CODES)
    async def test_pc_060_refusals_have_a_closed_code(self, stage: Stage, status: int, code: Code) -> None:
        stage.proxy.answer(
            stage.bench.write, status, b'{"message": "because"}', {"Location": "http://elsewhere.invalid/"}
        )
        result = await stage.perform()
        assert (result.outcome, result.code) == (Outcome.DECLINED, code), result
        assert "because" in result.detail

    async def test_pc_061_refused_credentials_are_said_so(self, stage: Stage) -> None:
        for _ in range(2):
            stage.proxy.answer(stage.bench.write, 401)
        result = await stage.perform()
        assert (result.outcome, result.code) == (Outcome.DECLINED, Code.UNAUTHORIZED), result

    async def test_pc_065_a_server_error_on_a_creation_is_unknown(self, stage: Stage) -> None:
        stage.needs("creates")
        stage.proxy.answer(stage.bench.write, 500)
        result = await stage.perform()
        assert (result.outcome, result.code) == (Outcome.UNKNOWN, Code.UNAVAILABLE), result
        assert (await stage.perform(repeated=True)).outcome is Outcome.OK
        assert stage.effects() == stage.bench.one_effect()

    async def test_pc_066_a_server_error_on_a_look_may_be_repeated(self, stage: Stage) -> None:
        stage.proxy.answer(stage.bench.look, 503, headers={"Retry-After": "2"})
        result = await stage.perform(repeated=True)
        assert (result.outcome, result.retry_after_ms) == (Outcome.RETRY, 2000), result

    @pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
    async def test_pc_070_a_malformed_reply_never_crashes(self, stage: Stage, body: bytes) -> None:
        stage.proxy.garble(stage.bench.write, body)
        written = await stage.perform()
        assert (written.outcome, written.code) == (Outcome.UNKNOWN, Code.MALFORMED), written
        stage.proxy.garble(stage.bench.look, body)
        read = await stage.perform(repeated=True)
        assert (read.outcome, read.code) == (Outcome.RETRY, Code.MALFORMED), read
        assert (await stage.perform(repeated=True)).outcome is Outcome.OK
        assert stage.effects() == stage.bench.one_effect()

    async def test_pc_071_a_reply_without_end_is_cut_off(self, stage: Stage) -> None:
        stage.proxy.answer(stage.bench.look, 200, b" " * (BODY_BYTES_MAX + 1))
        result = await stage.perform(repeated=True)
        assert (result.outcome, result.code) == (Outcome.RETRY, Code.MALFORMED), result

    async def test_pc_080_unknown_enums_and_fields_are_tolerated(self, stage: Stage) -> None:
        await stage.perform()
        stage.proxy.change(stage.bench.look, stage.bench.strange)
        assert (await stage.perform(repeated=True)).outcome is Outcome.OK
        assert stage.effects() == stage.bench.one_effect()

    async def test_pc_090_secrets_are_never_shown(self, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        await stage.perform(1)
        shown = [repr(stage.provider), repr(vars(stage.provider)), repr(vars(stage.provider).values())]
        for status, form in ECHOES:
            requests = stage.proxy.calls[-6:]
            for line in echo.lines_with(echo.secrets_in(requests), requests):
                text = echo.FORMS[form](line)
                headers = {"location": f"https://elsewhere.example/?{quote(text)}", "etag": '"1"'}
                for body in echo.bodies(text):
                    stage.proxy.answer(lambda _: True, status, body, headers)
                    shown.append(repr(await stage.perform(2, repeated=True)))
                    stage.clock.now += OPEN_S
                stage.proxy.forget()
        for which in (stage.bench.look, stage.bench.write):
            for number in range(TEXTS_CHANGED):
                line = " ".join(echo.secrets_in(stage.proxy.calls[-6:]))
                stage.proxy.change(which, echo.with_text(line, number))
                shown.append(repr(await stage.perform(3, repeated=which is stage.bench.look)))
                stage.proxy.forget()
        secrets = echo.secrets_in(stage.proxy.calls)
        assert stage.bench.secret in secrets
        assert any("***" in text for text in shown), "the echo was heard and redacted"
        assert not echo.revealed((*shown, caplog.text), secrets)

    async def test_pc_091_secrets_are_in_nothing_that_is_pulled(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        stage.needs("pull")
        caplog.set_level(logging.DEBUG)
        source = cast(PullSource, stage.provider)
        await source.pull(None)
        shown = []
        for number in range(0, TEXTS_CHANGED, 8):
            secrets = echo.secrets_in(stage.proxy.calls)
            change = echo.with_text(" ".join(secrets), number)
            stage.proxy.change(lambda request: request.method == "GET", change)
            try:
                shown.append(repr(await source.pull(None)))
            except CallFailedError as failure:
                shown += echo.chain(failure)
            stage.clock.now += OPEN_S
        assert not echo.revealed((*shown, caplog.text), secrets)

    async def test_pc_120_amounts_are_exact(self, stage: Stage) -> None:
        amounts = await stage.bench.amounts(stage.provider, stage.simulators)
        assert amounts
        assert [held for held, _ in amounts] == [wanted for _, wanted in amounts]

    async def test_pc_130_close_frees_every_socket(self, stage: Stage) -> None:
        provider = stage.opened(stage.proxy.url)
        before = stage.proxy.sockets
        assert (await provider.perform(stage.bench.action(3), ALWAYS)).outcome is Outcome.OK
        assert stage.proxy.sockets > before
        await provider.close()
        for _ in range(2000):
            if stage.proxy.sockets == before:
                break
            await asyncio.sleep(0.01)
        assert stage.proxy.sockets == before
        del provider
        gc.collect()

    async def test_pc_150_nothing_is_sent_without_the_lease(self, stage: Stage) -> None:
        calls = len(stage.proxy.calls)
        with pytest.raises(LeaseLostError):
            await stage.provider.perform(stage.bench.action(4), Lapsing(0))
        assert len(stage.proxy.calls) == calls
        assert stage.effects(4) == []

    async def test_pc_151_a_lease_lost_half_way_leaves_what_a_repeat_completes(self, stage: Stage) -> None:
        done = False
        for answers in range(1, 40):
            try:
                await stage.provider.perform(stage.bench.action(5, repeated=answers > 1), Lapsing(answers))
            except LeaseLostError:
                continue
            done = True
            break
        assert done
        assert stage.effects(5) == stage.bench.one_effect()

    async def test_pc_160_an_ill_provider_costs_nothing(self, stage: Stage) -> None:
        for order in range(CALLS_MIN + 10):
            stage.proxy.answer(stage.bench.look, 503)
            await stage.perform(order, repeated=True)
        calls = len(stage.proxy.calls)
        result = await stage.perform()
        assert (result.outcome, result.code) == (Outcome.RETRY, Code.CIRCUIT_OPEN), result
        assert 0 < result.retry_after_ms <= OPEN_S * 1000
        assert len(stage.proxy.calls) == calls
        stage.clock.now += OPEN_S
        stage.proxy.forget()
        assert (await stage.perform()).outcome is Outcome.OK

    async def test_pc_170_a_foreign_action_is_declined(self, stage: Stage) -> None:
        calls = len(stage.proxy.calls)
        foreign: Action = stage.bench.foreign_action()
        result = await stage.provider.perform(foreign, ALWAYS)
        assert (result.outcome, result.code) == (Outcome.DECLINED, Code.UNSUPPORTED), result
        assert len(stage.proxy.calls) == calls
