"""The host of all vendor simulators: one process, one port on the loopback address, a path for each provider.

A vendor is a folder here with the name of its provider: its package has a function `open_simulator(world, setup)`.

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
from typing import Final, TypeVar, cast

from aiohttp import web

from app.errors import SettingError
from app.kafka.cluster_access import ClusterAccess
from app.providers.manifest import Manifest
from app.providers.registry import load_manifests, values
from app.resources import PACKAGE
from app.sandbox.local.ports import HOST
from app.sandbox.vendors.simulation import World
from app.sandbox.vendors.simulation_http import Simulator, VendorSetup, application
from app.settings import Settings

FINISH_LIMIT_S: Final = 2.0
"""Seconds a stop waits for rows that are on their way."""
_SHUTDOWN_S: Final = 1.0
OpenSimulator = Callable[[World], Simulator]
S = TypeVar("S")


def openers(
    environ: Mapping[str, str], webhooks: str = "", *, generous: bool = False, cluster: ClusterAccess | None = None
) -> dict[str, OpenSimulator]:
    """Return what opens the simulator of each provider that is called, with the settings that its client has.

    `webhooks` is where a worker takes webhooks in, such as http://127.0.0.1:6066/webhooks; "" sends none. `generous`
    gives the quotas of a large plan. Without `cluster` F+O's rows stay in memory.
    """
    webhooks = webhooks.rstrip("/")

    def opener(manifest: Manifest) -> OpenSimulator:
        package = importlib.import_module(f"{PACKAGE}.sandbox.vendors.{manifest.name}")
        settings = dict(values(manifest, environ))
        address = webhooks and f"{webhooks}/{manifest.name}"
        setup = VendorSetup(settings, address, cluster, generous)
        return lambda world: cast(Simulator, package.open_simulator(world, setup))

    return {name: opener(manifest) for name, manifest in load_manifests().items() if manifest.has_client}


def pointed_at(base_url: str, simulators: Mapping[str, Simulator]) -> dict[str, str]:
    """Return the environment variables that lead each provider's client to the host at `base_url`."""
    manifests = load_manifests()
    return {
        manifests[name].variable(setting): value
        for name, simulator in simulators.items()
        for setting, value in simulator.settings(f"{base_url}/{name}").items()
    }


def environ_at(base_url: str) -> dict[str, str]:
    """Return the environment variables that lead the providers to a host at `base_url` which `run` serves."""
    world = World()
    return pointed_at(base_url, {name: opener(world) for name, opener in openers({}).items()})


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """`port` 0 takes a free one. `vendors` replace the simulators as they are opened without any settings."""

    port: int = 0
    vendors: Mapping[str, OpenSimulator] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Simulators:
    """The running host."""

    port: int
    world: World
    vendors: Mapping[str, Simulator]
    """By the provider's name."""

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def of(self, kind: type[S]) -> S:
        """Return the simulator of this class. Raises KeyError where none is."""
        for simulator in self.vendors.values():
            if isinstance(simulator, kind):
                return simulator
        raise KeyError(kind.__name__)

    def environ(self) -> dict[str, str]:
        """Return the environment variables that lead the providers here."""
        return pointed_at(self.base_url, self.vendors)


@contextlib.asynccontextmanager
async def serve(options: SimulatorOptions) -> AsyncIterator[Simulators]:
    """Run the simulators in this event loop. Raises SettingError when the port is taken."""
    world = World()
    vendors = {name: opener(world) for name, opener in {**openers({}), **options.vendors}.items()}
    runner = web.AppRunner(application(world, list(vendors.values())), shutdown_timeout=_SHUTDOWN_S, access_log=None)
    await runner.setup()
    try:
        port = await _listen(runner, options.port)
        async with _running(world, list(vendors.values())):
            yield Simulators(port, world, vendors)
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _running(world: World, vendors: Sequence[Simulator]) -> AsyncIterator[None]:
    """Run progress, publication and webhooks in the background; a defect in one of them ends the host."""
    host = asyncio.current_task()

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and host is not None:
            host.cancel()

    background: list[Coroutine[None, None, None]] = [work for vendor in vendors for work in vendor.background()]
    tasks = [asyncio.create_task(work) for work in (world.schedule.run(), *background)]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
        await asyncio.gather(*(vendor.finish(FINISH_LIMIT_S) for vendor in vendors))
    finally:
        await _stopped(tasks)


async def _stopped(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel the tasks. Raises what ended one of them before."""
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
    """Write the address to standard output at once, for scripts that wait for it."""
    sys.stdout.write(f"{base_url}\n")
    sys.stdout.flush()


def run(
    port: int,
    environ: Mapping[str, str],
    generous: bool = False,
    webhooks: str = "",
    tell: Callable[[str], object] = print_line,
) -> None:
    """Serve until SIGINT or SIGTERM, for `waybill simulators`; `tell` gets the base URL. Raises SettingError."""
    cluster = ClusterAccess.of(Settings.from_env(environ))
    vendors = openers(environ, webhooks, generous=generous, cluster=cluster)
    asyncio.run(_run(SimulatorOptions(port, vendors), tell))


async def _run(options: SimulatorOptions, tell: Callable[[str], object]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(options) as simulators:
        tell(simulators.base_url)
        await stop.wait()
