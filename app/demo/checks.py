"""One check for each numbered step of a scenario: given what was seen of an order, did it happen?

Pure and written against the wire alone (topic names, record fields, journals), so that it cannot agree with the
agents by sharing their mistakes. A number holds when its check holds for every order it speaks of. What the solution
says as a whole is in solution.py.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from app.demo.evidence import Case, Seen

Check = Callable[[Case], bool]
PICKED: Final = ("Fulfillment in Process", "Picked")
PACKED: Final = ("Fulfillment in Process", "Packed")
FULFILLED: Final = ("Completed", "Fulfilled")
REJECTED: Final = ("Canceled", "Validation failed")
SEND: Final = "Send order to fulfillment"
UPDATE: Final = "Update order status"
SHIPPED_AT_SHOP: Final = 2
COMPLETED_AT_SHOP: Final = 10


def once(case: Case, provider: str, kind: str) -> bool:
    return len(case.did(provider, kind)) == 1


def in_turn(case: Case, *events: str) -> bool:
    """Each changed the order exactly once, in this order."""
    return [event for event in case.events() if event in events] == list(events)


def passed(policies: list[Mapping[str, Any]]) -> bool:
    """Policies decided, and none of them against the order."""
    return bool(policies) and all(
        policy["policy"] and policy["outcome"] in {"passed", "informed"} for policy in policies
    )


def _status(body: Mapping[str, object]) -> tuple[object, object]:
    return body["state"], body["reason"]


def _line_ids(body: Mapping[str, Any]) -> list[str]:
    return sorted(line["line_id"] for line in body["lines"])


def _reported(case: Case, topic: str, status: tuple[str, str]) -> bool:
    """Raised once on its own topic with the exact strings for the order and its lines, and seen as one change of
    status."""
    event = topic.replace("-", " ")
    raised, changes = case.on(topic), [body for body in case.statuses() if body["event"] == event]
    if len(raised) != 1 or len(changes) != 1 or raised[0].type != event:
        return False
    lines = raised[0].body["lines"]
    return all(_status(shown) == status for shown in (raised[0].body, changes[0], *lines)) and bool(lines)


def _by_provider(case: Case, topic: str, provider: str) -> bool:
    return [seen.body["provider"] for seen in case.on(topic)] == [provider]


def _validated(case: Case) -> bool:
    """S11, S44: an accepted order is validated once by named policies, a refused one is rejected and goes no
    further."""
    validated, rejected = case.on("order-validated"), case.on("order-rejected")
    if case.refused:
        return not validated and len(rejected) == 1 and _rejected(rejected[0]) and _stands_still(case)
    return len(validated) == 1 and not rejected and passed(validated[0].body["policies"]) and _stood_first(case)


def _stood_first(case: Case) -> bool:
    """Nothing was assigned, sent or reached before the order was validated."""
    events = case.events()
    before = set(events[: events.index("order validated")])
    return before <= {"order created", "order confirmed"} and events.count("order validated") == 1


def _rejected(seen: Seen) -> bool:
    outcomes = {policy["outcome"] for policy in seen.body["policies"]}
    return _status(seen.body) == REJECTED and bool(seen.body["detail"]) and "failed" in outcomes


def _stands_still(case: Case) -> bool:
    """The order took no step beyond its rejection, and nobody was asked for anything."""
    onward = ("order-assigned", "fulfillment-requested", "billing-requested", "channel-update-requested")
    reached = ("order-picked", "order-shipped", "order-invoiced", "dualwrite.iom.salesorders")
    sent = case.order.scenario == 1 and case.did("fno", "order created")
    return not sent and case.end() == REJECTED and not any(case.on(topic) for topic in (*onward, *reached))


def _assigned(case: Case) -> bool:
    """S12: company, site and warehouse of the order and of each line, by policy, before anything is sent."""
    assigned, sent = case.on("order-assigned"), case.on("fulfillment-requested")
    if len(assigned) != 1 or not sent:
        return False
    body, order = assigned[0].body, sent[0].body["order"]
    complete = all(place["site"] and place["warehouse"] for place in (body, *body["lines"], order, *order["lines"]))
    named = bool(body["company"]) and body["company"] == order["company"] and passed(body["policies"])
    every_line = bool(body["lines"]) and _line_ids(body) == _line_ids(order)
    return complete and named and every_line and in_turn(case, "order assigned", "order sent to fulfillment")


def _sent_to_fulfillment(case: Case) -> bool:
    """S13: asked for under the literal name of the action, answered, and F+O holds the order once."""
    sent, events = case.on("fulfillment-requested"), case.events()
    named = {(seen.body["provider"], seen.body["action"]) for seen in sent} == {("fno", SEND)}
    effects = {seen.body["effect_id"] for seen in sent}
    answers = [seen.body for seen in case.on("provider-result") if seen.body["effect_id"] in effects]
    answered = any(body["action"] == SEND and body["outcome"] == "ok" for body in answers)
    once_sent = len(effects) == 1 and events.count("order sent to fulfillment") == 1
    return named and answered and once_sent and once(case, "fno", "order created")


def _packed(case: Case) -> bool:
    """S17: the reason becomes Packed, the state is left as it was."""
    changes = [body for body in case.statuses() if body["event"] == "order shipped"]
    before = {(body["previous_state"], body["previous_reason"]) for body in changes}
    return _reported(case, "order-shipped", PACKED) and before == {PICKED}


def _channel_updated(case: Case, cause: str, status: tuple[str, str], status_id: int) -> bool:
    """S18, S21: the event itself asks for the update, once, and the shop's status changes once."""
    asked = [seen for seen in case.on("channel-update-requested") if _status(seen.body) == status]
    caused = {seen.cause for seen in asked[:1]} == {seen.cause for seen in case.on(cause)}
    named = all(seen.body["action"] == UPDATE and seen.body["provider"] == "bigcommerce" for seen in asked)
    done = [deed for deed in case.did("bigcommerce", "status changed") if deed.detail["status_id"] == status_id]
    return len({seen.body["effect_id"] for seen in asked}) == 1 and caused and named and len(done) == 1


