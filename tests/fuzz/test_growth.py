"""Four times the input costs about four times the work and memory, whatever it is made of: nothing by its square.

Work is CPU time of this process, the least of several runs, and only its ratio counts: four for what is linear, sixteen
for what is not.
"""

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from tests.events import connector
from tests.fuzz.records import INTAKE, SPLIT
from tests.fuzz.target import chosen
from tests.fuzz.targets import TARGETS

GROWTH = 4
RATIO_MAX = 9
RUNS = 5
NOISE_S = 0.005
"""Added to both sides: what takes less time than this is not measured."""
NOISE_BYTES = 1 << 20
ORDER = INTAKE.index("order-created")


def text(document: Any) -> bytes:
    return json.dumps(document).encode()


def order(fields: bytes) -> bytes:
    return chosen(ORDER, b'{"order_id": "x", ' + fields + b"}")


def row(**columns: Any) -> bytes:
    return SPLIT.join((b"", text(connector.envelope(after=connector.ROW | columns))))


def row_with(number: bytes) -> bytes:
    return row(Email="number").replace(b'"number"', number)


def many(count: int, piece: str) -> bytes:
    return ",".join(piece % each if "%" in piece else piece for each in range(count)).encode()


def page(rows: bytes) -> bytes:
    """A pull that is answered with these rows, and with none from then on."""
    return chosen(2, SPLIT.join((chosen(0, rows), chosen(0, b"[]"))))


SHAPES: dict[str, tuple[str, int, Callable[[int], bytes]]] = {
    "names": ("json", 3_000, lambda n: order(many(n, '"n%d":1'))),
    "lines": ("json", 3_000, lambda n: order(b'"lines":[' + many(n, "{}") + b"]")),
    "numbers": ("json", 3_000, lambda n: order(b'"lines":[' + many(n, "1.5") + b"]")),
    "names in lines": ("json", 3_000, lambda n: order(b'"lines":[{' + many(n, '"n%d":1') + b"}]")),
    "digits": ("json", 40_000, lambda n: order(b'"tax":' + b"1" * n)),
    "digits after the point": ("json", 40_000, lambda n: order(b'"tax":1.' + b"1" * n)),
    "digits with an exponent": ("json", 40_000, lambda n: order(b'"tax":' + b"1" * n + b"E0")),
    "digits as text": ("json", 40_000, lambda n: order(b'"tax":"' + b"1" * n + b'"')),
    "text": ("json", 3_000, lambda n: order(b'"customer":"' + b"x" * n + b'"')),
    "escapes": ("json", 40_000, lambda n: order(b'"customer":"' + b"\\u0001" * n + b'"')),
    "levels": ("json", 20_000, lambda n: order(b'"lines":' + b"[" * n)),
    "one name": ("json", 3_000, lambda n: order(many(n, '"a":1'))),
    "spaces": ("json", 3_000, lambda n: order(b" " * n + b'"tax":1')),
    "values": ("json", 3_000, lambda n: order(b'"values":{' + many(n, '"n%d":"x"') + b"}")),
    "columns": ("debezium", 3_000, lambda n: row(**{f"n{each}": 1 for each in range(n)})),
    "a number in a text column": ("debezium", 20_000, lambda n: row_with(b"1" * n + b"E0")),
    "lines in text": ("debezium", 3_000, lambda n: row(Lines="[" + many(n, "{}").decode() + "]")),
    "columns' types": (
        "debezium",
        3_000,
        lambda n: SPLIT.join((b"", text(connector.with_schema(connector.envelope(), {f"n{e}": {} for e in range(n)})))),
    ),
    "a key": ("debezium", 20_000, lambda n: SPLIT.join((b'{"a":' + b"[" * n, b""))),
    "a printed key": ("debezium", 3_000, lambda n: SPLIT.join((b"Struct{" + many(n, "a%d=1") + b"}", b""))),
    "headers": ("cloudevents", 3_000, lambda n: SPLIT.join((many(n, "h%d:x").replace(b",", b"\n"), b"{}"))),
    "a header": ("cloudevents", 3_000, lambda n: SPLIT.join((b"ce_time: " + b"1" * n, b"{}"))),
    "fields of a schema": (
        "connectors-avro",
        500,
        lambda n: SPLIT.join((text(record(n)), b"\0" * n)),
    ),
    "types of a schema": ("connectors-avro", 40, lambda n: SPLIT.join((text(doubled(n)), b""))),
    "schema asked for": ("registry", 500, lambda n: SPLIT.join((b"/subjects/x-value", asked(text(record(n)))))),
    "rows of a page": ("fno-replies", 3_000, lambda n: chosen(0, chosen(0, b'{"value":[' + many(n, "{}") + b"]}"))),
    "orders of a page": ("bigcommerce-replies", 500, lambda n: page(b"[" + many(n, '{"id":%d}') + b"]")),
    "documents of a page": ("sap-replies", 500, lambda n: page(b'{"d":{"results":[' + many(n, "{}") + b"]}}")),
    "a refusal": ("flexe-replies", 20_000, lambda n: chosen(0, chosen(3, b'{"message":"' + b"x" * n + b'"}'))),
    "levels of a webhook": ("webhooks", 3_000, lambda n: chosen(0, b'{"type":"shipment.shipped","data":' + b"[" * n)),
    "items of a webhook": ("webhooks", 3_000, lambda n: chosen(2, b'{"data":{' + many(n, '"n%d":1') + b"}}")),
    "signatures": ("signatures", 3_000, lambda n: SPLIT.join((b"m", b"1769860800", b"v1,A " * n, b"{}"))),
    "a date": ("waits", 20_000, lambda n: b"Mon, " + b"9" * n),
    "parts of a date": ("waits", 3_000, lambda n: b"Mon, " * n),
    "steps of a flow": ("flows", 250, lambda n: b"flow: x\nversion: 1\ntitle: x\nsteps:\n" + b"  - step: a\n" * n),
    "rules of a policy": ("policies", 250, lambda n: rules(n)),
    "levels of a file": ("policies", 3_000, lambda n: b"policy: " + b"[" * n),
    "keys of a file": ("preferences", 1_000, lambda n: many(n, "n%d: 1").replace(b",", b"\n")),
    "a setting": ("settings", 3_000, lambda n: b"KAFKA_BOOTSTRAP_SERVERS=" + b"a:1," * n),
}


