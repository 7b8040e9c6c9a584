"""The stock of scenario 6: what the warehouses have at first and what comes in later, from files or made to fit.

Written as any producer would write it (JSON on stock-change), and checked against the sourcing results: nothing is
given away twice, and only what cannot be covered waits.
"""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NamedTuple

from app.errors import SettingError
from app.kafka.clients import AIOKafkaProducer
from app.sandbox.demo.evidence import Case, ObservedRecord
from app.sandbox.demo.made_orders import COMPLETED, DemoOrder
from app.sandbox.demo.scenarios.bigcommerce_dom_fno_fno import answer, lacking, results, shipped

TOPIC: Final = "stock-change"
POOL: Final = "main"
"""Pool of the warehouses. As the key it brings a record to the pool's lane at once."""
ROWS_MAX: Final = 100_000
SHARES: Final = (("EU", "EU-HAM", 50), ("US", "US-SEA", 30), ("SA", "SA-GRU", 20))
"""Site, warehouse, and its share of what is there, in percent: the warehouses that ship with Waybill."""
SCARCE_EVERY: Final = 5
"""One item in so many has less at first than is ordered."""
SCARCE_PERCENT: Final = 60


class StockRow(NamedTuple):
    """A quantity of an item at a warehouse."""

    sku: str
    site: str
    warehouse: str
    quantity: Decimal


class StockFiles(NamedTuple):
    """CSV files of the warehouses, of their stock, and of receipts that come in later."""

    sources: Path | None
    stock: Path
    receipts: Path | None


@dataclass(frozen=True)
class Supply:
    """Stock of one round: what is there at first, and the receipts.

    `sources` is the file of the warehouses, None for those that ship with Waybill. `kind`: the opening stock is set, or
    added to what is left. `soon`: receipts come as soon as something waits, not when all orders were answered.
    """

    opening: Sequence[StockRow]
    receipts: Sequence[StockRow]
    sources: Path | None = None
    kind: str = "set"
    soon: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables of the workers that know the warehouses."""
        return {} if self.sources is None else {"WAYBILL_NETWORK_FILE": str(self.sources.resolve())}


def read(sources: Path | None, stock: Path, receipts: Path | None) -> Supply:
    """Read CSV files: stock has sku, site, warehouse, on_hand, receipts have quantity instead. Raises SettingError."""
    return Supply(_rows(stock, "on_hand"), _rows(receipts, "quantity") if receipts else (), sources)


def _rows(file: Path, column: str) -> list[StockRow]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            header = ("sku", "site", "warehouse", column)
            if missing := [name for name in header if name not in (reader.fieldnames or ())]:
                raise SettingError(f"{file}: the column {missing[0]!r} is missing; the header is {','.join(header)}")
            rows = [_row(file, reader.line_num, row, column) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise SettingError(f"{file}: cannot be read as CSV: {problem}") from problem
    if len(rows) > ROWS_MAX:
        raise SettingError(f"{file}: more than {ROWS_MAX} rows; split the file")
    return rows


def _row(file: Path, line: int, row: Mapping[str, str | None], column: str) -> StockRow:
    try:
        quantity = Decimal(row[column] or "")
    except InvalidOperation:
        raise SettingError(f"{file}:{line}: {column} {row[column]!r} is no number") from None
    if not row["sku"] or not row["warehouse"] or not quantity.is_finite() or quantity < 0:
        raise SettingError(f"{file}:{line}: sku, warehouse and a {column} of 0 or more are needed")
    return StockRow(row["sku"], row["site"] or "", row["warehouse"], quantity)


def made_for(orders: Iterable[DemoOrder]) -> Supply:
    """Return stock that covers these orders, but for one item in five; receipts bring the rest of that."""
    quantities: Counter[str] = Counter()
    for order in orders:
        if order.expected in (COMPLETED, None):
            quantities += _ordered(order)
    opening, receipts = [], []
    for position, (sku, quantity) in enumerate(sorted(quantities.items())):
        scarce = position % SCARCE_EVERY == 0
        here = quantity * SCARCE_PERCENT // 100 if scarce else quantity
        parts = [here * share // 100 for _, _, share in SHARES]
        parts[0] += here - sum(parts)
        opening += [
            StockRow(sku, site, warehouse, Decimal(part))
            for (site, warehouse, _), part in zip(SHARES, parts, strict=True)
        ]
        if scarce:
            site, warehouse, _ = SHARES[0]
            receipts.append(StockRow(sku, site, warehouse, Decimal(quantity - here)))
    return Supply(opening, receipts)


def _ordered(order: DemoOrder) -> Counter[str]:
    quantities: Counter[str] = Counter()
    for product in order.wire["products"]:
        quantities[product["sku"]] += product["quantity"]
    return quantities


async def write(producer: AIOKafkaProducer, rows: Iterable[StockRow], kind: str, reference: str) -> None:
    """Write stock changes. `kind`: `set` for what is there, `add` for what comes in."""
    for row in rows:
        body = {**row._asdict(), "quantity": str(row.quantity), "kind": kind, "reference": reference}
        headers = [("ce_id", f"{reference}/{row.warehouse}/{row.sku}".encode())]
        await producer.send(TOPIC, json.dumps(body).encode(), POOL.encode(), headers=headers)
    await producer.flush()


Place = tuple[str, str]
"""SKU and warehouse."""
Amounts = dict[Place, Decimal]
Items = Mapping[str, tuple[str, Decimal]]
"""SKU and quantity by line."""


def holds(supplies: Sequence[Supply], cases: Iterable[Case]) -> bool:
    """Check that nothing was given away that was not there, and that something had to wait.

    Where receipts came after all answers, what waited before them could not have been covered.
    """
    orders_with_items = [(case, _items(case)) for case in cases if results(case)]
    opening = _stock(row for supply in supplies for row in supply.opening)
    receipts = _stock(row for supply in supplies for row in supply.receipts)
    in_all = _used((items, results(case)) for case, items in orders_with_items)
    oversold = any(used > opening[place] + receipts[place] for place, used in in_all.items())
    waiting = [items[line_id] for case, items in orders_with_items for line_id in lacking(answer(case))]
    at_first = _used((items, [answer(case)]) for case, items in orders_with_items)
    in_time = any(supply.soon for supply in supplies) or _could_not(opening, at_first, waiting)
    return bool(waiting) and not oversold and in_time


def _could_not(opening: Amounts, used: Amounts, waiting: Iterable[tuple[str, Decimal]]) -> bool:
    """Return whether what is left of the opening stock covers no line that waits."""
    remaining: dict[str, Decimal] = defaultdict(Decimal)
    for (sku, warehouse), there in opening.items():
        if used[sku, warehouse] > there:
            return False
        remaining[sku] += there - used[sku, warehouse]
    return not any(remaining[sku] >= quantity for sku, quantity in waiting)


def _items(case: Case) -> Items:
    (created,) = case.on("order-created")
    return {line["line_id"]: (line["sku"], Decimal(line["quantity"])) for line in created.body["order"]["lines"]}


def _used(results_by_order: Iterable[tuple[Items, list[ObservedRecord]]]) -> Amounts:
    used: Amounts = defaultdict(Decimal)
    for items, records in results_by_order:
        for line_id, warehouse, quantity in shipped(records).elements():
            used[items[line_id][0], warehouse] += quantity
    return used


def _stock(rows: Iterable[StockRow]) -> Amounts:
    stock: Amounts = defaultdict(Decimal)
    for row in rows:
        stock[row.sku, row.warehouse] += row.quantity
    return stock