def _pulled(case: Case) -> bool:
    """S10: by the puller, once however often the shop listed it, in state New."""
    created, statuses = case.on("order-created"), case.statuses()
    if len(created) != 1 or case.events().count("order created") != 1:
        return False
    order = created[0].body["order"]
    states = {order["state"], statuses[0]["state"], *(line["state"] for line in order["lines"])}
    return created[0].source == "waybill/pull" and order["origin"] == "bigcommerce" and states == {"New"}


def _mirrored_in(case: Case) -> bool:
    """S42: a row of F+O made the order, and it brought its company."""
    rows, created = case.on("dualwrite.fno.salesorders"), case.on("order-created")
    if not rows or len(created) != 1:
        return False
    companies = {row.body["after"]["dataAreaId"].lower() for row in rows}
    company = created[0].body["order"]["company"] or ""
    by_row = created[0].source == "waybill/mirror" and bool(created[0].cause)
    return by_row and {company.lower()} == companies and case.events().count("order created") == 1


def _validated_after_confirmation(case: Case) -> bool:
    decided = "order rejected" if case.refused else "order validated"
    return _validated(case) and in_turn(case, "order created", "order confirmed", decided)


def _completed(case: Case) -> bool:
    """S20: Completed and Fulfilled, and what came later (a slow answer, say) left it so."""
    later = case.statuses()[case.events().index("order invoiced") :]
    return _reported(case, "order-invoiced", FULFILLED) and {_status(body) for body in later} == {FULFILLED}


def _sends_nothing(case: Case) -> bool:
    """S45: F+O was asked for nothing and nobody wrote to it but itself."""
    asked = ("fulfillment-requested", "billing-requested", "dualwrite.iom.salesorders")
    by_us = [deed for deed in case.deeds if deed.provider == "fno" and deed.detail.get("by", "fno") != "fno"]
    return not by_us and not any(case.on(topic) for topic in asked)


BIGCOMMERCE_FNO: Final[Mapping[str, Check]] = {
    "S9": lambda case: once(case, "bigcommerce", "order created"),
    "S10": _pulled,
    "S11": _validated,
    "S12": _assigned,
    "S13": _sent_to_fulfillment,
    "S14": lambda case: once(case, "fno", "order picked"),
    "S15": lambda case: _reported(case, "order-picked", PICKED) and _by_provider(case, "order-picked", "fno"),
    "S16": lambda case: once(case, "fno", "order delivered"),
    "S17": _packed,
    "S18": lambda case: _channel_updated(case, "order-shipped", PACKED, SHIPPED_AT_SHOP),
    "S19": lambda case: once(case, "fno", "order invoiced"),
    "S20": _completed,
    "S21": lambda case: _channel_updated(case, "order-invoiced", FULFILLED, COMPLETED_AT_SHOP),
}
FNO_FNO: Final[Mapping[str, Check]] = {
    "S41": lambda case: once(case, "fno", "order created"),
    "S42": _mirrored_in,
    "S43": lambda case: once(case, "fno", "order confirmed"),
    "S44": _validated_after_confirmation,
    "S45": lambda case: once(case, "fno", "order delivered") and _sends_nothing(case),
    "S46": lambda case: _reported(case, "order-shipped", PACKED) and _by_provider(case, "order-shipped", "fno"),
    "S47": lambda case: once(case, "fno", "order invoiced"),
    "S48": lambda case: _completed(case) and _by_provider(case, "order-invoiced", "fno"),
}
SCENARIOS: Final[Mapping[int, tuple[str, Mapping[str, Check]]]] = {
    1: ("bigcommerce-fno-fno", BIGCOMMERCE_FNO),
    4: ("fno-fno-fno", FNO_FNO),
}
