"""The course of an order in a scenario: the first case of its flow, taken through the engine event by event."""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from app.events.model import Body, OrderCommand, ProviderEvent, ProviderResult, SourcingResult
from tests.flows.journey import Journey, names
from tests.flows.test_cases import CASES, order_of, take_event

STATUS_OF: Final = "status of "


def first_case(flow: str) -> dict[str, Any]:
    """Return the case in which all goes well."""
    case: dict[str, Any] = yaml.safe_load((CASES / f"{flow}.yaml").read_text(encoding="utf-8"))[0]
    return case


def lines(flow: str) -> Iterator[str]:
    """Yield the lines of the section of a page."""
    case = first_case(flow)
    journey = Journey(order_of(case), flow)
    yield "## One order, event by event\n"
    yield (
        f"The first case of [tests/flows/cases/{flow}.yaml](../../tests/flows/cases/{flow}.yaml), taken through the"
        "\nengine by `make docs`, and what came of it. `waybill orders show ID` has the timeline of one of yours.\n"
    )
    yield "| what comes | status after it | what is published because of it |\n|---|---|---|"
    for entry in case["steps"]:
        step = take_event(journey, entry["when"])
        published = [name for name in names(step) if not name.startswith(STATUS_OF)]
        published += ["order status"] if len(published) < len(names(step)) else []
        yield f"| {_told(journey.events[-1].body)} | {journey.status} | {', '.join(published)} |"
    yield ""
    if journey.state.lineage:
        yield "What set fields of this order on its way:\n"
        yield "| field | rule, provider or event |\n|---|---|"
        yield from (f"| {item.field} | {item.rule or 'the event itself'} |" for item in journey.state.lineage)
        yield ""


def _told(body: Body) -> str:
    if isinstance(body, ProviderEvent):
        parts = ", ".join(f"line {line.line_id}" for line in body.lines)
        return f"{body.provider} reports `{body.event}`" + (f" of {parts}" if parts else "")
    if isinstance(body, ProviderResult):
        return f"{body.provider} answers `{body.action}`: {body.outcome}"
    if isinstance(body, SourcingResult):
        sources = "; ".join(
            f"{order.warehouse} ships line {', '.join(line.line_id for line in order.lines)}"
            for order in body.fulfillment_orders
        )
        return f"sourcing answers: {sources}"
    return f"command `{body.command}`" if isinstance(body, OrderCommand) else "the order"
