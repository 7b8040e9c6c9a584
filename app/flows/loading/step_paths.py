"""The paths between steps, along the events of a flow: reachability, loops, what comes after, overtaken waits. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from app.domain.event_names import EventName
from app.flows.loading.flow_spec import FlowSpec, StepSpec

Neighbours = Callable[[StepSpec], Iterable[StepSpec]]

STOPS: Mapping[str, str] = {"hold": EventName.ORDER_HELD, "reject": EventName.ORDER_REJECTED}
"""Failure edge -> the event that it raises; a noted failure raises none."""
FROM_OUTSIDE: frozenset[str] = frozenset({EventName.ORDER_CREATED, EventName.ORDER_CHANGED, EventName.ORDER_CANCELED})
"""Events that reach every order, waited for or not."""


def inputs(step: StepSpec) -> tuple[str, ...]:
    """Return the events that get a step going."""
    return step.after if step.wait else step.on


def outcomes(step: StepSpec) -> tuple[str, ...]:
    """Return the events that a step leads to when it succeeds."""
    return tuple(event for event in (step.wait, step.emits) if event)


def raised_events(step: StepSpec) -> tuple[str, ...]:
    """Return all events that a step leads to, failures included."""
    stop = STOPS.get(step.otherwise or "")
    return outcomes(step) if stop is None else (*outcomes(step), stop)


def reachable_steps(spec: FlowSpec) -> frozenset[str]:
    """Return the names of the steps that some order can reach."""
    events, reached = set(FROM_OUTSIDE), set[str]()
    while True:
        new = [step for step in spec.steps if step.step not in reached and events.intersection(inputs(step))]
        if not new:
            return frozenset(reached)
        reached.update(step.step for step in new)
        events.update(event for step in new for event in raised_events(step))


def downstream(spec: FlowSpec, step: StepSpec) -> frozenset[str]:
    """Return the names of the steps that come after `step`."""
    return frozenset(later.step for later in _walk(step, lambda at: _after(spec, at)))


def overtaken_waits(spec: FlowSpec, step: StepSpec) -> tuple[str, ...]:
    """Return the waits that are over when the event of `step` came: its own, and those before it on the way."""
    earlier = {before.step for before in _walk(step, lambda at: _before(spec, at)) if before.wait}
    return tuple(other.step for other in spec.steps if other.step in earlier or other is step)


def carried_out(spec: FlowSpec, step: StepSpec) -> tuple[str, ...]:
    """Return the calls that must have arrived when the event of `step` came: those of its provider before it."""
    earlier = {before.step for before in _walk(step, lambda at: _before(spec, at)) if before.provider == step.source}
    return tuple(other.step for other in spec.steps if other.step in earlier and other.action)


def loops(spec: FlowSpec) -> Iterator[StepSpec]:
    """Yield the steps that come after themselves."""
    return (step for step in spec.steps if step.step in downstream(spec, step))


def _after(spec: FlowSpec, step: StepSpec) -> Iterable[StepSpec]:
    events = set(outcomes(step))
    return (other for other in spec.steps if events.intersection(inputs(other)))


def _before(spec: FlowSpec, step: StepSpec) -> Iterable[StepSpec]:
    events = set(inputs(step))
    return (other for other in spec.steps if events.intersection(outcomes(other)))


def _walk(start: StepSpec, neighbours: Neighbours) -> Iterator[StepSpec]:
    visited: set[str] = set()
    waiting = list(neighbours(start))
    while waiting:
        step = waiting.pop()
        if step.step not in visited:
            visited.add(step.step)
            yield step
            waiting.extend(neighbours(step))
