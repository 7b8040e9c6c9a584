"""The measurement measures what it says: whole orders, in order, each output once; and its arithmetic is right."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from app.agents import order_ledger
from app.domain.order import OrderState
from app.errors import WaybillError
from app.events import codec
from app.sandbox.bench import bench_report, fold_bench
from app.sandbox.bench.broker_bench import Outputs, Restore, Wave
from app.sandbox.bench.fold_bench import FoldCost
from app.sandbox.bench.journey import KINDS, LINES, an_order, journeys
from app.sandbox.bench.machine import usage
from app.sandbox.bench.run_bench import OnBroker, RoleFigures, role_maker, run
from app.sandbox.local.up import simulated

CODEC = codec.load()
MAKE_ROLE = role_maker(simulated({}, 1))
PLACED_AT = 1_760_000_000_000


def test_every_order_goes_all_the_way() -> None:
    role = MAKE_ROLE(CODEC)
    for order in journeys(role, CODEC, 20, PLACED_AT):
        state: dict[bytes, bytes] = {}
        for record in order.records:
            folded = role.fold(record, state, repeated=False)
            assert folded.outcome == "applied"
            state |= {key: value for key, value in folded.changes.items() if value is not None}
        (kept,) = state.values()
        end = order_ledger.decode(kept)
        assert isinstance(end, OrderState)
        assert (end.order.state, end.order.reason, len(end.order.lines)) == ("Completed", "Fulfilled", LINES)
        assert (end.effects, end.timers) == ((), ())


def test_the_same_orders_come_in_every_run() -> None:
    first, second = (list(journeys(MAKE_ROLE(CODEC), CODEC, 3, PLACED_AT)) for _ in range(2))
    assert first == second
    assert len({an_order(number, PLACED_AT).order_id for number in range(100)}) == 100


def test_the_fold_is_measured_for_each_kind() -> None:
    orders = list(journeys(MAKE_ROLE(CODEC), CODEC, 3, PLACED_AT))
    costs = fold_bench.measure(lambda: MAKE_ROLE(CODEC), orders)
    assert [cost.label for cost in costs] == [kind.label for kind in KINDS]
    assert [cost.written for cost in costs] == list(orders[0].written) == [7, 1, 2, 3, 0, 3, 0]
    assert all(cost.us > 0 for cost in costs)


def test_rates_count_what_was_read_and_what_was_written() -> None:
    waves = [Wave("a", 100, 2.0, 1.0, 0.5), Wave("b", 100, 2.0, 1.0, 0.5)]
    role = OnBroker(Restore(10, 0.5, 4096.0), waves, Outputs(300, 900, 900, 0))
    rates = bench_report.rates(role)
    assert (rates["read"], rates["written"]) == (200, 600)
    assert (rates["read_per_s"], rates["written_per_s"], rates["events_per_s"]) == (50, 150, 200)
    assert (rates["read_per_cpu_s"], rates["cpu_us_per_read"], rates["cpu_us_per_event"]) == (100, 10_000, 2_500)
    assert (rates["cores_used"], rates["broker_cores_used"]) == (0.5, 0.25)


@pytest.mark.parametrize("doubled", [0, 3])
def test_people_are_told_of_doubled_outputs(doubled: int) -> None:
    role = OnBroker(Restore(10, 0.5, 4096.0), [Wave("a", 100, 2.0, 1.0, 0.5)], Outputs(100, 203, 200, doubled))
    found = RoleFigures({"cpu": "x"}, [FoldCost("a", 10.0, 2.0)], role)
    shown = io.StringIO()
    bench_report.show(found, Console(file=shown, width=200))
    assert f"203 outputs of 200 expected ones, {doubled} of them twice" in shown.getvalue()
    assert bench_report.as_json(found)["outputs"]["doubled"] == doubled


def test_a_process_tells_what_it_used() -> None:
    assert usage(os.getpid()).resident > 1 << 20
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(WaybillError, match="did it end"):
        usage(ended.pid)


@pytest.mark.kafka
@pytest.mark.timeout(600)
async def test_the_role_writes_every_output_once(tmp_path: Path) -> None:
    found = await run(40, 100, False, tmp_path, lambda _: None)
    assert found.on_broker is not None
    assert [wave.records for wave in found.on_broker.waves] == [40] * len(KINDS)
    outputs = found.on_broker.outputs
    assert (outputs.records, outputs.doubled) == (outputs.expected, 0)
    assert found.on_broker.restore.orders == 100
