"""What one scenario of the specification is to the demo: its orders, where they come into being, its numbers."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.step_checks import Check


@dataclass(frozen=True)
class OrderSeries:
    """What the orders of one scenario in one run are made of: `count` of them.

    `store` and `stamp` are the run's own, so that ids never meet those of another run. `used_ids` are those of the
    shop's orders that the run has already.
    """

    store: str
    company: str
    stamp: str
    count: int
    used_ids: Collection[int] = ()


@dataclass(frozen=True)
class Scenario:
    """One scenario: its flow, its orders and its checks by number.

    `seed` is the control plane's path that makes orders appear at their origin, `calls` are the providers whose API its
    orders need.

    `by_line` says that F+O's reports name lines, because not all of an order may be there. `sent_by` is the step that
    sends the order to whoever fulfills it, `asked_on` the topic of what follows from its assignment.
    """

    number: int
    flow: str
    origin: Literal["bigcommerce", "fno"]
    seed: str
    orders: Callable[[OrderSeries], Iterator[DemoOrder]]
    checks: Mapping[str, Check]
    calls: frozenset[str]
    by_line: bool = False
    sent_by: str = "send"
    asked_on: str = ""
