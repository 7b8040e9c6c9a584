"""Scenario 6 as users run it: `waybill demo` on a real broker, and its stock counted from the topics by an independent
script."""

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from app.sandbox.local import broker
from tests.kafka import black_box, stocktaking
from tests.kafka.processes import waybill

COUNT = 40
END_LIMIT_S = 480.0
NOWHERE = "SOLD-OUT has no source and does not wait"
"""Of orders that come while backorders are off, for an item that no warehouse has."""
NUMBERS = {f"S{number}" for number in (*range(1, 9), *range(57, 73))} | {"S63a", "S63b", "S63c"}


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_orders_are_sourced_line_by_line_and_the_stock_adds_up(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with broker.temporary() as info:
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "TMPDIR": str(tmp_path)}
        arguments = ("demo", "--scenario", "6", "--count", str(COUNT), "--json", str(file))
        with waybill(tmp_path / "demo.log", environment, *arguments) as demo:
            code, said = demo.process.wait(END_LIMIT_S), demo.said
        with closing(black_box.Reader(info.bootstrap_servers)) as reader:
            found = reader.to_end()
    assert code == 0, said
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["requirements"] == dict.fromkeys(report["requirements"], True)
    assert report["requirements"].keys() == NUMBERS
    problems = stocktaking.problems(found)
    assert [problem for problem in problems if NOWHERE not in problem] == []
    assert any(NOWHERE in problem for problem in problems), "no order came while backorders were off"
    count = stocktaking.count(found)
    waited = {record.key for record in found if record.topic == "sourcing-result" and _waits(record)}
    assert waited, "no line had to wait for the receipts"
    assert count.left == {(*line, warehouse) for line, parts in count.given.items() for warehouse in parts}


def _waits(record: black_box.Found) -> bool:
    return bool(record.body and record.body["waits"])
