"""Checks that the numbered steps of the scenarios share: each answers one question from the evidence about an order.

Pure and written against the wire alone (topic names, record fields, journals), so that it cannot agree with the
agents by sharing their mistakes. Which number asks what is in scenarios/, what the solution says as a whole in
solution_checks.py.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from app.sandbox.demo.evidence import Body, Case, ObservedRecord

Check = Callable[[Case], bool]
PICKED: Final = ("Fulfillment in Process", "Picked")
PACKED: Final = ("Fulfillment in Process", "Packed")
FULFILLED: Final = ("Completed", "Fulfilled")
REJECTED: Final = ("Canceled", "Validation failed")
UPDATE: Final = "Update order status"
OUR_ROWS: Final = "dualwrite.iom.salesorders"
THEIR_ROWS: Final = "dualwrite.fno.salesorders"
COMPLETED_AT_SHOP: Final = 10
REQUESTS: Final = ("fulfillment-requested", "billing-requested", "channel-update-requested")


def once(case: Case, provider: str, kind: str) -> bool:
    """Check that the provider carried out one effect of this kind."""
    return len(case.effects(provider, kind)) == 1


def in_turn(case: Case, *events: str) -> bool:
    """Check that each event changed the order exactly once, in this order."""
    return [event for event in case.events() if event in events] == list(events)


def passed(policies: list[Mapping[str, Any]]) -> bool:
    """Check that policies decided, and none of them against the order."""
    return bool(policies) and all(
        policy["policy"] and policy["outcome"] in {"passed", "informed"} for policy in policies
    )


def status(body: Body) -> tuple[object, object]:
    """Return state and reason of an order or a line."""
    return body["state"], body["reason"]


def reported(case: Case, topic: str, expected: tuple[str, str]) -> bool:
    """Check that the event was raised once on its own topic with the exact strings for the order and its lines, and is
    the one change of status that it made: a report about some lines alone changes none."""
    event = topic.replace("-", " ")
    raised, changes = case.on(topic), [record.body for record in case.changes(event)]
    if len(raised) != 1 or len(changes) != 1 or raised[0].type != event:
        return False
    lines = raised[0].body["lines"]
    return all(status(body) == expected for body in (raised[0].body, changes[0], *lines)) and bool(lines)


def by_provider(case: Case, topic: str, provider: str) -> bool:
    """Check that the one event on the topic names this provider."""
    return [record.body["provider"] for record in case.on(topic)] == [provider]


def causes(records: list[ObservedRecord]) -> set[str]:
    """Return the ids of the events that caused these records."""
    return {record.cause for record in records}


def requests_to(case: Case, provider: str) -> list[ObservedRecord]:
    """Return all requests to a provider, repeated attempts included."""
    return [record for topic in REQUESTS for record in case.on(topic) if record.body["provider"] == provider]


def carried_out(case: Case, topic: str, provider: str, action: str) -> bool:
    """Check that the action was requested once under its literal name, of this provider alone, and answered."""
    requests = case.on(topic)
    is_named = {(record.body["provider"], record.body["action"]) for record in requests} == {(provider, action)}
    effects = {record.body["effect_id"] for record in requests}
    answers = [record.body for record in case.on("provider-result") if record.body["effect_id"] in effects]
    answered = any(body["action"] == action and body["outcome"] == "ok" for body in answers)
    return is_named and len(effects) == 1 and answered


def written_by(case: Case, effects: set[str]) -> bool:
    """Check that rows went to F+O, and each of them because of one of these effects."""
    rows = case.on(OUR_ROWS)
    return bool(rows) and all(row.body["source"]["effect_id"] in effects for row in rows)


def validated(case: Case) -> bool:
    """S11, S24: an accepted order is validated once by named policies, a refused one is rejected and goes no
    further."""
    accepted, rejected = case.on("order-validated"), case.on("order-rejected")
    if case.refused:
        return not accepted and len(rejected) == 1 and _rejected(rejected[0]) and _stands_still(case)
    return len(accepted) == 1 and not rejected and passed(accepted[0].body["policies"]) and _stood_first(case)


def validated_after_confirmation(case: Case) -> bool:
    """S35, S44, S52."""
    decided = "order rejected" if case.refused else "order validated"
    return validated(case) and in_turn(case, "order created", "order confirmed", decided)


def _stood_first(case: Case) -> bool:
    """Check that nothing was assigned, sent or reached before the order was validated."""
    events = case.events()
    before = set(events[: events.index("order validated")])
    return before <= {"order created", "order confirmed"} and events.count("order validated") == 1


def _rejected(record: ObservedRecord) -> bool:
    outcomes = {policy["outcome"] for policy in record.body["policies"]}
    return status(record.body) == REJECTED and bool(record.body["detail"]) and "failed" in outcomes


def _stands_still(case: Case) -> bool:
    """Check that the order took no step beyond its rejection, and that no other system got a request about it."""
    onward = ("order-assigned", "order-picked", "order-shipped", "order-invoiced", OUR_ROWS)
    origin = "bigcommerce" if case.order.order_id.startswith("bc-") else "fno"
    elsewhere = [entry for entry in case.journal if entry.provider != origin]
    return not elsewhere and case.end() == REJECTED and not any(case.on(topic) for topic in (*onward, *REQUESTS))


def pulled(case: Case) -> bool:
    """S10, S23: by the puller, once however often the shop listed it, in state New."""
    created, statuses = case.on("order-created"), case.statuses()
    if len(created) != 1 or case.events().count("order created") != 1:
        return False
    order = created[0].body["order"]
    states = {order["state"], statuses[0]["state"], *(line["state"] for line in order["lines"])}
    return created[0].source == "waybill/pull" and order["origin"] == "bigcommerce" and states == {"New"}


def mirrored_in(case: Case) -> bool:
    """S33, S42, S50: a row of F+O made the order, and it brought its company."""
    rows, created = case.on(THEIR_ROWS), case.on("order-created")
    if not rows or len(created) != 1:
        return False
    companies = {row.body["after"]["dataAreaId"].lower() for row in rows}
    company = created[0].body["order"]["company"] or ""
    by_row = created[0].source == "waybill/mirror" and bool(created[0].cause)
    return by_row and {company.lower()} == companies and case.events().count("order created") == 1


def assigned(case: Case, requests: list[ObservedRecord]) -> bool:
    """Check that policies set company, site and warehouse of the order and its lines, as in the requests after it."""
    assignments = case.on("order-assigned")
    if len(assignments) != 1 or not requests:
        return False
    body, order = assignments[0].body, requests[0].body["order"]
    complete = all(place["site"] and place["warehouse"] for place in (body, *body["lines"], order, *order["lines"]))
    has_company = bool(body["company"]) and body["company"] == order["company"] and passed(body["policies"])
    lines = bool(body["lines"]) and _line_ids(body) == _line_ids(order)
    return complete and has_company and lines and case.events().count("order assigned") == 1


def _line_ids(body: Mapping[str, Any]) -> list[str]:
    return sorted(line["line_id"] for line in body["lines"])


def channel_updated(case: Case, cause: str, expected: tuple[str, str], status_id: int) -> bool:
    """S18, S21, S31: the event itself asks for the update, once, and the shop's status changes once.

    An attempt that is repeated tells what is true by then: the shop may hear of the completion alone.
    """
    requests = case.on("channel-update-requested")
    first = [record for record in requests if record.body["attempt"] == 1 and status(record.body) == expected]
    effects = {record.body["effect_id"] for record in first}
    own = [record for record in requests if record.body["effect_id"] in effects]
    caused = causes(first) == causes(case.on(cause))
    is_named = all(record.body["action"] == UPDATE and record.body["provider"] == "bigcommerce" for record in own)
    changes = case.effects("bigcommerce", "status changed")
    updates = [entry for entry in changes if entry.detail["status_id"] == status_id]
    overtaken = any(status(record.body) == FULFILLED != expected for record in own) and _is_answered(case, effects)
    return len(effects) == 1 and caused and is_named and len(updates) == (0 if overtaken and not updates else 1)


def _is_answered(case: Case, effects: set[str]) -> bool:
    """Return whether a provider answered one of these effects with ok."""
    answers = [record.body for record in case.on("provider-result") if record.body["effect_id"] in effects]
    return any(body["outcome"] == "ok" for body in answers)


def completed(case: Case) -> bool:
    """Check that the order is Completed / Fulfilled, and that what came later (a slow answer, say) left it so."""
    statuses = [status(body) for body in case.statuses()]
    later = statuses[statuses.index(FULFILLED) :]
    return reported(case, "order-invoiced", FULFILLED) and set(later) == {FULFILLED}


def invoiced_by(case: Case, provider: str) -> bool:
    """Check that the order completed because this provider invoiced it."""
    return completed(case) and by_provider(case, "order-invoiced", provider)


def leaves_fno_alone(case: Case) -> bool:
    """Check that F+O got no request, and that nobody wrote to it but itself."""
    by_us = [entry for entry in case.journal if entry.provider == "fno" and entry.detail.get("by", "fno") != "fno"]
    return not by_us and not requests_to(case, "fno") and not case.on(OUR_ROWS)
