"""Who may ask for what: by the address that a worker listens on, the token, and the `Host` of the request."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from app.errors import SettingError
from app.events.codec import load
from app.secrets import Secret
from app.settings import Settings
from app.worker import http_views
from app.worker.http_access import HttpAccess
from app.worker.listening import is_loopback, listen
from tests.worker.test_http_views import Client, Ledger, Nobody

TOKEN = "0123456789abcdef0123456789abcdef"
OPEN = (("GET", "/health"), ("GET", "/ready"), ("GET", "/metrics"), ("POST", "/webhooks/nobody"))
CLOSED = (
    ("GET", "/orders/bc-shop-1"),
    ("GET", "/orders/bc-shop-9"),
    ("GET", "/subjects"),
    ("POST", "/subjects/order-status-value"),
    ("GET", "/"),
    ("GET", "/webhooks/../orders/bc-shop-1"),
    ("GET", "/webhooks"),
    ("GET", "/health/../orders/bc-shop-1"),
    ("GET", "/%6frders/bc-shop-1"),
)


@asynccontextmanager
async def guarded(
    token: str | Path | None, *, on_loopback: bool, refused: Counter[str] | None = None
) -> AsyncIterator[Client]:
    causes = Counter[str]() if refused is None else refused

    def count(cause: str) -> None:
        causes[cause] += 1

    name = "WAYBILL_WEB_TOKEN_FILE" if isinstance(token, Path) else "WAYBILL_WEB_TOKEN"
    secret = Secret("WAYBILL_WEB_TOKEN", {} if token is None else {name: str(token)})
    application = web.Application(middlewares=[HttpAccess(secret, on_loopback=on_loopback, count=count).check])
    http_views.register(application, load().schemas, CollectorRegistry(), (), Ledger().find, Nobody())
    async with TestClient(TestServer(application)) as client:
        yield client


async def status(client: Client, method: str, path: str, headers: Mapping[str, str] | None = None) -> int:
    async with client.request(method, path, headers=headers) as answer:
        return answer.status


async def test_a_worker_of_this_machine_alone_shows_everything_without_a_token() -> None:
    async with guarded(None, on_loopback=True) as client:
        assert await status(client, "GET", "/orders/bc-shop-1") == 200
        assert await status(client, "GET", "/subjects") == 200
        assert await status(client, "GET", "/") == 404


@pytest.mark.parametrize("on_loopback", [True, False])
async def test_with_a_token_it_is_needed_for_all_but_what_shows_no_order(*, on_loopback: bool) -> None:
    refused = Counter[str]()
    async with guarded(TOKEN, on_loopback=on_loopback, refused=refused) as client:
        for method, path in OPEN:
            assert await status(client, method, path) in (200, 404)
        for method, path in CLOSED:
            assert await status(client, method, path) == 401
        assert refused == {"bad_token": len(CLOSED)}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert await status(client, "GET", "/orders/bc-shop-1", headers) == 200
        assert await status(client, "GET", "/subjects", headers) == 200
        assert await status(client, "GET", "/", headers) == 404


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer \udcff"],
)
async def test_what_is_not_the_token_is_refused_with_the_fix(authorization: str) -> None:
    headers = {"Authorization": authorization}
    async with (
        guarded(TOKEN, on_loopback=False) as client,
        client.get("/orders/bc-shop-1", headers=headers) as answer,
    ):
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "WAYBILL_WEB_TOKEN" in (await answer.json())["error"]


async def test_a_token_is_replaced_without_a_restart(tmp_path: Path) -> None:
    file, another = tmp_path / "token", TOKEN[::-1]

    async def accepted(client: Client) -> list[int]:
        asked = [{"Authorization": f"Bearer {token}"} for token in (TOKEN, another)]
        return [await status(client, "GET", "/orders/bc-shop-1", headers) for headers in asked]

    file.write_text(TOKEN)
    async with guarded(file, on_loopback=False) as client:
        assert await accepted(client) == [200, 401]
        file.write_text(f"{another}\n{TOKEN}\n")
        assert await accepted(client) == [200, 200]
        file.write_text(another)
        assert await accepted(client) == [401, 200]
    file.unlink()
    with pytest.raises(SettingError, match="WAYBILL_WEB_TOKEN_FILE"):
        async with guarded(file, on_loopback=False):
            pass


async def test_where_others_reach_it_and_no_token_is_set_no_order_is_shown() -> None:
    refused = Counter[str]()
    async with guarded(None, on_loopback=False, refused=refused) as client:
        for method, path in OPEN:
            assert await status(client, method, path) in (200, 404)
        for method, path in CLOSED:
            assert await status(client, method, path, {"Authorization": "Bearer None"}) == 403
        assert refused == {"no_token_set": len(CLOSED)}


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("LocalHost:6066", True),
        ("127.0.0.1:6066", True),
        ("127.1.2.3", True),
        ("[::1]:6066", True),
        ("orders.example", False),
        ("localhost.orders.example", False),
        ("127.0.0.1.orders.example:6066", False),
        ("localhost:6066@orders.example", False),
        ("192.0.2.1", False),
        ("", False),
    ],
)
async def test_a_worker_of_this_machine_alone_is_asked_for_by_its_name(host: str, *, is_ours: bool) -> None:
    refused = Counter[str]()
    async with guarded(None, on_loopback=True, refused=refused) as client:
        for path in ("/orders/bc-shop-1", "/health"):
            assert await status(client, "GET", path, {"Host": host}) == (200 if is_ours else 421)
        assert refused == ({} if is_ours else {"foreign_host": 2})
    async with guarded(TOKEN, on_loopback=False) as client:
        assert await status(client, "GET", "/health", {"Host": host}) == 200


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("::", False)])
def test_which_addresses_other_machines_reach(host: str, *, expected: bool) -> None:
    with listen(Settings.from_env({"WAYBILL_WEB_HOST": host, "WAYBILL_WEB_PORT": "0"})) as listening:
        assert is_loopback(listening) is expected
