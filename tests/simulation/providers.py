"""The provider simulators in virtual time, the real clients that call them, and what their people do."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec

from app.providers.bigcommerce.client import BigCommerce
from app.providers.flexe.client import Flexe
from app.providers.fno.actions import status_field
from app.providers.fno.client import Fno
from app.providers.port import Provider
from app.providers.sap.actions import SalesArea
from app.providers.sap.client import Sap
from app.sandbox.vendors.bigcommerce import BigCommerceOptions, BigCommerceSimulator
from app.sandbox.vendors.flexe import FlexeOptions, FlexeSimulator
from app.sandbox.vendors.flexe import progression as flexe_progression
from app.sandbox.vendors.fno import STATUS_FIELD, FnoOptions, FnoSimulator, Rows
from app.sandbox.vendors.fno import progression as fno_progression
from app.sandbox.vendors.sap import SapOptions, SapSimulator
from app.sandbox.vendors.sap import progression as sap_progression
from app.sandbox.vendors.simulation import World as Simulated
from app.sandbox.vendors.simulation_http import Simulator, application
from app.sandbox.vendors.simulation_webhooks import WebhookSender
from tests.simulation.cluster import VirtualCluster
from tests.simulation.dice import Dice
from tests.simulation.network import ACCOUNTS, ERP, HOUSE, SHOP, Network
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.webhooks import WEBHOOKS

STORE: Final = "shop"
FOREVER_MS: Final = 1 << 60
STATUS_AT: Final = status_field(STATUS_FIELD)
ROWS: Final = "dualwrite.fno.salesorders"
QUOTA: Final = 100_000
"""Throttling is the network's business here."""
_FLEXE: Final = FlexeOptions()
_SAP: Final = SapOptions()
_AREA: Final = SalesArea("OR", "1010", "10", "00", _SAP.sold_to, "PPR0")
ENVIRON: Final = {
    "WAYBILL_BIGCOMMERCE_BASE_URL": "https://shop.example", "WAYBILL_BIGCOMMERCE_STORE_HASH": STORE,
    "WAYBILL_BIGCOMMERCE_ACCESS_TOKEN": "t", "WAYBILL_FNO_BASE_URL": "https://erp.example",
    "WAYBILL_FNO_TOKEN_URL": "https://erp.example/token", "WAYBILL_FNO_CLIENT_ID": "c",
    "WAYBILL_FNO_CLIENT_SECRET": "s",
    "WAYBILL_FLEXE_BASE_URL": "https://house.example", "WAYBILL_FLEXE_API_KEY": _FLEXE.api_key,
    "WAYBILL_FLEXE_OWNER_ID": _FLEXE.owner_id, "WAYBILL_FLEXE_WEBHOOK_SECRET": _FLEXE.webhook_secret,
    "WAYBILL_SAP_BASE_URL": "https://accounts.example", "WAYBILL_SAP_USER": "u", "WAYBILL_SAP_PASSWORD": "p",
    "WAYBILL_SAP_SALES_ORDER_TYPE": "OR", "WAYBILL_SAP_SALES_ORGANIZATION": "1010",
    "WAYBILL_SAP_DISTRIBUTION_CHANNEL": "10", "WAYBILL_SAP_DIVISION": "00",
    "WAYBILL_SAP_SOLD_TO_PARTY": _SAP.sold_to, "WAYBILL_SAP_PRICE_CONDITION_TYPE": "PPR0",
    "WAYBILL_SAP_WEBHOOK_SECRET": _SAP.webhook_secret,
}  # fmt: skip
"""What a process is told of the providers."""


