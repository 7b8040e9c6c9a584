"""Orders as large as records may be: what is sent to F+O can come back, and what could not is held with the reason."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from app.domain.order import Order
from app.events.intake_limits import RECORD_BYTES_MAX, TEXT_CHARS_MAX
from app.providers.fno.client import Fno
from app.sandbox.vendors.fno import FnoSimulator
from app.sandbox.vendors.host import SimulatorOptions, serve
from tests.agents.fno_pipeline import FnoPipeline
from tests.flows.journey import a_line, an_order

STAGES = ("Confirmed", "Picked", "Delivered", "Invoiced")


@pytest.fixture
async def pipeline() -> AsyncIterator[FnoPipeline]:
    async with serve(SimulatorOptions()) as simulators:
        simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES, 1))
        url = f"{simulators.base_url}/fno"
        writer = Fno(url, f"{url}/token", "simulated-client", lambda: "simulated-fno-secret")
        yield FnoPipeline(simulators, writer)
        await writer.close()


def order_of(lines: int) -> Order:
    each = {"name": "n" * TEXT_CHARS_MAX, "quantity": 10_000, "unit_price": 10_000, "total": 10_000}
    order = an_order(order_id="large", origin="external", channel="external", source_ref="large")
    amount = lines * 10_000
    return replace(
        order,
        lines=tuple(a_line(number, **each) for number in range(1, lines + 1)),
        subtotal=amount,
        total=amount,
        shipping=0,
        tax=0,
        discount=0,
    )


async def test_the_largest_order_that_is_sent_comes_back(pipeline: FnoPipeline) -> None:
    await pipeline.create(order_of(lines=380))
    await pipeline.until(lambda: pipeline.status("large") == ("Completed", "Fulfilled"))
    rows = pipeline.simulators.of(FnoSimulator).rows.rows  # type: ignore[attr-defined]
    assert 0.9 * RECORD_BYTES_MAX < max(len(value) for _, value in rows if value) <= RECORD_BYTES_MAX
    assert pipeline.dead == []


async def test_an_order_that_could_not_come_back_is_held_and_says_why(pipeline: FnoPipeline) -> None:
    await pipeline.create(order_of(lines=420))
    state = pipeline.state("large")
    assert state.order.state == "On Hold"
    assert any("too large for F+O: a change of it would come back as" in entry.note for entry in state.timeline)
    assert pipeline.at_fno() == []
    assert pipeline.dead == []
