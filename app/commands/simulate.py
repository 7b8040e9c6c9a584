"""The work of `waybill sourcing simulate`: try strategies on files before they are used."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import to_builtins

from app.commands import output
from app.commands.stock import rows
from app.domain.order import AMOUNT_SCALE, Order
from app.errors import SettingError
from app.optimizer import sourcing_network, sourcing_strategy
from app.optimizer.demand import Demand, DemandLine
from app.optimizer.gazetteer import Place
from app.optimizer.sourcing_network import Network
from app.optimizer.strategy_simulation import Arrival, Difference, OrderResult, StrategyResult, differences, simulate
from app.resources import read_text
from app.sandbox.demo import order_source as order_file
from app.worker import cities
from app.worker.configured_files import SHIPPED

SHOWN_MAX: Final = 20


class Files(NamedTuple):
    """What a simulation reads; without `sources` the warehouses that ship with Waybill."""

    orders: Path
    stock: Path
    strategies: Sequence[Path]
    sources: Path | None


def run(files: Files, batch: int, *, as_json: bool) -> None:
    """Source the orders and print what came of it. Raises SettingError, DefinitionError."""
    texts = [(str(file), _text(file)) for file in files.strategies] or [_shipped("strategies")]
    tried = [(file, sourcing_strategy.load(text, file)) for file, text in texts]
    file, text = (str(files.sources), _text(files.sources)) if files.sources else _shipped("network")
    warehouses = sourcing_network.load(text, file)
    arrivals, refused = _arrivals(files.orders)
    there = _stock(files.stock, warehouses)
    outcomes = [(name, simulate(arrivals, warehouses, there, each, batch)) for name, each in tried]
    differing = differences(outcomes[0][1], outcomes[1][1]) if len(outcomes) == 2 else []
    placed = Counter(str(each.demand.place.kind) for each in arrivals)
    if as_json:
        output.data(_data(outcomes, differing, placed, refused))
    else:
        _show(outcomes, differing, placed, refused)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingError(f"{file}: cannot be read ({problem})") from problem


def _shipped(name: str) -> tuple[str, str]:
    return SHIPPED[name], read_text(SHIPPED[name])


def _arrivals(file: Path) -> tuple[list[Arrival], list[str]]:
    """Return the orders, and a sentence for each one that could not be taken."""
    find, arrivals, refused = cities.load().find, list[Arrival](), list[str]()
    for read in order_file.from_file(file, ""):
        order = order_file.as_order(read)
        if not isinstance(order, Order):
            refused.append(order.reason if order else f"order {read.source_ref}: the shopper has not finished it")
        elif bad := next((line for line in order.lines if line.quantity <= 0), None):
            refused.append(f"order {order.source_ref}: line {bad.line_id} has no quantity above 0")
        else:
            arrivals.append(Arrival(_demand(order, find(order.ship_to)), order.placed_at))
    return arrivals, refused


def _demand(order: Order, place: Place) -> Demand:
    lines = tuple(DemandLine(line.line_id, line.sku, line.quantity) for line in order.lines)
    return Demand(order.source_ref, place, lines, wanted_at=order.requested_ship_date or 0)


def _stock(file: Path, warehouses: Network) -> dict[tuple[str, str], int]:
    names = {source.warehouse for source in warehouses.sources}
    on_hand: dict[tuple[str, str], int] = {}
    for where, row in rows(file, "on_hand", "set"):
        warehouse, quantity = row.get("warehouse"), row["quantity"]
        if warehouse not in names:
            raise SettingError(f"{where}: there is no warehouse {warehouse!r}; give the network with --sources")
        try:
            on_hand[row.get("sku", ""), warehouse] = int(Decimal(quantity) * AMOUNT_SCALE)
        except ArithmeticError:
            raise SettingError(f"{where}: on_hand {quantity!r} is no number") from None
    return on_hand


def _data(
    outcomes: Sequence[tuple[str, StrategyResult]],
    differing: Sequence[Difference],
    placed: Mapping[str, int],
    refused: Sequence[str],
) -> dict[str, Any]:
    totals = [{"file": file, **to_builtins(outcome)} for file, outcome in outcomes]
    for total in totals:
        del total["results"]
    return {
        "strategies": totals,
        "differences": [to_builtins(difference) for difference in differing],
        "placed": placed,
        "refused": refused,
    }


def _show(
    outcomes: Sequence[tuple[str, StrategyResult]],
    differing: Sequence[Difference],
    placed: Mapping[str, int],
    refused: Sequence[str],
) -> None:
    for sentence in refused[:SHOWN_MAX]:
        output.line(f"left out: {sentence}")
    kinds = ", ".join(f"{count} by {kind}" for kind, count in sorted(placed.items()))
    output.line(f"{sum(placed.values())} orders, placed: {kinds}")
    _show_totals([outcome for _, outcome in outcomes])
    if len(outcomes) == 2:
        _show_differences(differing, outcomes[0][1].strategy, outcomes[1][1].strategy)
        more = len(differing) - SHOWN_MAX
        words = f"; {more} more with --json" if more > 0 else ""
        output.line(f"{len(differing)} orders differ{words}")


def _show_totals(outcomes: Sequence[StrategyResult]) -> None:
    rows = {
        "lines": [f"{outcome.lines:,}" for outcome in outcomes],
        "lines without a source": [f"{outcome.unsourced:,}" for outcome in outcomes],
        "shipments": [f"{outcome.shipments:,}" for outcome in outcomes],
        "orders in several shipments": [f"{outcome.split_orders:,}" for outcome in outcomes],
        "orders with split lines": [f"{outcome.split_lines:,}" for outcome in outcomes],
        "distance, km": [f"{outcome.km:,.0f}" for outcome in outcomes],
        "cost": [f"{outcome.cost:,.0f}" for outcome in outcomes],
        "widest gap": [f"{outcome.gap:.2%}" for outcome in outcomes],
        "plans out of time": [str(outcome.late) for outcome in outcomes],
    }
    columns = ("", *(outcome.strategy for outcome in outcomes))
    output.table(columns, [(name, *cells) for name, cells in rows.items()])


def _show_differences(differing: Sequence[Difference], first: str, second: str) -> None:
    table_rows = []
    for each in differing[:SHOWN_MAX]:
        cells = [cell for result in (each.first, each.second) for cell in (_lines(result), f"{result.km:,.0f}")]
        table_rows.append((each.order_id, *cells))
    output.table(("Order", first, "km", second, "km"), table_rows, "Orders that differ")


def _lines(result: OrderResult) -> str:
    """`EU-HAM: 1, 3; US-SEA: 2; none: 4`."""
    by: dict[str, list[str]] = {}
    for each in result.allocations:
        by.setdefault(each.warehouse, []).append(each.line_id)
    by |= {"none": list(result.unsourced)} if result.unsourced else {}
    return "; ".join(f"{warehouse}: {', '.join(lines)}" for warehouse, lines in sorted(by.items()))
