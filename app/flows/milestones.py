"""Milestones of the order as a whole: each is raised once, when all its lines have reached it. Pure."""

from typing import Final

from msgspec.structs import replace

from app.domain.evolve import is_overtaken, move_order, status_after
from app.domain.lifecycle import MILESTONES
from app.domain.order import Order
from app.flows import event_bodies
from app.flows.flow_run import Run

AT: Final = {rank: event for event, rank in MILESTONES.items()}


def raise_whole(run: Run, event: str, after: Order, provider: str, note: str, reference: str = "") -> None:
    """Apply `event` to the order as a whole, whose lines stand as in `after` already. Raises RecordError."""
    status_after(after.state, after.reason, event)
    if not is_overtaken(run.state, event):
        after = move_order(after, event)
    event_id = ""
    if event in MILESTONES and event not in run.state.raised:
        run.state = replace(run.state, raised=(*run.state.raised, event))
        event_id = run.emit(event, event_bodies.order_progressed(after, provider, reference))
    waits = run.flow.awaited.get(event, ())
    step = waits[0].name if waits else ""
    run.apply(event, after, step=step, event_id=event_id, note=note)
    run.offer(event)
