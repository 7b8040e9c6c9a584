"""The graph of a flow as Mermaid text: steps as boxes, waits rounded, events on arrows, failure edges dashed. Pure."""

from collections.abc import Iterator

from app.domain.lifecycle import State
from app.flows.loading.flow_spec import FlowSpec, StepSpec
from app.flows.loading.step_paths import FROM_OUTSIDE, STOPS, inputs, outcomes

_ENDS = {"hold": State.ON_HOLD, "reject": State.CANCELED, "note": "Noted, goes on"}


def graph(spec: FlowSpec) -> str:
    """Return a `flowchart` that Mermaid renders; it ends with a newline."""
    return "\n".join(("flowchart TD", *(f"    {line}" for line in _lines(spec)))) + "\n"


def _lines(spec: FlowSpec) -> Iterator[str]:
    ids = {step.step: f"s{number}" for number, step in enumerate(spec.steps, start=1)}
    yield f'start(["{_text(spec.flow)} v{spec.version}"])'
    for step in spec.steps:
        yield _box(ids[step.step], step)
    for step in spec.steps:
        yield from _arrows(spec, step, ids)
    for edge in sorted({step.otherwise for step in spec.steps if step.otherwise}):
        yield f'{edge}[["{_ENDS[edge]}"]]'
    for step in spec.steps:
        if step.otherwise:
            yield f"{ids[step.step]} -. {_failure(step)} .-> {step.otherwise}"


def _box(node: str, step: StepSpec) -> str:
    what = [f"wait for {step.wait} ({step.source})"] if step.wait else [step.step]
    if step.provider:
        what.append(f"{step.provider}: {step.action}")
    what.extend(step.policies)
    label = "<br/>".join(_text(part) for part in what)
    return f'{node}("{label}")' if step.wait else f'{node}["{label}"]'


def _arrows(spec: FlowSpec, step: StepSpec, ids: dict[str, str]) -> Iterator[str]:
    for event in inputs(step):
        before = [other for other in spec.steps if event in outcomes(other)]
        for other in before:
            yield f"{ids[other.step]} -->|{_text(event)}| {ids[step.step]}"
        for other in (other for other in spec.steps if STOPS.get(other.otherwise or "") == event):
            yield f"{other.otherwise} -->|{_text(event)}| {ids[step.step]}"
        if event in FROM_OUTSIDE and not before:
            yield f"start -->|{_text(event)}| {ids[step.step]}"


def _failure(step: StepSpec) -> str:
    return "limit passed" if step.wait else "failed"


def _text(text: str) -> str:
    return text.replace('"', "#quot;")
