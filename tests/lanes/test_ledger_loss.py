"""A ledger that lost something is refused with a sentence, at the start and under a lane that runs."""

import pytest

from app.errors import LedgerError
from tests.lanes.example_roles import LEDGER
from tests.lanes.lane_driver import World
from tests.lanes.test_lane import check_exactly_once


async def test_a_ledger_that_was_truncated_is_refused() -> None:
    world = World()
    world.produce(b"k1", b"one", b"two")
    await (await world.open()).settle()
    world.produce(b"k2", b"one")
    await (await world.open()).settle()
    world.cluster.truncate(LEDGER, 0, 1)
    with pytest.raises(LedgerError, match=r"count-0: ledger/0 begins at offset 1: somebody deleted records of it"):
        await world.open(committed={"in-a": 3})


async def test_a_ledger_that_is_made_again_under_a_running_lane_gets_no_commit_of_it() -> None:
    world = World()
    world.produce(b"k1", b"one", b"two")
    driven = await world.open()
    await driven.settle()
    world.cluster.recreate(LEDGER)
    world.produce(b"k1", b"three")
    with pytest.raises(LedgerError, match=r"count-0: ledger/0 went back from offset \d+ to 0: it was deleted"):
        await driven.settle()
    assert len(world.outputs()) == 2
    with pytest.raises(LedgerError, match="the ledger was lost"):
        await world.open(committed={"in-a": 2})


async def test_a_ledger_that_is_made_again_right_after_a_restore_is_noticed_by_the_first_commit() -> None:
    world = World()
    world.produce(b"k1", b"one", b"two")
    await (await world.open()).settle()
    driven = await world.open()
    world.cluster.recreate(LEDGER)
    world.produce(b"k1", b"three")
    with pytest.raises(LedgerError, match="it was deleted and created again"):
        await driven.settle()


async def test_another_number_of_partitions_is_refused_and_the_former_one_goes_on() -> None:
    world = World(partitions=4)
    world.produce(b"k1", b"one", partition=2)
    world.produce(b"bc-1-100", b"one")
    for partition in range(4):
        await (await world.open(partition=partition)).settle()
    world.cluster.partitions = 8
    with pytest.raises(
        LedgerError, match=r"ledger was written with 4 partitions, now there are 8\. .*_PARTITIONS to 4"
    ):
        await world.open(partition=2)
    world.cluster.partitions = 4
    for partition in range(4):
        await (await world.open(partition=partition)).settle()
    check_exactly_once(world, {b"k1": 1, b"bc-1-100": 1})
