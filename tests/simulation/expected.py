"""What must become of the orders and of the bad records of a world: noted when they are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Ends = tuple[tuple[str, str], ...]
COMPLETED: Final = ("Completed", "Fulfilled")
REFUSED: Final = ("Canceled", "Validation failed")
CANCELED: Final = ("Canceled", "Canceled")
EXPIRED: Final = ("Canceled", "Backorder expired")

KINDS: Final[Mapping[str, int]] = {
    "shop": 1, "web": 1, "shop for flexe": 2, "web for flexe": 2, "erp for flexe": 3, "erp": 4, "erp for sap": 5,
    "shop for dom": 6, "web for dom": 6,
}  # fmt: skip
"""Kinds of orders, and the scenario that each one takes."""
SHIPPED_BY_FLEXE: Final = frozenset({2, 3, 5})
MADE_AT_FNO: Final = frozenset({1, 2, 6})
"""Scenarios whose orders are created at F+O by us."""
SOURCED: Final = 6
BORN_AT_FNO: Final = frozenset({3, 4, 5})
NEVER_WRITTEN_TO_FNO: Final = frozenset({4, 5})
TOLD_THE_SHOP: Final[Mapping[int, tuple[list[int], ...]]] = {
    1: ([2], [10], [2, 10]), 2: ([10],), 6: ([2], [10], [2, 10]),
}  # fmt: skip
"""The statuses of the shop, one after another, that an order of each scenario may be given."""


@dataclass
class Expectation:
    """`ends` are the statuses that the order may end in, `lines` how many it has, `pieces` of all of them."""

    scenario: int
    ends: Ends
    lines: int
    pieces: int
    shop_id: int = 0
    """The shop's id of an order that is told to it; 0 otherwise."""
    erp: tuple[str, str] = ("", "")
    """Company and number of an order born in F+O."""
    course: str = ""
    """What happens to it apart from what always does."""
    happened: bool = False
    """Whether F+O took a change of its people."""


@dataclass
class Expected:
    """`bad` are the codes of records that are no good, by where they lie."""

    orders: dict[str, Expectation] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
