"""Which orders the demo runs: its own, or a file of BigCommerce orders in expanded V2 shape, one a line."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, Final

from app.demo.orders import DemoOrder, bigcommerce_orders, fno_orders
from app.errors import SettingError

COMPANY: Final = "usmf"
SEED: Final = 20261124
ORDERS_MAX: Final = 100_000
LINE_BYTES_MAX: Final = 1 << 20


def store(stamp: str) -> str:
    """The shop of one run: its own, so that ids never meet those of an earlier run on the same broker."""
    return f"demo{stamp}"


def choose(scenarios: Sequence[int], each: int, file: Path | None, stamp: str) -> list[DemoOrder]:
    """`each` orders of every scenario; scenario 1 takes the file's orders where one is given. `stamp` is part of all ids."""
    chosen: list[Iterator[DemoOrder]] = []
    if 1 in scenarios:
        chosen.append(from_file(file, stamp) if file else bigcommerce_orders(store(stamp), each, SEED))
    if 4 in scenarios:
        chosen.append(fno_orders(COMPANY, stamp, each, SEED + 4))
    return list(islice(chain(*chosen), ORDERS_MAX))


def from_file(file: Path, stamp: str) -> Iterator[DemoOrder]:
    """Raises SettingError that names file, line and what is wrong."""
    seen: set[int] = set()
    try:
        with file.open("rb") as lines:
            for number, line in zip(count(1), lines, strict=False):
                if line.strip():
                    wire = _order(file, number, line)
                    if wire["id"] in seen:
                        raise SettingError(
                            f"{file}:{number}: order id {wire['id']} is there twice; each order needs its own"
                        )
                    seen.add(wire["id"])
                    yield DemoOrder(f"bc-{store(stamp)}-{wire['id']}", str(wire["id"]), 1, None, wire)
    except OSError as problem:
        raise SettingError(
            f"{file}: cannot be read ({problem.strerror}); --orders takes a file of one JSON order a line"
        ) from problem


def _order(file: Path, number: int, line: bytes) -> dict[str, Any]:
    if len(line) > LINE_BYTES_MAX:
        raise SettingError(f"{file}:{number}: the line has {len(line)} bytes, at most {LINE_BYTES_MAX} are taken")
    try:
        wire = json.loads(line)
    except ValueError as problem:
        raise SettingError(
            f"{file}:{number}: not JSON ({problem}); one BigCommerce V2 order a line is expected"
        ) from problem
    if not isinstance(wire, dict) or not isinstance(wire.get("id"), int) or not isinstance(wire.get("products"), list):
        raise SettingError(
            f"{file}:{number}: not an expanded BigCommerce V2 order; it needs an integer `id` and a list `products`"
        )
    return wire
