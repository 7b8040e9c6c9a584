"""The contract over every provider folder that is discovered."""

from collections.abc import AsyncIterator

import pytest

from app.providers.registry import load_manifests
from app.sandbox.vendors.host import SimulatorOptions, serve
from tests.providers.bench import PATIENT, Clock, bench_of
from tests.providers.contract import ProviderContract, Stage
from tests.providers.contract_manifest import ManifestContract
from tests.providers.tap import open_tap


@pytest.fixture(params=sorted(name for name, manifest in load_manifests().items() if manifest.has_client))
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    bench, clock = bench_of(request.param), Clock()
    async with serve(SimulatorOptions()) as simulators, open_tap(simulators.base_url) as tap:
        await bench.seed(simulators)
        provider = bench.open(tap.url, PATIENT, clock)
        yield Stage(bench, load_manifests()[request.param], simulators, tap, clock, provider)
        await provider.close()


class TestContract(ProviderContract, ManifestContract):
    pass
