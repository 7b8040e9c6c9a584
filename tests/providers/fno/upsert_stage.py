"""The client that upserts sales orders before the simulated F+O, behind a recording proxy."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from app.dualwrite.write_plan import WritePlan
from app.events.sales_order_change import SalesOrderRow
from app.providers.fno.actions import first_plan
from app.providers.fno.client import Fno
from app.providers.port import Result, UnsharedLease
from app.sandbox.vendors.fno import FnoSimulator
from app.sandbox.vendors.host import SimulatorOptions, Simulators, serve
from tests.providers.bench import PATIENT, Clock
from tests.providers.fno.bench import STAGES, STATUS_AT
from tests.providers.recording_proxy import RecordedRequest, RecordingProxy, open_recording_proxy

ALWAYS = UnsharedLease()
REFERENCE = "bc-demo-500"


@dataclass
class UpsertStage:
    simulators: Simulators
    proxy: RecordingProxy
    provider: Fno

    async def upsert(self, row: SalesOrderRow, asked: WritePlan | None = None) -> Result:
        return await self.provider.upsert(row, asked or first_plan(row, "e-1"), ALWAYS)

    def orders(self, reference: str = REFERENCE) -> Sequence[Any]:
        return self.simulators.of(FnoSimulator).orders.with_reference(reference)

    def header(self) -> dict[str, Any]:
        [order] = self.orders()
        return dict(order.header.values)

    def lines(self) -> list[dict[str, Any]]:
        [order] = self.orders()
        return [dict(line.values) for line in order.lines.values()]

    def writes(self) -> list[str]:
        """Method and collection of each call that writes."""
        written = [request for request in self.proxy.calls if writes(request)]
        return [f"{request.method} {re.split('[?(]', request.path.split('/data/')[-1])[0]}" for request in written]


@pytest.fixture
async def stage() -> AsyncIterator[UpsertStage]:
    async with serve(SimulatorOptions()) as simulators, open_recording_proxy(simulators.base_url) as proxy:
        simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES))
        url = f"{proxy.url}/fno"
        provider = Fno(
            url,
            f"{url}/token",
            "simulated-client",
            lambda: "simulated-fno-secret",
            timeouts=PATIENT,
            clock=Clock(),
            status_field=STATUS_AT,
        )
        yield UpsertStage(simulators, proxy, provider)
        await provider.close()


def writes(request: RecordedRequest) -> bool:
    return request.method != "GET" and "/data/" in request.path
