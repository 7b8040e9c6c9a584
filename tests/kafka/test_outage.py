"""Providers fail while orders run (`waybill up`): all of them complete, nothing is done twice, and orders of others do
not wait. The long form, a minute for each kind at each provider, is `waybill demo --fault`.
"""

import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from app.sandbox.local import broker
from tests.kafka import black_box, courses
from tests.kafka.processes import wait_for, waybill
from tests.kafka.seeded_orders import ANSWER_LIMIT_S, SCENARIOS, post, seed_orders

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
EACH = 12
"""Orders of each scenario in each outage: too few for one to be wrong on purpose."""
OUTAGES: list[dict[str, dict[str, str | float]]] = [
    {"flexe": {"kind": "down"}},
    {
        "sap": {"kind": "slow", "delay_ms": 3000},
        "fno": {"kind": "500", "share": 0.5},
        "bigcommerce": {"kind": "429", "share": 0.5},
    },
]
OUTAGE_S = 5
"""Flexe is away for longer than this where the orders that do not need it take longer to end."""
WITHOUT_FLEXE = (courses.BIGCOMMERCE_FNO, courses.FNO_FNO)
START_LIMIT_S = 180.0
ROUND_LIMIT_S = 240.0
QUIET_S = 2.0


@dataclass(frozen=True)
class World:
    """What was found outside in the end, and what the journal held after each outage."""

    found: list[black_box.Found]
    journals: list[list[black_box.Effect]]

    @property
    def orders(self) -> dict[str, courses.Course]:
        return courses.born(self.found, self.journals[-1])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("outage")
    with broker.temporary() as info:
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "WAYBILL_HOME": str(folder)}
        with waybill(folder / "up.log", environment, "up") as up:
            wait_for("everything runs", lambda: up.ready and black_box.answers(up.simulators()), START_LIMIT_S)
            with closing(black_box.Reader(info.bootstrap_servers)) as reader:
                journals = live_through(reader, up.simulators())
                yield World(reader.to_end(), journals)


def live_through(reader: black_box.Reader, simulators: str) -> list[list[black_box.Effect]]:
    journals, ids, orders = [], set[int](), 0
    for number, faults in enumerate(OUTAGES):
        for provider, fault in faults.items():
            seconds = ROUND_LIMIT_S if fault["kind"] == "down" else OUTAGE_S
            post(f"{simulators}/_sim/faults", {"provider": provider, "seconds": seconds, **fault})
        ids = seed_orders(simulators, EACH, f"OUT{number}", ids)
        orders += EACH * len(SCENARIOS)
        if "flexe" in faults:
            until_others_have_ended(reader)
            clear_faults(simulators)
        until_quiet(reader, orders)
        journals.append(black_box.journal(simulators))
    return journals


def until_others_have_ended(reader: black_box.Reader) -> None:
    """Until all orders have ended that do not need Flexe, or the limit: then a test says which have not."""
    began = time.monotonic()
    ends = 0
    while time.monotonic() < began + OUTAGE_S or (
        ends < len(WITHOUT_FLEXE) * EACH and time.monotonic() < began + ROUND_LIMIT_S / 2
    ):
        reader.more()
        ends = len(black_box.ended(reader.found))


def clear_faults(simulators: str) -> None:
    request = urllib.request.Request(f"{simulators}/_sim/faults", method="DELETE")
    with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as answer:
        assert answer.status < 300


def until_quiet(reader: black_box.Reader, orders: int) -> None:
    """Until so many orders have ended, and nothing has moved for a while: the shop is told after the end."""
    deadline, moved, ends = time.monotonic() + ROUND_LIMIT_S, time.monotonic(), 0
    while time.monotonic() < deadline and (ends < orders or time.monotonic() < moved + QUIET_S):
        if reader.more():
            ends, moved = len(black_box.ended(reader.found)), time.monotonic()


def test_every_order_completes_and_every_effect_happens_once(world: World) -> None:
    assert len(world.orders) == EACH * len(SCENARIOS) * len(OUTAGES)
    assert black_box.problems(world.found, world.journals[-1], world.orders) == []
    assert set(black_box.ended(world.found).values()) == {black_box.COMPLETED}


def test_orders_that_do_not_need_flexe_end_while_it_is_down(world: World) -> None:
    """All of them before the first order that was given to Flexe once it was up again."""
    first = world.journals[0]
    taken = min(effect["at"] for effect in first if (effect["provider"], effect["kind"]) == ("flexe", "order created"))
    others = [order for order, course in courses.born(world.found, first).items() if course in WITHOUT_FLEXE]
    ended = {record.key: record.at_ms for record in world.found if black_box.ended([record])}
    assert len(others) == 2 * EACH
    assert [order for order in others if ended[order] > taken] == []
