"""Orders that are shipped or invoiced in parts: what was reported adds up line by line, and only the last part counts
for the whole. Pure, from topics and journals alone."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from app.sandbox.demo.evidence import Case, Seen
from app.sandbox.demo.step_checks import PACKED, by_provider, carried_out, causes, once, reported

SEND: Final = "Send order to fulfillment"


def ordered(case: Case) -> dict[str, Decimal]:
    """Quantity of each line, as the order came in."""
    (created,) = case.on("order-created")
    return {line["line_id"]: Decimal(line["quantity"]) for line in created.body["order"]["lines"]}


def reports(case: Case, provider: str, event: str) -> list[Seen]:
    """What a provider reported by this name, oldest first; a copy of a report (webhooks come twice) counts once."""
    found = [seen for seen in case.on("provider-event") if seen.body["provider"] == provider]
    found.sort(key=lambda seen: seen.offset, reverse=True)
    own = {seen.event_id: seen for seen in found if seen.body["event"] == event}
    return sorted(own.values(), key=lambda seen: seen.offset)


def last_part(case: Case, provider: str, event: str) -> Seen | None:
    """The report with which every line is complete: None when the reports come to less, or to more."""
    wanted, told = ordered(case), reports(case, provider, event)
    so_far: dict[str, Decimal] = defaultdict(Decimal)
    for seen in told:
        for line in seen.body["lines"]:
            so_far[line["line_id"]] += Decimal(line["quantity"])
    return told[-1] if told and so_far == wanted and all(seen.body["lines"] for seen in told) else None


def whole_by_last_part(case: Case, topic: str, provider: str) -> bool:
    """The event of the whole order is raised by that provider, because of the report that completed it."""
    last = last_part(case, provider, topic.replace("-", " "))
    return last is not None and by_provider(case, topic, provider) and causes(case.on(topic)) == {last.event_id}


def sent_to_flexe(case: Case) -> bool:
    """S25, S36, S53: asked for under the literal name of the action, answered, and Flexe holds the order once."""
    counted = case.events().count("order sent to fulfillment") == 1
    asked = carried_out(case, "fulfillment-requested", "flexe", SEND)
    return asked and counted and once(case, "flexe", "order created")


def shipped_by_flexe(case: Case) -> bool:
    """S26, S37, S54: all that was ordered left, each shipment was reported once, and the last one made the order
    shipped: reason Packed, not before."""
    left = {deed.detail["shipment"]: _quantities(deed.detail["items"]) for deed in case.did("flexe", "order shipped")}
    told = {seen.body["reference"]: _quantities(seen.body["lines"]) for seen in reports(case, "flexe", "order shipped")}
    counted = len(left) == len(case.did("flexe", "order shipped"))
    whole = reported(case, "order-shipped", PACKED) and whole_by_last_part(case, "order-shipped", "flexe")
    return counted and left == told and whole


def _quantities(items: list[Mapping[str, Any]]) -> dict[str, Decimal]:
    """By line: Flexe calls its id `line_ref`."""
    return {item.get("line_id") or item["line_ref"]: Decimal(item["quantity"]) for item in items}
