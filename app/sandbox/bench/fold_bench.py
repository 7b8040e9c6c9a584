"""The fold alone: orchestrate folds records in memory. CPU time, without Kafka."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, NamedTuple

from app.agents.orchestrate import Orchestrate
from app.sandbox.bench.journey import KINDS, OrderRecords
from app.sealing.master_keys import NO_KEYS, MasterKeys

ROUNDS: Final = 5


class FoldCost(NamedTuple):
    """One kind of input: CPU per record in microseconds, and how many records each one writes, its ledger aside."""

    label: str
    us: float
    written: float


def measure(
    make_role: Callable[[], Orchestrate], orders: Sequence[OrderRecords], master_keys: MasterKeys = NO_KEYS
) -> list[FoldCost]:
    """Return the cost of each kind: the median of some rounds, each with a new role that knows no order.

    With `master_keys` it is that of sealing too: of the fields in records, and of the ledger's values.
    """
    rounds = [_round(make_role(), orders, master_keys) for _ in range(ROUNDS)]
    return [
        FoldCost(kind.label, median(costs), sum(order.written[at] for order in orders) / len(orders))
        for at, (kind, costs) in enumerate(zip(KINDS, zip(*rounds, strict=True), strict=True))
    ]


def _round(role: Orchestrate, orders: Sequence[OrderRecords], master_keys: MasterKeys) -> list[float]:
    """Fold each kind for all orders before the next kind, as a lane meets them; commit changes at once."""
    state: dict[bytes, bytes] = {}
    costs = []
    for at in range(len(KINDS)):
        began = time.process_time_ns()
        for order in orders:
            record = order.records[at]
            role.owner_key(record)
            folded = role.fold(record, state, repeated=False)
            for key, value in folded.changes.items():
                assert value is not None, "no order is forgotten"
                state[key] = value
                if master_keys.seals:  # as the lane's log does
                    master_keys.seal_value(role.ledger, key, value)
                role.changed(key, value)
        costs.append((time.process_time_ns() - began) / 1000 / len(orders))
    return costs
