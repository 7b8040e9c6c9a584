"""Stock counted from the topics alone: who was promised what, what came in, what left. Nothing of `app` is imported.

    python -m tests.kafka.stocktaking HOST:PORT [STOCK.json]

STOCK.json is what `waybill stock list --json` says; with it, what the product believes is held against the count. It
must be taken when nothing moves any more. A count (`set`) is understood as long as it comes before lines leave.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.kafka.black_box import Found, Reader, doubled

ANSWERS: Final = ("sourced", "partial", "none")
NONE: Final = Decimal(0)
Line = tuple[str, str]
"""Order and line."""
Place = tuple[str, str]
"""SKU and warehouse."""


@dataclass
class Count:
    """What the topics say, in pieces."""

    asked: dict[Line, tuple[str, Decimal]] = field(default_factory=dict)
    effects: dict[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    given: dict[Line, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    promises: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    waiting: dict[str, set[str]] = field(default_factory=dict)
    received: dict[Place, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    left: set[tuple[str, str, str]] = field(default_factory=set)
    freed: set[tuple[str, str, str]] = field(default_factory=set)
    gave_up: set[Line] = field(default_factory=set)

    def on_hand(self, place: Place) -> Decimal:
        return self.received[place] - self._sum(place, self.left)

    def reserved(self, place: Place) -> Decimal:
        everything = {(*line, warehouse) for line, parts in self.given.items() for warehouse in parts}
        return self._sum(place, everything - self.left - self.freed)

    def _sum(self, place: Place, parts: Iterable[tuple[str, str, str]]) -> Decimal:
        sku, at = place
        chosen = (part for part in parts if part[2] == at and self.asked[part[:2]][0] == sku)
        return sum((self.given[part[:2]][at] for part in chosen), NONE)


def count(found: Iterable[Found]) -> Count:
    """Reads records in the order of their partitions; a forwarded copy is the record that it copies."""
    made = Count()
    seen: set[str] = set()
    known = [record for record in found if record.topic in _TAKERS and record.body is not None]
    for record in sorted(known, key=lambda each: (_TOPICS.index(each.topic), each.offset)):
        if record.event_id not in seen:
            seen.add(record.event_id)
            _TAKERS[record.topic](made, record.body or {})
    return made


def _asked(made: Count, body: Mapping[str, Any]) -> None:
    order = body["order"]
    made.effects[body["effect_id"]] = order["order_id"]
    for line in order["lines"]:
        made.asked[order["order_id"], line["line_id"]] = (line["sku"], line["quantity"])


def _answered(made: Count, body: Mapping[str, Any]) -> None:
    order = body["order_id"]
    if body["outcome"] in ANSWERS:
        made.answers[body["effect_id"]] += 1
    for issued in body["fulfillment_orders"]:
        for part in issued["lines"]:
            made.promises[order, part["line_id"], issued["warehouse"]] += 1
            made.given[order, part["line_id"]][issued["warehouse"]] = part["quantity"]
    made.waiting[order] = {part["line_id"] for part in body["unsourced"]} if body["waits"] else set()


def _moved(made: Count, body: Mapping[str, Any]) -> None:
    place = (body["sku"], body["warehouse"])
    quantity = Decimal(body["quantity"])
    made.received[place] = quantity if body["kind"] == "set" else made.received[place] + quantity


def _closed(made: Count, body: Mapping[str, Any]) -> None:
    for part in body["lines"]:
        line = (body["order_id"], part["line_id"])
        sources = [part["warehouse"]] if part["warehouse"] else list(made.given.get(line, ()))
        closed = made.left if body["command"] == "confirm" else made.freed
        closed |= {(*line, warehouse) for warehouse in sources} - made.left - made.freed
        if body["command"] == "release" and not part["warehouse"]:
            made.gave_up.add(line)


_TAKERS: Final = {
    "sourcing-requested": _asked,
    "sourcing-result": _answered,
    "stock-change": _moved,
    "sourcing-command": _closed,
}
_TOPICS: Final = tuple(_TAKERS)
"""In the order in which they are read: what was given is known before anybody gives it back."""


def problems(found: Sequence[Found], believed: Sequence[Mapping[str, str]] | None = None) -> list[str]:
    """Whatever breaks the promise: no SKU oversold, no reservation lost or made twice, nobody forgotten."""
    made = count(found)
    results = [record for record in found if record.topic == "sourcing-result"]
    said = [*doubled(results), *_answers(made), *_lines(made), *_places(made), *_patience(made)]
    said += (f"set aside: {record}: {record.headers}" for record in found if record.topic == "dead-letter")
    return said + list(_beliefs(made, believed) if believed is not None else ())


def _answers(made: Count) -> Iterator[str]:
    for effect, order in made.effects.items():
        if made.answers[effect] != 1:
            yield f"{order}: {made.answers[effect]} answers to its request"
    for effect in made.answers.keys() - made.effects.keys():
        yield f"an answer to {effect}, which nobody asked"


def _lines(made: Count) -> Iterator[str]:
    for line, (sku, wanted) in made.asked.items():
        parts = made.given.get(line, {})
        times = max((made.promises[(*line, warehouse)] for warehouse in parts), default=0)
        if times > 1:
            yield f"{line}: {sku} was promised {times} times"
        if parts and sum(parts.values()) != wanted:
            yield f"{line}: {wanted} of {sku} are wanted, {parts} are promised"
        if not parts and line[1] not in made.waiting.get(line[0], ()) and line not in made.gave_up:
            yield f"{line}: {sku} has no source and does not wait"
    for line in made.given.keys() - made.asked.keys():
        yield f"{line} was sourced and is not known"


def _places(made: Count) -> Iterator[str]:
    for place in _all_places(made):
        if (promised := made.reserved(place)) > (there := made.on_hand(place)):
            yield f"{place} is oversold: {promised} are promised, {there} are there"


def _patience(made: Count) -> Iterator[str]:
    """A line waits only while there is too little for it, whichever way it is put together."""
    free: dict[str, Decimal] = defaultdict(Decimal)
    for place in _all_places(made):
        free[place[0]] += max(NONE, made.on_hand(place) - made.reserved(place))
    for order, lines in made.waiting.items():
        for line in lines:
            sku, wanted = made.asked[order, line]
            if (order, line) not in made.gave_up and wanted <= free[sku]:
                yield f"{(order, line)}: waits for {wanted} of {sku} while {free[sku]} are free"


def _beliefs(made: Count, believed: Sequence[Mapping[str, str]]) -> Iterator[str]:
    stated = {(row["sku"], row["warehouse"]): row for row in believed}
    for place in sorted({*_all_places(made), *stated}):
        row = stated.get(place, {})
        for name, counted in (("on_hand", made.on_hand(place)), ("reserved", made.reserved(place))):
            if Decimal(row.get(name, "0")) != counted:
                yield f"{place}: {name} is {counted}, Waybill says {row.get(name, 'nothing')}"


def _all_places(made: Count) -> list[Place]:
    promised = {(made.asked[line][0], at) for line, parts in made.given.items() if line in made.asked for at in parts}
    return sorted({*made.received, *promised})


def main() -> int:
    if not 2 <= len(sys.argv) <= 3:
        sys.stderr.write(__doc__ or "")
        return 2
    believed = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")) if len(sys.argv) == 3 else None
    with closing(Reader(sys.argv[1])) as reader:
        found = reader.to_end()
    said = problems(found, believed)
    made = count(found)
    counted = f"{len(made.given)} lines sourced, {len(made.left)} left, {len(made.freed)} freed"
    sys.stdout.write(
        "\n".join([f"{len(made.effects)} requests, {counted}", *said[:100], f"{len(said)} problems"]) + "\n"
    )
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
