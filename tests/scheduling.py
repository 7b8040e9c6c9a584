"""Which worker of pytest-xdist runs what: a module's tests stay together, and whole products run one at a time.

The first worker begins with the Kafka tier, what takes longest first. The others begin at the other end, with what
needs no Kafka, and meet it somewhere in the lighter modules of the Kafka tier. So two brokers seldom run at once, and
hardly ever two products with six processes each, which would take the processors from one another.
"""

from typing import Any

import pytest

WHOLE_PRODUCT = (
    "tests/kafka/test_source.py",
    "tests/kafka/test_storm.py",
    "tests/kafka/test_broker_restart.py",
    "tests/test_package.py",
    "tests/kafka/test_side_by_side.py",
    "tests/kafka/test_sourced_demo.py",
    "tests/kafka/test_outage.py",
    "tests/kafka/test_black_box.py",
    "tests/kafka/test_examples.py",
    "tests/kafka/test_readme.py",
    "tests/kafka/test_external_fulfiller.py",
    "tests/kafka/test_up.py",
    "tests/kafka/test_failed_demo.py",
    "tests/sandbox/bench/test_bench.py",
)
"""Modules that run most of Waybill, the longest first."""
LONG = (
    "tests/commands/test_usage.py",
    "tests/fuzz/test_growth.py",
    "tests/schemas/test_json_schemas.py",
    "tests/optimizer/test_solver.py",
    "tests/sandbox/demo/test_definition_checks.py",
    "tests/providers/test_scaffold.py",
    "tests/providers/test_contract.py",
)
"""Modules without Kafka that take longest, the longest last: who begins there must not meet the others in the middle of
one."""
ALONE = ("tests/simulation/test_seeds.py", "tests/optimizer/test_pricing.py", "tests/kafka/test_lanes.py")
"""Modules whose tests are long and share nothing dear: each test is work of its own."""


def module_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def rank(nodeid: str) -> tuple[int, int]:
    """Return where a test stands in the queue: whole products, the rest of tests/kafka, all else, the long modules."""
    module = module_of(nodeid)
    if module in WHOLE_PRODUCT:
        return 0, WHOLE_PRODUCT.index(module)
    if module in LONG:
        return 3, LONG.index(module)
    return (1, 0) if module.startswith("tests/kafka/") else (2, 0)


def from_both_ends(config: pytest.Config, log: object) -> object:
    """Return a scheduler that gives the first worker what is first in the queue, and the others what is last."""
    from xdist.scheduler import LoadScopeScheduling  # a run in one process needs no xdist

    class FromBothEnds(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            module = module_of(nodeid)
            return nodeid if module in ALONE else module

        def _assign_work_unit(self, node: Any) -> None:
            if node.gateway.id != "gw0":
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False  # the order of the collection is the one that is meant
    return FromBothEnds(config, log)
