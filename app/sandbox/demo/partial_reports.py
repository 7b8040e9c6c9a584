"""Checks of orders that are shipped or invoiced in parts: the reports add up line by line, and the last part completes
the order. Pure, from topics and journals alone."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from app.sandbox.demo.evidence import Case, ObservedRecord
from app.sandbox.demo.step_checks import PACKED, by_provider, carried_out, causes, once, reported

SEND: Final = "Send order to fulfillment"


def ordered(case: Case) -> dict[str, Decimal]:
    """Return the quantity of each line, as the order came in."""
    (created,) = case.on("order-created")
    return {line["line_id"]: Decimal(line["quantity"]) for line in created.body["order"]["lines"]}


def reports(case: Case, provider: str, event: str) -> list[ObservedRecord]:
    """Return a provider's reports of one event, oldest first; a copy of a report (webhooks come twice) counts once."""
    records = [record for record in case.on("provider-event") if record.body["provider"] == provider]
    records.sort(key=lambda record: record.offset, reverse=True)
    own = {record.event_id: record for record in records if record.body["event"] == event}
    return sorted(own.values(), key=lambda record: record.offset)


def last_part(case: Case, provider: str, event: str) -> ObservedRecord | None:
    """Return the report with which every line is complete; None when the reports come to less, or to more."""
    quantities = ordered(case)
    parts = reports(case, provider, event)
    so_far: dict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        for line in part.body["lines"]:
            so_far[line["line_id"]] += Decimal(line["quantity"])
    return parts[-1] if parts and so_far == quantities and all(part.body["lines"] for part in parts) else None


def whole_by_last_part(case: Case, topic: str, provider: str) -> bool:
    """Check that the event of the whole order is raised by that provider, by the report that completed it."""
    last = last_part(case, provider, topic.replace("-", " "))
    return last is not None and by_provider(case, topic, provider) and causes(case.on(topic)) == {last.event_id}


def sent_to_flexe(case: Case) -> bool:
    """S25, S36, S53: requested under the literal name of the action, answered, and Flexe has the order once."""
    is_single = case.events().count("order sent to fulfillment") == 1
    is_answered = carried_out(case, "fulfillment-requested", "flexe", SEND)
    return is_answered and is_single and once(case, "flexe", "order created")


def shipped_by_flexe(case: Case) -> bool:
    """S26, S37, S54: all that was ordered was shipped, each shipment was reported once, and the last one made the order
    shipped: reason Packed, not before."""
    journal = case.effects("flexe", "order shipped")
    parts = reports(case, "flexe", "order shipped")
    shipments = {entry.detail["shipment"]: _quantities(entry.detail["items"]) for entry in journal}
    reported_shipments = {part.body["reference"]: _quantities(part.body["lines"]) for part in parts}
    whole = reported(case, "order-shipped", PACKED) and whole_by_last_part(case, "order-shipped", "flexe")
    return len(shipments) == len(journal) and shipments == reported_shipments and whole


def _quantities(items: list[Mapping[str, Any]]) -> dict[str, Decimal]:
    """Return the quantities by line, whose id is `line_ref` at Flexe."""
    return {item.get("line_id") or item["line_ref"]: Decimal(item["quantity"]) for item in items}