def record(fields: int) -> Any:
    return {"type": "record", "name": "R", "fields": [{"name": f"f{each}", "type": "int"} for each in range(fields)]}


def doubled(times: int) -> Any:
    types: list[Any] = [{"type": "record", "name": "D0", "fields": []}]
    for each in range(times):
        fields = [{"name": name, "type": f"D{each}"} for name in "ab"]
        types.append({"type": "record", "name": f"D{each + 1}", "fields": fields})
    return {"type": "record", "name": "Last", "fields": [{"name": "all", "type": types}]}


def asked(schema: bytes) -> bytes:
    return text({"schema": schema.decode()})


def rules(count: int) -> bytes:
    head = b"policy: x\nversion: 1\ntype: validation\ncriticality: critical\napplies_to: order\nrules:\n"
    return head + b"".join(b"  - {rule: r%d, when: {currency: {equals: EUR}}}\n" % each for each in range(count))


@pytest.mark.parametrize("shape", SHAPES)
def test_work_and_memory_grow_no_faster_than_the_input(shape: str) -> None:
    name, size, make = SHAPES[shape]
    run, small, large = TARGETS[name].run, make(size), make(size * GROWTH)
    run(small)
    run(large)  # what is kept for later runs is kept now
    least = _peak(run, small) + NOISE_BYTES
    assert _peak(run, large) < RATIO_MAX * least, shape
    ratio = 0.0
    for _ in range(RUNS):
        ratio = (_seconds(run, large) + NOISE_S) / (_seconds(run, small) + NOISE_S)
        if ratio < RATIO_MAX:
            return
    raise AssertionError(f"{shape}: {GROWTH} times the input took {ratio:.1f} times the work")


def _seconds(run: Callable[[bytes], None], data: bytes) -> float:
    began = time.process_time()
    run(data)
    return time.process_time() - began


def _peak(run: Callable[[bytes], None], data: bytes) -> int:
    tracemalloc.start()
    try:
        run(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
