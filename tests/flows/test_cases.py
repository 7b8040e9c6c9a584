"""Runs every case of tests/flows/cases: given a flow and an order, when these events come, this is what follows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from app.events.model import SourcingCommand
from app.flows.engine import Step
from tests.flows.journey import Journey, an_erp_order, an_order, effects, names, published, waits

CASES = Path(__file__).parent / "cases"
BIRTHS = {"shop": an_order, "erp": an_erp_order}
GIVEN = {"case", "given", "order", "lines", "ship_to", "steps"}
WHEN = {"created", "reported", "answered", "fires", "command", "sourced"}
THEN = {
    "when",
    "outcome",
    "code",
    "status",
    "line_status",
    "events",
    "effects",
    "waits",
    "synced",
    "says",
    "failed",
    "placed",
    "told",
}


def load() -> list[Any]:
    return list(_params())


def _params() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield pytest.param(path.stem, case, id=f"{path.stem}: {case['case']}")


@pytest.mark.parametrize(("flow", "case"), load())
def test_case(flow: str, case: dict[str, Any]) -> None:
    assert case.keys() <= GIVEN, f"unknown keys {case.keys() - GIVEN}"
    journey = Journey(order_of(case), flow)
    for number, expected in enumerate(case["steps"], start=1):
        assert expected.keys() <= THEN, f"unknown keys {expected.keys() - THEN}"
        taken = take_event(journey, expected["when"])
        assert _seen(journey, taken, expected) == expected, f"step {number}: {taken.detail}"


def test_every_flow_has_an_accepted_and_a_refused_case() -> None:
    ends: dict[str, set[str]] = {}
    for param in load():
        flow, case = param.values
        ends.setdefault(flow, set()).update(step["status"] for step in case["steps"] if "status" in step)
    assert ends.keys() == {flow.name for flow in published().flows}
    for flow, statuses in ends.items():
        assert {"Completed / Fulfilled", "Canceled / Validation failed"} <= statuses, flow


def order_of(case: dict[str, Any]) -> Any:
    order = BIRTHS[case["given"]](**case.get("order", {}))
    lines = list(order.lines)
    for line_id, changes in case.get("lines", {}).items():
        lines[int(line_id) - 1] = replace(lines[int(line_id) - 1], **changes)
    return replace(order, lines=tuple(lines), ship_to=replace(order.ship_to, **case.get("ship_to", {})))


def take_event(journey: Journey, when: dict[str, Any]) -> Step:
    (kind,) = when.keys() & WHEN
    argument, more = when[kind], {key: value for key, value in when.items() if key != kind}
    if kind == "created":
        return journey.created(replace(journey.order, **argument) if argument else None)
    return getattr(journey, kind)(argument, **more)  # type: ignore[no-any-return]


def _seen(journey: Journey, taken: Step, expected: dict[str, Any]) -> dict[str, Any]:
    state = journey.state
    seen: dict[str, Any] = {
        "when": expected["when"],
        "outcome": taken.outcome,
        "code": taken.code,
        "status": journey.status,
        "line_status": {line.line_id: f"{line.state} / {line.reason}" for line in state.order.lines},
        "events": names(taken),
        "effects": effects(state),
        "waits": waits(state),
        "synced": taken.synced,
        "failed": list(state.failed),
        "placed": {line.line_id: line.warehouse for line in state.order.lines},
        "told": [_told(event.body) for event in taken.events if isinstance(event.body, SourcingCommand)],
        "says": expected.get("says") if str(expected.get("says")) in _said(taken) else _said(taken),
    }
    return {key: value for key, value in seen.items() if key in expected}


def _told(body: SourcingCommand) -> str:
    return " ".join([body.command, *(f"{line.line_id}@{line.warehouse}" for line in body.lines)])


def _said(taken: Step) -> str:
    notes = taken.state.timeline[-1].note if taken.state and taken.state.timeline else ""
    return f"{taken.detail} {notes}"