class DisorderlyRows(Rows):
    """Dual-write's rows on their way: twice, late, overtaking one another. None gets lost."""

    full = False

    def __init__(self, cluster: VirtualCluster, dice: Dice, loop: VirtualLoop, place: Callable[[bytes], int]) -> None:
        self._cluster, self._dice, self._loop, self._place = cluster, dice, loop, place
        self.travelling = 0

    def publish(self, key: bytes, value: bytes | None) -> None:
        for _ in range(1 + self._dice.happens(self._dice.odds.row_twice)):
            late = self._dice.happens(self._dice.odds.row_late)
            self.travelling += 1
            self._loop.call_later(self._dice.between(0.1, 4) if late else 0.001, self._write, key, value)

    def _write(self, key: bytes, value: bytes | None) -> None:
        self.travelling -= 1
        astray = self._dice.happens(self._dice.odds.astray)
        partition = self._dice.random.randrange(self._cluster.partitions) if astray else self._place(key)
        keyless = astray and value is not None and self._dice.happens(0.5)
        self._cluster.produce(
            ROWS, partition, None if keyless else key, value, (("content-type", b"application/json"),)
        )


class Providers:
    """`now_ms` is the world's time of day."""

    def __init__(
        self,
        cluster: VirtualCluster,
        dice: Dice,
        loop: VirtualLoop,
        now_ms: Callable[[], int],
        place: Callable[[bytes], int],
    ) -> None:
        self._loop = loop
        self.world = Simulated(now_ms)
        self.rows = DisorderlyRows(cluster, dice, loop, place)
        self.erp = FnoSimulator(self.world, FnoOptions(), self.rows)
        self.shop = BigCommerceSimulator(self.world, BigCommerceOptions(STORE, quota=QUOTA))
        self.house, self.accounts = _house(self.world, dice), _accounts(self.world, dice)
        for sender in self.senders().values():
            sender.give_up_ms = FOREVER_MS  # their patience must not end because somebody sets the clock
        simulators: list[Simulator] = [self.erp, self.shop, self.house, self.accounts]
        self.network = Network(application(self.world, simulators), dice, now_ms)
        self.erp.progression.delays = _delays(fno_progression.STAGES, dice)
        self.house.progression.delays = _delays(flexe_progression.STAGES, dice)
        self.accounts.progression.delays = _delays(sap_progression.STAGES, dice)

    def clients(self) -> Mapping[str, Provider]:
        """New clients, as a process opens them."""
        now, http = self._loop.time, self.network.open_http
        return {
            "fno": Fno(
                ERP, f"{ERP}/token", "simulated-client", lambda: "simulated-fno-secret",
                clock=now, status_field=STATUS_AT, open_http=http,
            ),
            "bigcommerce": BigCommerce(SHOP, STORE, lambda: "simulated-bigcommerce-token", clock=now, open_http=http),
            "flexe": Flexe(HOUSE, lambda: _FLEXE.api_key, _FLEXE.owner_id, clock=now, open_http=http),
            "sap": Sap(ACCOUNTS, _SAP.user, lambda: _SAP.password, _AREA, clock=now, open_http=http),
        }  # fmt: skip

    def senders(self) -> Mapping[str, WebhookSender]:
        return {"flexe": self.house.sender, "sap": self.accounts.sender}

    async def control(self, path: str, body: object) -> Any:
        """What people do at a provider, by the simulators' control plane. Raises AssertionError when refused."""
        status, content = await self.tried(path, body)
        assert status < 300, f"the control plane refused {path}: {content!r}"
        return msgspec.json.decode(content)

    async def tried(self, path: str, body: object) -> tuple[int, bytes]:
        """The same, where it may be too late for it."""
        request = httpx.Request("POST", f"http://simulators.example/_sim{path}", json=body)
        status, _, content = await self.network.serve(request, request.content)
        return status, content


def _house(world: Simulated, dice: Dice) -> FlexeSimulator:
    split = dice.random.choice((0.0, 0.5, 1.0))
    seed = dice.random.randrange(1000)
    return FlexeSimulator(
        world, FlexeOptions(webhook_url=f"{WEBHOOKS}flexe", quota=QUOTA, split_share=split, seed=seed)
    )


def _accounts(world: Simulated, dice: Dice) -> SapSimulator:
    split = dice.random.choice((0.0, 0.5, 1.0))
    seed = dice.random.randrange(1000)
    options = SapOptions(webhook_url=f"{WEBHOOKS}sap", quota=QUOTA, partial_share=split, seed=seed)
    return SapSimulator(world, options)


def _delays(stages: tuple[str, ...], dice: Dice) -> dict[str, int | None]:
    return {stage: round(dice.between(20, 2500)) for stage in stages}
