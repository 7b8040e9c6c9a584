"""A lane that is handed over while F+O still works on what the previous owner sent."""

import asyncio
from typing import Any

from app.agents.apply import HANDOVER_S, Apply
from app.dualwrite.write_plan import WritePlan
from app.events.catalog import CHANGED_AT_IOM, ChangeEvent
from app.events.order_records import encoded
from app.events.record import Record
from app.events.sales_order_change import ChangeSource, SalesOrderChange, SalesOrderRow
from app.lanes.lease import Lease
from app.lanes.role import Job
from app.providers.port import Code, Outcome, Result, UnsharedLease
from tests.dualwrite.rows import our_row
from tests.simulation.transaction import shared_codec
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.world import VirtualClock


class Writer:
    """F+O: notes when it was written to."""

    name, title = "fno", "F+O"

    def __init__(self) -> None:
        self.at: list[float] = []

    async def upsert(self, row: SalesOrderRow, plan: WritePlan, lease: Lease) -> Result:
        self.at.append(asyncio.get_running_loop().time())
        return Result(Outcome.OK, Code.OK, reference="SO-1")


class Unwatched:
    def called(self, *_: Any) -> None: ...


async def written_at(loop: VirtualLoop, *, repeated: bool) -> float:
    """When a creation reaches F+O that is folded right after the lane was opened."""
    writer = Writer()
    role = Apply(shared_codec(), writer, Unwatched(), VirtualClock(loop))
    role.restored(())
    row = our_row()
    change = SalesOrderChange("c", 1, None, row, ChangeSource("iom", 1, effect_id="e", action="a", attempt=1))
    order_id = row.CustomersOrderReference
    output = encoded(shared_codec(), ChangeEvent(CHANGED_AT_IOM, "id", order_id, 1, "waybill/test", "", change, ""))
    record = Record(output.topic, 0, 0, 1, output.key, output.value, tuple(output.headers))
    job = role.fold(record, {}, repeated=repeated)
    assert isinstance(job, Job)
    began = loop.time()
    await job.run(UnsharedLease())
    return writer.at[0] - began


def test_what_a_previous_owner_may_have_sent_gets_time_to_arrive_before_it_is_looked_for() -> None:
    loop = VirtualLoop()
    assert loop.run_until_complete(written_at(loop, repeated=True)) == HANDOVER_S
    assert loop.run_until_complete(written_at(loop, repeated=False)) == 0
    loop.close()
