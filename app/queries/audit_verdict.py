"""The verdict of an audit: how many orders stand where, and what is wrong with which of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.queries import audit_inputs, audit_outputs
from app.queries.audit import Discrepancy, DiscrepancyKind, LogLimits, OrderAudit, Standing

LISTED_MAX: Final = 1_000
"""Orders that are named of each kind; all are counted."""
SHOWN: Final = (Standing.COMPLETED, Standing.CANCELED, Standing.REFUSED, Standing.HELD, Standing.UNDER_WAY)


@dataclass
class Verdict:
    """The ledger of truth. `orders` counts by standing, `wrong` the orders by kind of discrepancy; both in orders.

    `not_asked`: providers that were to be asked what they have, and why they no longer were.
    """

    orders: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    listed: list[tuple[str, Discrepancy]] = field(default_factory=list)
    records: int = 0
    dead_letters: int = 0
    not_asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """Orders that were taken in, whatever became of them."""
        return sum(self.orders[standing] for standing in (*SHOWN, Standing.NOT_IN_LEDGER))

    @property
    def is_true(self) -> bool:
        """Whether nothing is lost, doubled or differs."""
        return not any(self.wrong[kind] for kind in DiscrepancyKind if kind is not DiscrepancyKind.UNOBSERVABLE)

    def take(self, order: OrderAudit, limits: LogLimits) -> None:
        """Judge an order and count it."""
        self.orders[order.standing] += 1
        self.records += len(order.records)
        problems = discrepancies(order, limits)
        for kind in dict.fromkeys(each.kind for each in problems):
            self.wrong[kind] += 1
            if self.wrong[kind] <= LISTED_MAX:
                self.listed += [(order.order_id, each) for each in problems if each.kind is kind]

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values. Others rely on its shape: it only grows."""
        return {
            "accepted": self.accepted,
            **{standing.replace(" ", "_"): self.orders[standing] for standing in (*SHOWN, Standing.SET_ASIDE)},
            **{str(kind): self.wrong[kind] for kind in DiscrepancyKind},
            "dead_letters": self.dead_letters,
            "records": self.records,
            "providers_not_asked": dict(self.not_asked),
            "discrepancies": [
                {"order_id": order_id, "kind": str(each.kind), "what": each.what, "where": each.where}
                for order_id, each in self.listed
            ],
        }


def discrepancies(order: OrderAudit, limits: LogLimits) -> list[Discrepancy]:
    """Return all that is wrong with an order."""
    checks = (*audit_inputs.CHECKS, *audit_outputs.CHECKS)
    return [discrepancy for check in checks for discrepancy in check(order, limits)]


def judge(orders: Iterable[OrderAudit], limits: LogLimits) -> Verdict:
    """Return the verdict on all orders."""
    verdict = Verdict()
    for order in orders:
        verdict.take(order, limits)
    return verdict
