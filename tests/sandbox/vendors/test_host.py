"""The host of the simulators: real sockets, two vendors on a port, faults, journal, a process that ends when told."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.errors import SettingError
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.vendors.fno import FnoOptions, FnoSimulator, MemoryRows
from app.sandbox.vendors.fno.row_outbox import RowOutbox
from app.sandbox.vendors.host import SimulatorOptions, Simulators, openers, pointed_at, serve
from app.sandbox.vendors.simulation import SCHEDULE_BURST_MAX, FaultRequest, Faults, Journal, Schedule, World
from app.sandbox.vendors.simulation_http import CONTROL_BODY_BYTES_MAX

LIVES_LIMIT_S = 90.0
"""For a thousand lives of seconds each: one after the other they would take hours."""
ORDER = {"id": 1, "products": [], "shipping_addresses": []}


@pytest.fixture
async def host() -> AsyncIterator[Simulators]:
    async with serve(SimulatorOptions()) as simulators:
        yield simulators


@pytest.fixture
async def client(host: Simulators) -> AsyncIterator[httpx.AsyncClient]:
    token = host.environ()["WAYBILL_BIGCOMMERCE_ACCESS_TOKEN"]
    async with httpx.AsyncClient(base_url=host.base_url, headers={"X-Auth-Token": token}, timeout=60) as client:
        yield client


def orders_path(host: Simulators, rest: str = "") -> str:
    return f"/bigcommerce/stores/{host.environ()['WAYBILL_BIGCOMMERCE_STORE_HASH']}/v2/orders{rest}"


async def fault(client: httpx.AsyncClient, **request: Any) -> httpx.Response:
    return await client.post("/_sim/faults", json=request)


async def test_both_vendors_answer_where_the_environment_points(host: Simulators, client: httpx.AsyncClient) -> None:
    told = host.environ()
    path = f"{told['WAYBILL_BIGCOMMERCE_BASE_URL']}/stores/{told['WAYBILL_BIGCOMMERCE_STORE_HASH']}/v2/orders"
    assert (await client.get(path)).status_code == 204
    form = {"grant_type": "client_credentials", "scope": f"{told['WAYBILL_FNO_BASE_URL']}/.default"}
    form |= {"client_id": told["WAYBILL_FNO_CLIENT_ID"], "client_secret": told["WAYBILL_FNO_CLIENT_SECRET"]}
    token = (await client.post(told["WAYBILL_FNO_TOKEN_URL"], data=form)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    path = f"{told['WAYBILL_FNO_BASE_URL']}/data/SalesOrderHeadersV4"
    assert (await client.get(path, headers=headers)).json()["value"] == []


def test_the_environment_of_the_providers_configures_the_simulators() -> None:
    names = ("WAYBILL_BIGCOMMERCE_STORE_HASH", "WAYBILL_BIGCOMMERCE_ACCESS_TOKEN")
    names += ("WAYBILL_FNO_CLIENT_ID", "WAYBILL_FNO_CLIENT_SECRET")  # type: ignore[assignment]
    environ = {name: f"my-{name}" for name in names}
    world = World()
    vendors = {name: opener(world) for name, opener in openers(environ, cluster=ClusterAccess("b:9")).items()}
    settings = pointed_at("http://127.0.0.1:1", vendors)
    assert {name: settings[name] for name in names} == environ
    assert isinstance(vendors["fno"], FnoSimulator)
    assert isinstance(vendors["fno"].rows, RowOutbox)


async def test_webhooks_go_where_a_worker_takes_them_in() -> None:
    options = SimulatorOptions(vendors=openers({}, "http://127.0.0.1:6066/webhooks/"))
    async with serve(options) as host, httpx.AsyncClient(base_url=host.base_url) as client:
        state = (await client.get("/_sim/state")).json()["providers"]
    urls = {state["flexe"]["webhooks"]["url"], state["sap"]["webhooks"]["url"]}
    assert urls == {f"http://127.0.0.1:6066/webhooks/{provider}" for provider in ("flexe", "sap")}
    assert state["bigcommerce"]["webhooks"]["hooks"] == 3


async def test_nobody_hears_webhooks_unless_a_worker_takes_them_in(client: httpx.AsyncClient) -> None:
    state = (await client.get("/_sim/state")).json()["providers"]
    assert (state["flexe"]["webhooks"]["url"], state["bigcommerce"]["webhooks"]["hooks"]) == (None, 0)


async def test_a_port_that_is_taken_is_refused(host: Simulators) -> None:
    with pytest.raises(SettingError, match=f"Port {host.port} on 127.0.0.1"):
        async with serve(SimulatorOptions(port=host.port)):
            pass


async def test_a_defect_in_the_background_ends_the_host() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def run() -> None:
        async with serve(SimulatorOptions()) as simulators:
            simulators.world.schedule.after(0, fail)
            await asyncio.Event().wait()

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(asyncio.create_task(run()), 60)


async def test_errors_of_whoever_uses_it_come_through_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        async with serve(SimulatorOptions()):
            raise ZeroDivisionError


async def test_down_is_a_closed_connection_or_503(host: Simulators, client: httpx.AsyncClient) -> None:
    assert (await fault(client, provider="bigcommerce", kind="down", seed=1)).status_code == 201
    seen = set()
    for _ in range(20):
        try:
            seen.add((await client.get(orders_path(host))).status_code)
        except httpx.TransportError:
            seen.add(0)
    assert seen == {0, 503}
    assert (await client.get("/_sim/state")).status_code == 200, "the control plane never fails"


@pytest.mark.parametrize(("kind", "status"), [("429", 429), ("500", 500)])
async def test_errors_on_purpose_have_the_vendors_shape(
    host: Simulators, client: httpx.AsyncClient, kind: str, status: int
) -> None:
    await fault(client, provider="bigcommerce", kind=kind, retry_after_s=7)
    answer = await client.get(orders_path(host))
    assert (answer.status_code, answer.json()[0]["status"]) == (status, status)
    assert answer.headers.get("X-Retry-After") == ("7" if kind == "429" else None)
    assert (await client.delete("/_sim/faults")).status_code == 204
    assert (await client.get(orders_path(host))).status_code == 204


async def test_a_slow_provider_is_slow(host: Simulators, client: httpx.AsyncClient) -> None:
    await fault(client, provider="bigcommerce", kind="slow", delay_ms=300)
    started = time.monotonic()
    await client.get(orders_path(host))
    assert time.monotonic() - started >= 0.3


async def test_a_dropped_answer_has_its_effect(host: Simulators, client: httpx.AsyncClient) -> None:
    await client.post("/_sim/bigcommerce/orders", json=[ORDER])
    await fault(client, provider="bigcommerce", kind="drop-response", seconds=60)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.put(orders_path(host, "/1"), json={"status_id": 2})
    journal = (await client.get("/_sim/journal")).json()
    assert [effect["kind"] for effect in journal["effects"]] == ["order created", "status changed"]
    assert journal["effects"][1]["detail"] == {"status_id": 2, "previous": 11}
    assert journal["calls"]["bigcommerce"] == {"PUT /orders/{order_id}": 1}


async def test_the_journal_is_read_in_pages(client: httpx.AsyncClient) -> None:
    await client.post("/_sim/bigcommerce/orders", json=[{**ORDER, "id": n} for n in range(1, 8)])
    seen: list[int] = []
    while True:
        after = seen[-1] if seen else 0
        page = (await client.get(f"/_sim/journal?provider=bigcommerce&after={after}&limit=3")).json()["effects"]
        if not page:
            break
        seen += [effect["seq"] for effect in page]
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert (await client.get("/_sim/journal?provider=fno")).json()["effects"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/_sim/faults", b"{", 400),
        ("POST", "/_sim/faults", b'{"provider":"bigcommerce","kind":"flood"}', 400),
        ("POST", "/_sim/faults", b'{"provider":"bigcommerce","kind":"down","share":2}', 400),
        ("POST", "/_sim/faults", b'{"provider":"bigcommerce","kind":"down","often":true}', 400),
        ("POST", "/_sim/faults", b'{"provider":"nobody","kind":"down"}', 404),
        ("POST", "/_sim/progress", b'{"provider":"fno","delays":{"Confirmed":-1}}', 400),
        ("POST", "/_sim/progress", b'{"provider":"bigcommerce","delays":{"Confirmed":1}}', 400),
        ("POST", "/_sim/limits", b'{"provider":"fno","quota":-1,"window_ms":1}', 400),
        ("GET", "/_sim/journal?after=x", b"", 400),
        ("GET", "/_sim/journal?provider=nobody", b"", 404),
        ("GET", "/_sim/nothing", b"", 404),
        ("GET", "/nothing", b"", 404),
        ("PUT", "/_sim/faults", b"", 405),
        ("POST", "/_sim/bigcommerce/orders", b"\xff", 400),
        ("POST", "/_sim/fno/orders", b"[" * 100_000, 400),
    ],
)
async def test_the_control_plane_refuses_clearly(
    client: httpx.AsyncClient, method: str, path: str, body: bytes, status: int
) -> None:
    answer = await client.request(method, path, content=body)
    assert (answer.status_code, answer.json().keys()) == (status, {"error", "fix"})
    assert answer.json()["error"]


async def test_bodies_have_a_limit(host: Simulators, client: httpx.AsyncClient) -> None:
    async def spaces(mebibytes: int) -> AsyncIterator[bytes]:
        for _ in range(mebibytes):
            yield b" " * (1 << 20)

    answer = await client.post("/_sim/bigcommerce/orders", content=spaces(CONTROL_BODY_BYTES_MAX // (1 << 20) + 1))
    assert answer.status_code == 413
    headers = {"Content-Type": "application/json"}
    await client.post("/_sim/bigcommerce/orders", json=[ORDER])
    answer = await client.put(orders_path(host, "/1"), content=b" " * ((1 << 20) + 1), headers=headers)
    assert (answer.status_code, answer.json()[0]["status"]) == (413, 413)
    answer = await client.put(orders_path(host, "/1"), content=spaces(2), headers=headers)
    assert (answer.status_code, answer.json()[0]["status"]) == (413, 413)


async def until_all_are(client: httpx.AsyncClient, by_status: dict[str, int]) -> None:
    async with asyncio.timeout(LIVES_LIMIT_S):
        while True:
            if (await client.get("/_sim/state")).json()["providers"]["fno"]["by_status"] == by_status:
                return
            await asyncio.sleep(0.05)


async def test_a_thousand_orders_live_their_lives_at_once(host: Simulators, client: httpx.AsyncClient) -> None:
    lines = [{"ItemNumber": f"I-{n}", "SalesPrice": "1.25", "ShippingSiteId": "1"} for n in range(4)]
    order = {"dataAreaId": "usmf", "OrderingCustomerAccountNumber": "US-001", "Lines": lines}
    started = time.monotonic()
    assert (await client.post("/_sim/fno/orders", json=[order] * 1000)).json()["seeded"] == 1000
    await until_all_are(client, {"Invoiced": 1000})
    assert time.monotonic() - started < LIVES_LIMIT_S
    assert host.of(FnoSimulator).state()["rows"]["published"] == 4000


async def test_more_concurrent_calls_than_f_and_o_takes() -> None:
    options = FnoOptions(concurrent=2)
    vendors = {"fno": lambda world: FnoSimulator(world, options, MemoryRows())}
    async with (
        serve(SimulatorOptions(vendors=vendors)) as host,
        httpx.AsyncClient(base_url=host.base_url, timeout=60) as client,
    ):
        form = {"grant_type": "client_credentials", "scope": "x/.default", "client_id": options.client_id}
        form["client_secret"] = options.client_secret
        token = (await client.post("/fno/token", data=form)).json()["access_token"]
        await fault(client, provider="fno", kind="slow", delay_ms=500)
        headers = {"Authorization": f"Bearer {token}"}
        calls = (client.get("/fno/data/SalesOrderHeadersV4", headers=headers) for _ in range(4))
        answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    message = "Number of concurrent requests exceeded the limit of 2."
    assert (refused.json()["error"]["message"], refused.headers["Retry-After"]) == (message, "1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_prints_its_address_and_ends_when_told(number: signal.Signals) -> None:
    program = "import sys; from app.sandbox.vendors.host import run; run(0, {'KAFKA_BOOTSTRAP_SERVERS': '127.0.0.1:1'})"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert httpx.get(f"{address}/_sim/state").json()["providers"].keys() >= {"bigcommerce", "fno", "flexe"}
        process.send_signal(number)
        assert process.wait(60) == 0


def test_the_same_seed_gives_the_same_faults() -> None:
    def picks(seed: int) -> list[bool]:
        faults = Faults(lambda: 0)
        faults.add(FaultRequest("fno", "500", share=0.3, seed=seed))
        return [faults.pick("fno") is not None for _ in range(200)]

    assert picks(1) == picks(1)
    assert picks(1) != picks(2)
    assert 30 < sum(picks(1)) < 90


def test_a_fault_ends_and_touches_its_provider_only() -> None:
    now = [0]
    faults = Faults(lambda: now[0])
    faults.add(FaultRequest("fno", "500", seconds=2))
    assert (faults.pick("fno") is not None, faults.pick("bigcommerce")) == (True, None)
    now[0] = 2000
    assert (faults.pick("fno"), faults.active()) == (None, [])


def test_the_journal_forgets_the_oldest_and_says_so() -> None:
    journal = Journal(lambda: 0, limit=3)
    for n in range(5):
        journal.effect("fno", "order created", f"o{n}", {})
    assert [effect.seq for effect in journal.effects()] == [3, 4, 5]
    assert [effect.seq for effect in journal.effects(after=4)] == [5]
    assert (journal.effects(after=5), journal.last, journal.dropped) == ([], 5, 2)


async def test_the_agenda_runs_what_is_due_in_its_order() -> None:
    now, ran = [0], list[str]()
    agenda = Schedule(lambda: now[0])
    agenda.after(20, lambda: ran.append("late"))
    agenda.after(10, lambda: ran.append("first"))
    agenda.after(10, lambda: ran.append("second"))
    assert agenda.run_due() == 0
    now[0] = 10
    assert (agenda.run_due(), ran, len(agenda)) == (2, ["first", "second"], 1)
    for _ in range(SCHEDULE_BURST_MAX + 5):
        agenda.after(0, lambda: None)
    assert agenda.run_due() == SCHEDULE_BURST_MAX
