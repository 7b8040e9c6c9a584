"""The host of all vendor simulators: one process, one port on the loopback address, a path for each provider.

Everything is in memory: a restart loses all orders, tokens and the journal. The control plane has no authentication:
it listens on 127.0.0.1 alone.
"""

import asyncio
import contextlib
import importlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from aiohttp import web

from app.errors import SettingError
from app.local.ports import HOST
from app.local.row_outbox import RowOutbox
from app.providers.bigcommerce.simulator import BigCommerceOptions, BigCommerceSimulator
from app.providers.flexe.simulator import FlexeOptions, FlexeSimulator
from app.providers.fno.simulator import STATUS_FIELD, FnoOptions, FnoSimulator, MemoryRows
from app.providers.registry import load_manifests
from app.providers.sap.actions import SHIP_TO_REFERENCE, UNDERLYING_ITEM
from app.providers.sap.simulator import SapOptions, SapSimulator
from app.providers.simulation import World
from app.providers.simulation_http import Simulator, application
from app.settings import Settings

FLUSH_LIMIT_S: Final = 2.0
"""How long a stop waits for rows that are on their way."""
GENEROUS_QUOTA: Final = 1_000_000
"""Calls in a window: as good as none, for runs that are about orders and not about throttling."""
_SHUTDOWN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """`port` 0 takes a free one. Without `bootstrap_servers` F+O's rows stay in memory."""

    port: int = 0
    bootstrap_servers: str | None = None
    bigcommerce: BigCommerceOptions = field(default_factory=BigCommerceOptions)
    fno: FnoOptions = field(default_factory=FnoOptions)
    flexe: FlexeOptions = field(default_factory=FlexeOptions)
    sap: SapOptions = field(default_factory=SapOptions)
    added: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Settings of providers that have no options above, as far as they are given, without their prefix."""

    @classmethod
    def from_env(
        cls, port: int, environ: Mapping[str, str], generous: bool = False, webhooks: str = ""
    ) -> "SimulatorOptions":
        """The broker and the credentials that the providers are told as well. `generous`: the quotas of a large plan.

        `webhooks`: where a worker takes webhooks in, such as http://127.0.0.1:6066/webhooks; "" sends none. Raises
        SettingError.
        """
        webhooks = webhooks.rstrip("/")
        shop, erp, fulfiller, accounts = BigCommerceOptions(), FnoOptions(), FlexeOptions(), SapOptions()
        return cls(
            port,
            Settings.from_env(environ).bootstrap_servers,
            BigCommerceOptions(
                store_hash=environ.get("WAYBILL_BIGCOMMERCE_STORE_HASH") or shop.store_hash,
                access_token=environ.get("WAYBILL_BIGCOMMERCE_ACCESS_TOKEN") or shop.access_token,
                client_secret=environ.get("WAYBILL_BIGCOMMERCE_CLIENT_SECRET") or shop.client_secret,
                webhook_url=webhooks and f"{webhooks}/bigcommerce",
                quota=GENEROUS_QUOTA if generous else shop.quota,
            ),
            FnoOptions(
                client_id=environ.get("WAYBILL_FNO_CLIENT_ID") or erp.client_id,
                client_secret=environ.get("WAYBILL_FNO_CLIENT_SECRET") or erp.client_secret,
                quota=GENEROUS_QUOTA if generous else erp.quota,
            ),
            FlexeOptions(
                api_key=environ.get("WAYBILL_FLEXE_API_KEY") or fulfiller.api_key,
                owner_id=environ.get("WAYBILL_FLEXE_OWNER_ID") or fulfiller.owner_id,
                webhook_secret=environ.get("WAYBILL_FLEXE_WEBHOOK_SECRET") or fulfiller.webhook_secret,
                webhook_url=webhooks and f"{webhooks}/flexe",
                quota=GENEROUS_QUOTA if generous else fulfiller.quota,
            ),
            SapOptions(
                user=environ.get("WAYBILL_SAP_USER") or accounts.user,
                password=environ.get("WAYBILL_SAP_PASSWORD") or accounts.password,
                webhook_secret=environ.get("WAYBILL_SAP_WEBHOOK_SECRET") or accounts.webhook_secret,
                webhook_url=webhooks and f"{webhooks}/sap",
                sold_to=environ.get("WAYBILL_SAP_SOLD_TO_PARTY") or accounts.sold_to,
                quota=GENEROUS_QUOTA if generous else accounts.quota,
            ),
            {name: _settings(name, environ) for name in _added()},
        )


@dataclass(frozen=True, slots=True)
class Simulators:
    """The running host. `rows` holds F+O's rows when there is no broker."""

    port: int
    options: SimulatorOptions
    world: World
    bigcommerce: BigCommerceSimulator
    fno: FnoSimulator
    flexe: FlexeSimulator
    sap: SapSimulator
    rows: MemoryRows | RowOutbox
    added: Mapping[str, Simulator]
    """Simulators of the other provider folders, by name."""

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def environ(self) -> dict[str, str]:
        """The settings that point the providers here."""
        shop, erp, fulfiller = self.options.bigcommerce, self.options.fno, self.options.flexe
        accounts = self.options.sap
        return {
            "WAYBILL_BIGCOMMERCE_BASE_URL": f"{self.base_url}/bigcommerce",
            "WAYBILL_BIGCOMMERCE_STORE_HASH": shop.store_hash,
            "WAYBILL_BIGCOMMERCE_ACCESS_TOKEN": shop.access_token,
            "WAYBILL_BIGCOMMERCE_CLIENT_SECRET": shop.client_secret,
            "WAYBILL_FNO_BASE_URL": f"{self.base_url}/fno",
            "WAYBILL_FNO_TOKEN_URL": f"{self.base_url}/fno/token",
            "WAYBILL_FNO_CLIENT_ID": erp.client_id,
            "WAYBILL_FNO_CLIENT_SECRET": erp.client_secret,
            "WAYBILL_FNO_STATUS_FIELD": STATUS_FIELD,
            "WAYBILL_FLEXE_BASE_URL": f"{self.base_url}/flexe",
            "WAYBILL_FLEXE_API_KEY": fulfiller.api_key,
            "WAYBILL_FLEXE_OWNER_ID": fulfiller.owner_id,
            "WAYBILL_FLEXE_WEBHOOK_SECRET": fulfiller.webhook_secret,
            "WAYBILL_SAP_BASE_URL": f"{self.base_url}/sap",
            "WAYBILL_SAP_USER": accounts.user,
            "WAYBILL_SAP_PASSWORD": accounts.password,
            "WAYBILL_SAP_SALES_ORDER_TYPE": "OR",
            "WAYBILL_SAP_SALES_ORGANIZATION": "1010",
            "WAYBILL_SAP_DISTRIBUTION_CHANNEL": "10",
            "WAYBILL_SAP_DIVISION": "00",
            "WAYBILL_SAP_SOLD_TO_PARTY": accounts.sold_to,
            "WAYBILL_SAP_PRICE_CONDITION_TYPE": "PPR0",
            "WAYBILL_SAP_ITEM_REFERENCE": UNDERLYING_ITEM if accounts.item_reference else SHIP_TO_REFERENCE,
            "WAYBILL_SAP_WEBHOOK_SECRET": accounts.webhook_secret,
        }


