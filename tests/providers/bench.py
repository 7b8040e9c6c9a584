"""What the contract needs of each provider folder: the real client before the simulator, and what to do with it."""

import importlib
import socket
from collections.abc import Sequence
from typing import Any, Protocol, cast

from msgspec.structs import replace

from app.providers.http import Timeouts
from app.providers.port import Action, Page, Provider
from app.sandbox.vendors.host import Simulators
from tests.providers.recording_proxy import RecordedRequest

PATIENT = Timeouts()
HASTY = Timeouts(read_s=1.5)
"""For replies that never come; on a busy machine all others take a while."""


class Clock:
    """Monotonic seconds that go on when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench(Protocol):
    """`orders`: how many distinct ones actions can be made for. `write`: the call with the action's first effect.
    `look`: the one that finds out whether it had it.

    `action_for` is an action for an order with this very id, `accepts` says whether the provider can have one, and
    `effects_of` is what was done for it, without the provider's own look-up.
    """

    name: str
    secret: str
    orders: int

    async def seed(self, simulators: Simulators) -> None: ...
    def open(self, base_url: str, timeouts: Timeouts, clock: Clock) -> Provider: ...
    def action(self, order: int, *, repeated: bool = False) -> Action: ...
    def foreign_action(self) -> Action: ...
    def action_for(self, order_id: str, *, repeated: bool = False) -> Action: ...
    def accepts(self, order_id: str) -> bool: ...
    def effects_of(self, simulators: Simulators, order_id: str) -> Sequence[str]: ...
    def write(self, request: RecordedRequest) -> bool: ...
    def look(self, request: RecordedRequest) -> bool: ...
    def effects(self, simulators: Simulators, order: int) -> Sequence[str]: ...
    def one_effect(self) -> Sequence[str]: ...
    def reference(self, simulators: Simulators, order: int) -> str: ...
    def strange(self, body: Any) -> Any: ...
    async def amounts(self, provider: Provider, simulators: Simulators) -> Sequence[tuple[int, int]]: ...


def bench_of(name: str) -> Bench:
    """Every provider folder has a bench beside its tests: tests/providers/<name>/bench.py."""
    return cast(Bench, importlib.import_module(f"tests.providers.{name}.bench").BENCH)


def brought(page: Page) -> Page:
    """Without its cursor, which may go on with the provider's clock from one pull to the next."""
    return replace(page, cursor="")


class Lapsing:
    """A lease that is valid for so many questions and then lost for good."""

    def __init__(self, answers: int) -> None:
        self.left = answers

    def valid(self) -> bool:
        self.left -= 1
        return self.left >= 0

    async def confirm(self) -> None:
        return


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
