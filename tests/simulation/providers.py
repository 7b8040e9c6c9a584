"""Both provider simulators in virtual time, the real clients that call them, and what their people do."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec

from app.providers.bigcommerce.client import BigCommerce
from app.providers.bigcommerce.simulator import BigCommerceOptions, BigCommerceSimulator
from app.providers.fno.client import Fno
from app.providers.fno.simulator import FnoOptions, FnoSimulator
from app.providers.fno.simulator.life import STAGES
from app.providers.port import Provider
from app.providers.simulation import World as Simulated
from app.providers.simulation_http import application
from tests.simulation.cluster import VirtualCluster
from tests.simulation.dice import Dice
from tests.simulation.network import ERP, SHOP, Network
from tests.simulation.virtual_loop import VirtualLoop

STORE: Final = "shop"
ROWS: Final = "dualwrite.fno.salesorders"


class DisorderlyRows:
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
        self.shop = BigCommerceSimulator(self.world, BigCommerceOptions(STORE, quota=1000))
        self.network = Network(application(self.world, [self.erp, self.shop]), dice, now_ms)
        self.erp.life.delays = {stage: round(dice.between(20, 2500)) for stage in STAGES}

    def clients(self) -> Mapping[str, Provider]:
        """New clients, as a process opens them."""
        with self.network.clients():
            fno = Fno(ERP, f"{ERP}/token", "simulated-client", "simulated-fno-secret", clock=self._loop.time)
            shop = BigCommerce(SHOP, STORE, "simulated-bigcommerce-token", clock=self._loop.time)
            return {"fno": fno, "bigcommerce": shop}

    async def control(self, path: str, body: object) -> Any:
        """What people do at a provider, by the simulators' control plane. Raises AssertionError when refused."""
        request = httpx.Request("POST", f"http://simulators.example/_sim{path}", json=body)
        status, _, content = await self.network.serve(request, request.content)
        assert status < 300, f"the control plane refused {path}: {content!r}"
        return msgspec.json.decode(content)
