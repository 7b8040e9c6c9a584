"""Targets about providers: their replies as the real clients read them, the codings of bodies, headers, webhooks."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import httpx
from standardwebhooks import Webhook

from app.agents.pulled import Pulled
from app.errors import ProviderError
from app.providers import failures
from app.providers.bigcommerce import webhook as bigcommerce_webhook
from app.providers.bigcommerce.client import BigCommerce
from app.providers.flexe import webhook as flexe_webhook
from app.providers.flexe.client import Flexe
from app.providers.fno.client import Fno
from app.providers.http import OpenHttp, Timeouts, open_client
from app.providers.http_body import ReplyBody
from app.providers.http_messages import MalformedReplyError
from app.providers.port import Page, Provider, Result, UnsharedLease
from app.providers.sap import webhook as sap_webhook
from app.providers.sap.client import Sap
from app.providers.webhooks import WebhookRefusedError, verify
from app.sandbox.vendors.bigcommerce import BigCommerceSimulator
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from app.sandbox.vendors.sap import SapSimulator
from tests.fuzz.records import CODEC, SPLIT
from tests.fuzz.target import Target, check_sentence, chosen, parts_of
from tests.providers.bench import bench_of
from tests.providers.bigcommerce import test_webhook as bigcommerce_samples
from tests.providers.bigcommerce.bench import FIRST_ID
from tests.providers.bigcommerce.wire_orders import a_wire_order
from tests.providers.flexe import test_webhook as flexe_samples
from tests.providers.flexe.simulated_flexe import SECRET as FLEXE_SECRET
from tests.providers.flexe.simulated_flexe import SETTINGS as FLEXE_SETTINGS
from tests.providers.fno.bench import STATUS_AT
from tests.providers.sap import test_webhook as sap_samples
from tests.providers.sap.orders import AREA, PASSWORD, USER

BASE = "https://provider.example"
STATUSES = (200, 201, 204, 400, 401, 403, 404, 409, 412, 422, 429, 500, 503)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"date": "Tue, 05 Mar 2019 21:40:11 GMT", "x-csrf-token": "token"},
    {"retry-after": "2", "x-rate-limit-requests-left": "0", "x-rate-limit-time-reset-ms": "10"},
    {"etag": 'W/"1"', "x-csrf-token": "required"},
)
REQUESTS_MAX = 2000
"""Calls of one pull or action on end: pages and batches have limits, and so has what a reply may lead to."""


async def _no_sleep(_seconds: float) -> None:
    return


def clients(base: Mapping[str, str], open_http: OpenHttp) -> dict[str, Callable[[], Provider]]:
    """The real clients. `base` has the address of each."""
    fno, sap, flexe, shop = (base[name] for name in ("fno", "sap", "flexe", "bigcommerce"))
    return {
        "fno": lambda: Fno(
            fno,
            f"{fno}/token",
            "simulated-client",
            lambda: "simulated-fno-secret",
            status_field=STATUS_AT,
            open_http=open_http,
        ),
        "sap": lambda: Sap(sap, USER, lambda: PASSWORD, AREA, open_http=open_http),
        "flexe": lambda: Flexe(flexe, lambda: "simulated-flexe-key", "simulated-owner", open_http=open_http),
        "bigcommerce": lambda: BigCommerce(
            shop, "demo", lambda: "simulated-bigcommerce-token", sleep=_no_sleep, open_http=open_http
        ),
    }


ACTIONS = ("perform", "perform again", "pull")


async def ask(provider: Provider, choice: int) -> None:
    """Carry out an action, or pull. Raises what neither may."""
    action = ACTIONS[choice % len(ACTIONS)]
    if action == "pull" and hasattr(provider, "pull"):
        await _pull(provider, await _pull(provider, None))
    else:
        repeated = action == "perform again"
        result = await provider.perform(bench_of(provider.name).action(0, repeated=repeated), UnsharedLease())
        assert isinstance(result, Result)
        check_sentence(result.detail)


async def _pull(provider: Any, cursor: str | None) -> str | None:
    """Pull once and return the new cursor: one that came from hostile replies must not end the next pull."""
    try:
        page = await provider.pull(cursor)
    except ProviderError as problem:
        check_sentence(str(problem))
        return cursor
    assert isinstance(page, Page)
    for refused in page.refused:
        check_sentence(refused.reason)
    for output in PULLED.written("source", page):
        assert output.value is not None
    return page.cursor


# ---- replies of the fuzzer ----


class _Answers(httpx.AsyncBaseTransport):
    """Answers each request with the next part of the input, the last one for ever."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts, self._asked = parts, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._asked += 1
        assert self._asked < REQUESTS_MAX, f"{self._asked} requests"
        if request.url.path.endswith("/token"):
            return _response(200, {}, b'{"access_token": "t", "expires_in": 3599}')
        kind, body = parts_of(self._parts.pop(0) if len(self._parts) > 1 else self._parts[0])
        status, headers = STATUSES[kind % len(STATUSES)], HEADERS[kind // len(STATUSES) % len(HEADERS)]
        return _response(status, headers, body)


def _response(status: int, headers: Mapping[str, str], body: bytes) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


def answered_by(name: str) -> Callable[[bytes], None]:
    """Return what runs a provider's client on replies from an input: the action, then replies between SPLIT."""

    def run(data: bytes) -> None:
        choice, rest = parts_of(data)
        replies = _Answers(rest.split(SPLIT))

        def open_http(_timeouts: Timeouts) -> httpx.AsyncClient:
            return httpx.AsyncClient(transport=replies, timeout=None, trust_env=False)

        asyncio.run(_asked(clients(dict.fromkeys(NAMES, BASE), open_http)[name], choice))

    return run


async def _asked(open_client_of: Callable[[], Provider], choice: int) -> None:
    provider = open_client_of()
    try:
        await ask(provider, choice)
    finally:
        await provider.close()


# ---- replies of the simulators, to begin with ----


class _Recording(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport, replies: list[bytes]) -> None:
        self._inner, self._replies = inner, replies

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        try:
            body = await _whole(response.aiter_raw())
        finally:
            await response.aclose()
        if not request.url.path.endswith("/token"):
            headers = 1 if "x-csrf-token" in response.headers else 3 if "etag" in response.headers else 0
            self._replies.append(chosen(STATUSES.index(response.status_code) + len(STATUSES) * headers, body))
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _whole(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def _record(name: str, choice: int, before: Callable[[Simulators, Provider], Awaitable[None]]) -> bytes:
    """Return the input that is answered as the simulator answers."""
    replies: list[bytes] = []

    def open_http(timeouts: Timeouts) -> httpx.AsyncClient:
        client = open_client(timeouts)
        client.headers["accept-encoding"] = "identity"
        client._transport = _Recording(client._transport, replies)
        return client

    async with serve(SimulatorOptions()) as simulators:
        await _seed(name, simulators)
        base = {each: f"{simulators.base_url}/{each}" for each in NAMES}
        provider = clients(base, open_http)[name]()
        await before(simulators, provider)
        replies.clear()
        await ask(provider, choice)
        await provider.close()
    return chosen(choice, SPLIT.join(replies[:8]))


async def _seed(name: str, simulators: Simulators) -> None:
    if name == "bigcommerce":
        simulators.of(BigCommerceSimulator).orders.seed([a_wire_order(FIRST_ID)], touch=False)
    else:
        await bench_of(name).seed(simulators)


async def _nothing(_simulators: Simulators, _provider: Provider) -> None:
    return


async def _bill(simulators: Simulators, provider: Provider) -> None:
    await provider.perform(bench_of("sap").action(0), UnsharedLease())
    sap = simulators.of(SapSimulator)
    for order in list(sap.orders.by_number.values()):
        sap.orders.post(sap.progression.bill(order, {}))


@cache
def recorded(name: str) -> tuple[bytes, ...]:
    """Return inputs with a simulator's own replies."""
    choices = (0, 1, 2) if name in ("bigcommerce", "sap") else (0, 1)

    async def record() -> tuple[bytes, ...]:
        return tuple([await _record(name, each, _bill if (name, each) == ("sap", 2) else _nothing) for each in choices])

    return asyncio.run(record())


# ---- bodies, headers, webhooks ----


def run_bodies(data: bytes) -> None:
    """A packed body in pieces. No more is kept than the limit, whatever comes."""
    choice, body = parts_of(data)
    codings = (["gzip"], ["deflate"], ["x-gzip", "identity"], ["gzip", "gzip"], [])[choice % 5]
    step = 1 + choice // 5
    try:
        kept = ReplyBody(codings, BODY_MAX)
        for start in range(0, len(body), step):
            kept.add(body[start : start + step])
        assert len(kept.whole()) <= BODY_MAX
    except MalformedReplyError as problem:
        check_sentence(str(problem))


BODY_MAX = 100_000


def run_waits(data: bytes) -> None:
    texts = [part.decode("latin-1") for part in data.split(SPLIT)]
    headers = dict(zip(("retry-after", "date", "x-retry-after", "x-rate-limit-time-reset-ms"), texts, strict=False))
    assert 0 <= failures.retry_after_ms(headers) <= failures.RETRY_AFTER_MAX_MS
    assert 0 <= failures.throttled_ms(headers) <= failures.RETRY_AFTER_MAX_MS


def run_webhooks(data: bytes) -> None:
    """A body that is signed as its sender would, whatever it says."""
    choice, body = parts_of(data)
    receive, headers, settings = _signed(choice, body)
    try:
        receive(headers, body, settings, float(flexe_samples.NOW))
    except WebhookRefusedError as refusal:
        check_sentence(refusal.detail)
        status = refusal.status
    else:
        status = 200
    assert status in (200, 400, 401)


def _signed(choice: int, body: bytes) -> tuple[Callable[..., object], dict[str, str], Mapping[str, str]]:
    now = flexe_samples.NOW
    match choice % 3:
        case 0:
            at = datetime.fromtimestamp(now, UTC)
            signature = Webhook(FLEXE_SECRET).sign("msg_1", at, body.decode("utf-8", "replace"))
            headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature}
            return flexe_webhook.receive, headers, FLEXE_SETTINGS
        case 1:
            signed = bigcommerce_samples.signed(body, at=now)
            return bigcommerce_webhook.receive, signed, bigcommerce_samples.SETTINGS
        case _:
            return sap_webhook.receive, sap_samples.KNOWN, sap_samples.SETTINGS


def run_signatures(data: bytes) -> None:
    """Nobody without the secret is believed, whatever the headers are."""
    *texts, body = data.split(SPLIT)
    headers = dict(zip(("webhook-id", "webhook-timestamp", "webhook-signature"), map(_as_header, texts), strict=False))
    try:
        verify(headers, body, FLEXE_SECRET, float(flexe_samples.NOW))
    except WebhookRefusedError as refusal:
        check_sentence(refusal.detail)
    else:
        raise AssertionError(f"believed {headers}")


def _as_header(text: bytes) -> str:
    """As aiohttp hands a header over."""
    return text.decode("utf-8", "surrogateescape")


def _json(document: Any) -> bytes:
    return httpx.Request("POST", BASE, json=document).content


NAMES = ("fno", "sap", "flexe", "bigcommerce")
PULLED = Pulled(CODEC, 4, 1)


def _body_seeds() -> tuple[bytes, ...]:
    return (chosen(5, zlib.compress(b"{}" * 400, wbits=31)), chosen(1, zlib.compress(b"{}" * 90)), chosen(4, b"{}"))


def _wait_seeds() -> tuple[bytes, ...]:
    date = b"Tue, 05 Mar 2019 21:40:31 GMT"
    return (SPLIT.join((date, date, b"7", b"7")), b"7")


def _webhook_seeds() -> tuple[bytes, ...]:
    return (
        chosen(0, _json(flexe_samples.SHIPPED)),
        chosen(1, _json(bigcommerce_samples.CREATED)),
        chosen(2, _json(sap_samples.CAPTURED)),
    )


def _signature_seeds() -> tuple[bytes, ...]:
    return (SPLIT.join((b"msg_1", str(flexe_samples.NOW).encode(), b"v1,AAAA v1,BBBB", b"{}")),)


TARGETS = (
    *(Target(f"{name}-replies", answered_by(name), partial(recorded, name)) for name in NAMES),
    Target("reply-bodies", run_bodies, _body_seeds),
    Target("waits", run_waits, _wait_seeds),
    Target("webhooks", run_webhooks, _webhook_seeds),
    Target("signatures", run_signatures, _signature_seeds),
)
