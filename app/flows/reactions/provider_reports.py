"""Provider reports of an order's progress: which lines move, and when that is an event of the whole order. Pure.

The order's own event is raised when every line has reached the milestone, never before: a partial shipment or invoice
moves lines alone (docs/adr/0014, rows 6 and 11). Each milestone is raised once, and one that was overtaken takes
nothing back.
"""

from typing import Final

from msgspec.structs import replace

from app.domain.event_names import EventName
from app.domain.evolve import furthest_milestone, move_lines, shared_milestone, status_after
from app.domain.external_keys import line_ids
from app.domain.fulfillment_orders import stands_apart
from app.domain.lifecycle import MILESTONES, Status
from app.domain.order import Line, Order
from app.domain.order_fields import change_fields, check_bounds
from app.dualwrite.changed_fields import REMOVED, assign
from app.dualwrite.sales_order_mapping import FNO
from app.errors import RecordError
from app.events.model import ProviderEvent
from app.flows.flow_run import Run
from app.flows.milestones import AT, raise_whole

REPORTED: Final = frozenset(
    {*MILESTONES, EventName.ORDER_CONFIRMED, EventName.ORDER_CANCELED, EventName.ORDER_CHANGED, EventName.ORDER_DELAYED}
)
NOTE_CHARS_MAX: Final = 200
"""Of what a provider says about an event, in the order's timeline."""
_HEADER_ONLY: Final = frozenset({EventName.ORDER_CONFIRMED, EventName.ORDER_CHANGED, EventName.ORDER_DELAYED})
_FIXED: Final = frozenset({"source_ref", "placed_at", "channel"})
_LINES: Final = "lines."
"""How the path of a line's field begins."""
_HANDLED_HERE: Final = frozenset({"company"})


def apply_provider_event(run: Run, body: ProviderEvent) -> str:
    """Apply a report. Return why it was ignored, or "". Raises RecordError when it cannot be applied."""
    if body.event not in REPORTED:
        raise RecordError("invalid", f"no provider reports {body.event!r}; use one of {', '.join(sorted(REPORTED))}")
    body = _by_line_id(run.state.order, body)
    if body.event == EventName.ORDER_CHANGED:
        return _change_fields(run, body)
    quantities = () if body.event in _HEADER_ONLY else body.lines
    order = run.state.order
    if not quantities:
        status_after(order.state, order.reason, body.event)
    after, partials = move_lines(run.state, body.event, quantities)
    by_line = quantities or (body.event in MILESTONES and any(map(stands_apart, order.lines)))
    whole = _shared_event(run, after, body.event) if by_line else body.event
    if partials is not run.state.partials:
        run.state = replace(run.state, partials=partials)
    if whole is None:
        some = ", ".join(reported.line_id or reported.reference for reported in quantities)
        run.apply(body.event, after, note=f"partial: lines {some}" if some else "lines without a source stay")
    else:
        raise_whole(run, whole, after, body.provider, _note(body), body.reference)
    return ""


def _by_line_id(order: Order, body: ProviderEvent) -> ProviderEvent:
    """Return the report with our own line ids, where a provider whose fields are short knows lines by keys."""
    names = {path: path.removeprefix(_LINES).rpartition(".")[0] for path in body.values if path.startswith(_LINES)}
    ids = line_ids(order.lines, (*names.values(), *(line.line_id for line in body.lines)))
    if not ids:
        return body
    lines = tuple(replace(line, line_id=ids.get(line.line_id, line.line_id)) for line in body.lines)
    paths = {path: f"{_LINES}{ids[key]}.{path.rpartition('.')[2]}" for path, key in names.items() if key in ids}
    return replace(body, lines=lines, values={paths.get(path, path): text for path, text in body.values.items()})


def _shared_event(run: Run, after: Order, event: str) -> str | None:
    """Return the event of the whole order that the lines now amount to, None while they differ."""
    shared = shared_milestone(after)
    if shared is None:
        return EventName.ORDER_CANCELED
    if shared > furthest_milestone(run.state.order, run.state.raised):
        return AT[shared]
    return event if shared >= MILESTONES.get(event, 99) else None


def _note(body: ProviderEvent) -> str:
    """Return the provider, its document, and the reason where it gives one ("reason" and "detail" of its values)."""
    document = f"{body.provider} {body.reference}".strip()
    why = ", ".join(filter(None, (body.values.get("reason"), body.values.get("detail"))))
    return (f"{document}: {why}" if why else document)[:NOTE_CHARS_MAX]


def _change_fields(run: Run, body: ProviderEvent) -> str:
    """Take over fields that changed at the ERP. The company is read-only once set, there as well as here."""
    before = run.state.order
    status_after(before.state, before.reason, body.event)
    after = assign(before, {path: text for path, text in body.values.items() if path not in _HANDLED_HERE})
    if "company" in body.values:
        after, _ = change_fields(after, {"company": body.values["company"]})
    if fixed := _FIXED.intersection(body.values):
        raise RecordError("unknown-field", f"values: {', '.join(sorted(fixed))} is not a provider's to change")
    check_bounds(after)
    after = _place_added_lines(before, after)
    if after == before:
        return "no field differs from what is known"
    run.apply(body.event, after, note=f"{body.provider}: {', '.join(sorted(body.values))}")
    run.trace("", [(path, body.provider) for path in body.values if not path.endswith(f".{REMOVED}")])
    if body.provider == FNO:
        # F+O has these values already: only what follows from them is worth a row.
        run.synced_order = run.state.order
    run.offer(body.event)
    return ""


def _place_added_lines(before: Order, after: Order) -> Order:
    """Set the status of added lines: where the order stands, but goods that left without a line do not count for it."""
    ids_before = {line.line_id for line in before.lines}
    if all(line.line_id in ids_before for line in after.lines):
        return after
    shipped = furthest_milestone(before, ()) > 0
    state, reason = Status.SENT.value if shipped else (before.state, before.reason)
    lines = tuple(_started(line, state, reason) if line.line_id not in ids_before else line for line in after.lines)
    return replace(after, lines=lines)


def _started(line: Line, state: str, reason: str) -> Line:
    return replace(line, state=state, reason=reason)