def _added() -> list[str]:
    """Providers that are called and that this file does not name: their folders are found like their manifests."""
    named = ("bigcommerce", "fno", "flexe", "sap")
    return [name for name, manifest in load_manifests().items() if manifest.has_client and name not in named]


def _settings(name: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    manifest = load_manifests()[name]
    return {setting.name: environ.get(manifest.variable(setting.name), "").strip() for setting in manifest.settings}


def _opened(name: str, world: World, options: SimulatorOptions) -> Simulator:
    """By the function `open_simulator` of its folder's simulator package."""
    package = importlib.import_module(f"app.providers.{name}.simulator")
    return cast(Simulator, package.open_simulator(world, options.added.get(name, {})))


@contextlib.asynccontextmanager
async def serve(options: SimulatorOptions) -> AsyncIterator[Simulators]:
    """Run the simulators in this event loop. Raises SettingError when the port is taken."""
    world = World()
    rows = MemoryRows() if options.bootstrap_servers is None else RowOutbox(options.bootstrap_servers)
    bigcommerce = BigCommerceSimulator(world, options.bigcommerce)
    fno = FnoSimulator(world, options.fno, rows)
    flexe = FlexeSimulator(world, options.flexe)
    sap = SapSimulator(world, options.sap)
    added = {name: _opened(name, world, options) for name in _added()}
    vendors = application(world, [bigcommerce, fno, flexe, sap, *added.values()])
    runner = web.AppRunner(vendors, shutdown_timeout=_SHUTDOWN_S, access_log=None)
    await runner.setup()
    try:
        port = await _listen(runner, options.port)
        async with _running(world, rows, bigcommerce.hooks.run(), flexe.sender.run(), sap.sender.run()):
            yield Simulators(port, options, world, bigcommerce, fno, flexe, sap, rows, added)
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _running(
    world: World, rows: MemoryRows | RowOutbox, *senders: Coroutine[None, None, None]
) -> AsyncIterator[None]:
    """Progress, publication and webhooks in the background; a defect in one of them ends the host, loudly."""
    host = asyncio.current_task()

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and host is not None:
            host.cancel()

    tasks = [asyncio.create_task(work) for work in (world.agenda.run(), *senders)]
    tasks += [asyncio.create_task(rows.run())] if isinstance(rows, RowOutbox) else []
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
        if isinstance(rows, RowOutbox):
            await rows.flush(0 if rows.error else FLUSH_LIMIT_S)
    finally:
        await _stopped(tasks)


async def _stopped(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Raises what ended a task before it was told to."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


async def _listen(runner: web.AppRunner, port: int) -> int:
    try:
        await web.TCPSite(runner, HOST, port).start()
    except (OSError, OverflowError) as exc:
        raise SettingError(f"Port {port} on {HOST} cannot be used ({exc}): choose another, or 0") from exc
    return int(runner.addresses[0][1])


def print_line(base_url: str) -> None:
    """For scripts that wait for the address: at once, on standard output."""
    sys.stdout.write(f"{base_url}\n")
    sys.stdout.flush()


def run(
    port: int,
    environ: Mapping[str, str],
    generous: bool = False,
    webhooks: str = "",
    tell: Callable[[str], object] = print_line,
) -> None:
    """`waybill simulators`: serve until SIGINT or SIGTERM; `tell` gets the base URL. Raises SettingError."""
    asyncio.run(_run(SimulatorOptions.from_env(port, environ, generous, webhooks), tell))


async def _run(options: SimulatorOptions, tell: Callable[[str], object]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(options) as simulators:
        tell(simulators.base_url)
        await stop.wait()
