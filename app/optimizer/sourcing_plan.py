"""The plan of the solver: allocations of lines to sources, the proven gap, and an explanation of each source."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

SourceCode = Literal[
    "chosen",
    "no-stock",
    "line-split",
    "too-far",
    "closed",
    "full",
    "too-many-warehouses",
    "partial",
    "costlier",
]
PlanStatus = Literal["optimal", "gap", "time limit", "nothing"]


class Allocation(Struct, frozen=True):
    """`quantity` of one line from one warehouse. The allocations of a line add up to its quantity."""

    line_id: str
    warehouse: str
    quantity: int


class Explanation(Struct, frozen=True):
    """Why a source ships a line, or does not.

    `terms` add up to `cost`. For a chosen source that is its share of the plan's cost; for another one it is what it
    would add to the rest of the plan, and nothing where a rule forbids it.
    """

    line_id: str
    warehouse: str
    quantity: int
    chosen: bool
    code: SourceCode
    reason: str
    cost: float
    terms: Mapping[str, float]


class OrderPlan(Struct, frozen=True):
    """The plan of one order. `strategy` is the one that planned it last, the default or the alternate.

    `terms` add up to its cost, in which each line without a source counts as `unsourced`.
    """

    order_id: str
    allocations: tuple[Allocation, ...]
    unsourced: tuple[str, ...]
    strategy: str
    explanations: tuple[Explanation, ...]
    terms: Mapping[str, float]


class SourcingPlan(Struct, frozen=True):
    """The plan of all orders, by id. The status `nothing` says that no line has a source.

    No plan costs less than `cost * (1 - gap)`, not counting lines that no source has (docs/adr/0017-sourcing-model.md).
    """

    orders: tuple[OrderPlan, ...]
    cost: float
    gap: float
    status: PlanStatus
    strategies: tuple[str, ...]
    terms: Mapping[str, float]
