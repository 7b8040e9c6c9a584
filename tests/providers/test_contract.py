"""The contract over every provider folder that is discovered."""

from collections.abc import AsyncIterator

import pytest

from app.providers.registry import load_manifests
from app.sandbox.vendors.host import SimulatorOptions, serve
from tests.providers.bench import PATIENT, Clock, bench_of
from tests.providers.contract import ProviderContract, Stage
from tests.providers.contract_manifest import ManifestContract
from tests.providers.recording_proxy import open_recording_proxy


@pytest.fixture(params=sorted(name for name, manifest in load_manifests().items() if manifest.has_client))
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    bench, clock = bench_of(request.param), Clock()
    async with serve(SimulatorOptions()) as simulators, open_recording_proxy(simulators.base_url) as proxy:
        await bench.seed(simulators)
        provider = bench.open(proxy.url, PATIENT, clock)
        yield Stage(bench, load_manifests()[request.param], simulators, proxy, clock, provider)
        await provider.close()


class TestContract(ProviderContract, ManifestContract):
    pass
