"""Pools of warehouses: whose orders which of them ship."""

import pytest

from app.errors import DefinitionError
from app.optimizer.sourcing_network import load

TWO = """
network: two
version: 1
pools: {BRMF: south}
sources:
  - {warehouse: EU-HAM, site: EU, latitude: 53, longitude: 9}
  - {warehouse: SA-GRU, site: SA, latitude: -23, longitude: -46, pool: south}
"""


def test_a_company_has_its_pool_and_each_pool_its_sources() -> None:
    network = load(TWO, "network.yaml")
    assert network.pools == {"BRMF": "south"}
    assert [source.warehouse for source in network.pool("south").sources] == ["SA-GRU"]
    assert [source.warehouse for source in network.pool("main").sources] == ["EU-HAM"]


def test_a_pool_without_a_source_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"pools\.BRMF: no source is of the pool 'north'; did you mean `south`"):
        load(TWO.replace("BRMF: south", "BRMF: north"), "network.yaml")
