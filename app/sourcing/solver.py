"""Sources orders together: `solve` is all that others need. What it minimises: docs/adr/0017-sourcing-model.md.

The default strategy goes first; the alternate gets the lines that it leaves without a source.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from app.sourcing.answer import answer
from app.sourcing.draft import Draft
from app.sourcing.network import Network
from app.sourcing.plan import Plan
from app.sourcing.problem import Demand
from app.sourcing.search import search
from app.sourcing.strategy import Strategies
from app.sourcing.task import build


def solve(
    demands: Sequence[Demand],
    network: Network,
    stock: Mapping[tuple[str, str], int],
    strategies: Strategies,
    at_ms: int,
    used_today: Mapping[str, int],
) -> Plan:
    """The cheapest plan that the time allows. `stock` is what is available by SKU and warehouse, `used_today` how many
    order lines a warehouse already has of this day. Raises ValueError for an id that is there twice."""
    passes = [search(build(demands, network, stock, strategies.default, at_ms, used_today, {}))]
    first = passes[0].draft
    if strategies.alternate and (left := _left(first)):
        rest = _rest(first, stock, used_today)
        passes.append(search(build(left, network, rest.stock, strategies.alternate, at_ms, rest.used_today, rest.held)))
    return answer(passes)


def _left(draft: Draft) -> list[Demand]:
    """The lines that have no source yet."""
    found: list[Demand] = []
    for demand, lines in zip(draft.task.demands, draft.task.lines_of, strict=True):
        empty = tuple(draft.task.lines[line].demand for line in lines if not draft.parts[line])
        found += [replace(demand, lines=empty)] if empty else []
    return found


class _Rest(Struct, frozen=True):
    """What one pass leaves for the next."""

    stock: Mapping[tuple[str, str], int]
    used_today: Mapping[str, int]
    held: Mapping[str, frozenset[str]]


def _rest(draft: Draft, stock: Mapping[tuple[str, str], int], used_today: Mapping[str, int]) -> _Rest:
    task, left, used = draft.task, dict(stock), dict(used_today)
    for told, given in zip(task.lines, draft.parts, strict=True):
        for source, quantity in given.items():
            warehouse = task.sources[source].warehouse
            left[told.demand.sku, warehouse] -= quantity
            used[warehouse] = used.get(warehouse, 0) + 1
    held = {
        demand.order_id: frozenset(task.sources[source].warehouse for source in visits)
        for demand, visits in zip(task.demands, draft.visits, strict=True)
    }
    return _Rest(left, used, held)
