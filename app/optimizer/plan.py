"""What the solver answers: which source ships what, how good that is, and why."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Code = Literal[
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
Status = Literal["optimal", "gap", "time limit", "nothing"]


class Allocation(Struct, frozen=True):
    """`quantity` of one line from one warehouse. The allocations of a line add up to its quantity."""

    line_id: str
    warehouse: str
    quantity: int


class Explanation(Struct, frozen=True):
    """Why a source ships a line, or not. `terms` add up to `cost`: of what was chosen its share of the plan's cost, of
    what was not the cost that it would add to the rest of the plan (nothing where a rule forbids it)."""

    line_id: str
    warehouse: str
    quantity: int
    chosen: bool
    code: Code
    reason: str
    cost: float
    terms: Mapping[str, float]


class OrderPlan(Struct, frozen=True):
    """One order. `strategy` sourced its last line: the default, or the alternate. `terms` add up to its cost, in which
    each line without a source counts as `unsourced`."""

    order_id: str
    allocations: tuple[Allocation, ...]
    unsourced: tuple[str, ...]
    strategy: str
    explanations: tuple[Explanation, ...]
    terms: Mapping[str, float]


class Plan(Struct, frozen=True):
    """All orders, by id. No plan costs less than `cost * (1 - gap)`, the cost of lines that nobody has left aside: see
    docs/adr/0017-sourcing-model.md. `nothing` says that no line has a source."""

    orders: tuple[OrderPlan, ...]
    cost: float
    gap: float
    status: Status
    strategies: tuple[str, ...]
    terms: Mapping[str, float]
