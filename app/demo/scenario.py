"""What one scenario of the specification is to the demo: its orders, where they come into being, its numbers."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from app.demo.checks import Check
from app.demo.orders import DemoOrder


@dataclass(frozen=True)
class Run:
    """What the orders of one run are made of. `store` and `stamp` are its own, so that ids never meet those of another
    run; `taken` are ids of the shop's orders that others of this run have."""

    store: str
    company: str
    stamp: str
    count: int
    taken: Collection[int] = ()


@dataclass(frozen=True)
class Scenario:
    """`seed` is the control plane's path that lets orders appear at their origin, `calls` are the providers whose API
    its orders need."""

    number: int
    flow: str
    origin: Literal["bigcommerce", "fno"]
    seed: str
    orders: Callable[[Run], Iterator[DemoOrder]]
    checks: Mapping[str, Check]
    calls: frozenset[str]
