"""One check for each numbered sentence of the specification: given what was seen of an order, did it happen?

Pure and written against the wire alone (topic names, record fields, journals), so that it cannot agree with the agents by sharing
their mistakes. A number holds when its check holds for every order it speaks of.
"""

from collections.abc import Callable, Mapping
from typing import Final

from app.demo.evidence import Case

Check = Callable[[Case], bool]
PICKED: Final = ("Fulfillment in Process", "Picked")
PACKED: Final = ("Fulfillment in Process", "Packed")
FULFILLED: Final = ("Completed", "Fulfilled")


def _status(body: Mapping[str, object]) -> tuple[object, object]:
    return body["state"], body["reason"]


def _reported(case: Case, topic: str, event: str, status: tuple[str, str]) -> bool:
    """Raised once on its own topic with the exact strings, and seen as a change of status."""
    raised = case.on(topic)
    changes = [body for body in case.statuses() if body["event"] == event and _status(body) == status]
    return len(raised) == 1 and raised[0].type == event and _status(raised[0].body) == status and len(changes) == 1


def _once(case: Case, provider: str, kind: str) -> bool:
    return len(case.did(provider, kind)) == 1


def _validated(case: Case) -> bool:
    """S11, S44: an accepted order is validated once by named policies, a refused one is rejected and goes no further."""
    validated, rejected = case.on("order-validated"), case.on("order-rejected")
    if case.refused:
        onward = case.on("fulfillment-requested") + case.on("order-assigned")
        return not validated and len(rejected) == 1 and bool(rejected[0].body["detail"]) and not onward
    return len(validated) == 1 and not rejected and bool(validated[0].body["policies"])


def _assigned(case: Case) -> bool:
    assigned, sent = case.on("order-assigned"), case.on("fulfillment-requested")
    if len(assigned) != 1 or not sent:
        return False
    body, order = assigned[0].body, sent[0].body["order"]
    places = [body, *body["lines"], order, *order["lines"]]
    return bool(body["company"] and order["company"]) and all(place["site"] and place["warehouse"] for place in places)


def _sent_to_fulfillment(case: Case) -> bool:
    sent = case.on("fulfillment-requested")
    named = bool(sent) and all(seen.body["action"] == "Send order to fulfillment" for seen in sent)
    return named and len({seen.body["effect_id"] for seen in sent}) == 1 and _once(case, "fno", "order created")


def _channel_updated(case: Case, state: str, reason: str, status_id: int) -> bool:
    asked = [seen for seen in case.on("channel-update-requested") if _status(seen.body) == (state, reason)]
    done = [deed for deed in case.did("bigcommerce", "status changed") if deed.detail["status_id"] == status_id]
    return len({seen.body["effect_id"] for seen in asked}) == 1 and len(done) == 1


def _pulled(case: Case) -> bool:
    created = case.on("order-created")
    first = case.statuses()[:1]
    states = {line["state"] for seen in created for line in seen.body["order"]["lines"]} or {"New"}
    return (
        len(created) == 1 and created[0].source == "waybill/pull" and states == {"New"} and first[0]["state"] == "New"
    )


def _mirrored_in(case: Case) -> bool:
    rows, created = case.on("dualwrite.fno.salesorders"), case.on("order-created")
    return (
        bool(rows)
        and len(created) == 1
        and created[0].source == "waybill/mirror"
        and bool(created[0].body["order"]["company"])
    )


def _validated_after_confirmation(case: Case) -> bool:
    events = [body["event"] for body in case.statuses()]
    decided = "order rejected" if case.refused else "order validated"
    return _validated(case) and "order confirmed" in events and events.index("order confirmed") < events.index(decided)


def _invoice_received(case: Case) -> bool:
    return (
        _reported(case, "order-invoiced", "order invoiced", FULFILLED)
        and case.on("order-invoiced")[0].body["provider"] == "fno"
    )


def _sends_nothing(case: Case) -> bool:
    return (
        not case.on("fulfillment-requested")
        and not case.on("billing-requested")
        and not case.on("dualwrite.iom.salesorders")
    )


# ---- what the solution says as a whole: S3 to S8 (S1 and S2 are shown on the definitions, see setup.py) ----------------


def synchronised(case: Case) -> bool:
    """S3: what was made here is there, what changed there is here, and nothing that came from there was written back."""
    ours = case.on("dualwrite.iom.salesorders")
    theirs = {seen.event_id for seen in case.on("provider-event")}
    echoes = [seen for seen in ours if seen.cause in theirs]
    if case.order.scenario == 4:
        return not ours and len(case.on("provider-event")) >= 1
    return bool(ours) and _once(case, "fno", "order created") and bool(theirs) and not echoes


def without_company(case: Case) -> bool:
    """S4."""
    created = case.on("order-created")
    return bool(created) and all(seen.body["order"]["company"] is None for seen in created)


def company_by_policy(case: Case) -> bool:
    """S5: a named policy set the company, and no row without one was ever written."""
    assigned, rows = case.on("order-assigned"), case.on("dualwrite.iom.salesorders")
    named = [policy["policy"] for seen in assigned for policy in seen.body["policies"]]
    return "assign-company" in named and all(row.body["after"]["dataAreaId"] for row in rows)


def ready_to_sync(case: Case) -> bool:
    """S6: what was sent to F+O was ready, and was asked for by the provider action first."""
    rows, asked = case.on("dualwrite.iom.salesorders"), case.on("fulfillment-requested") + case.on("billing-requested")
    return bool(rows) and bool(asked) and all(row.body["after"]["isReadyToSync"] for row in rows)


def in_designed_flow(case: Case) -> bool:
    """S7: the assignment policy and the provider action are steps of the flow that the order ran."""
    steps = {body["step"] for body in case.statuses() if body["step"]}
    return {"assign", "send"} <= steps and all(body["flow"] for body in case.statuses())


def one_event_per_status(case: Case) -> bool:
    """S8: each F+O status gives exactly one business event, however often its row came."""
    events = [seen.body["event"] for seen in case.on("provider-event") if not seen.body["lines"]]
    progress = [event for event in events if event != "order changed"]
    return bool(progress) and len(progress) == len(set(progress))


BIGCOMMERCE_FNO: Final[Mapping[str, Check]] = {
    "S9": lambda case: _once(case, "bigcommerce", "order created"),
    "S10": _pulled,
    "S11": _validated,
    "S12": _assigned,
    "S13": _sent_to_fulfillment,
    "S14": lambda case: _once(case, "fno", "order picked"),
    "S15": lambda case: _reported(case, "order-picked", "order picked", PICKED),
    "S16": lambda case: _once(case, "fno", "order delivered"),
    "S17": lambda case: _reported(case, "order-shipped", "order shipped", PACKED),
    "S18": lambda case: _channel_updated(case, *PACKED, 2),
    "S19": lambda case: _once(case, "fno", "order invoiced"),
    "S20": lambda case: _reported(case, "order-invoiced", "order invoiced", FULFILLED) and case.end() == FULFILLED,
    "S21": lambda case: _channel_updated(case, *FULFILLED, 10),
}
FNO_FNO: Final[Mapping[str, Check]] = {
    "S41": lambda case: _once(case, "fno", "order created"),
    "S42": _mirrored_in,
    "S43": lambda case: _once(case, "fno", "order confirmed"),
    "S44": _validated_after_confirmation,
    "S45": lambda case: _once(case, "fno", "order delivered") and _sends_nothing(case),
    "S46": lambda case: _reported(case, "order-shipped", "order shipped", PACKED),
    "S47": lambda case: _once(case, "fno", "order invoiced"),
    "S48": _invoice_received,
}
SCENARIOS: Final[Mapping[int, tuple[str, Mapping[str, Check]]]] = {
    1: ("bigcommerce-fno-fno", BIGCOMMERCE_FNO),
    4: ("fno-fno-fno", FNO_FNO),
}
SOLUTION: Final[Mapping[str, tuple[Check, frozenset[int]]]] = {
    "S3": (synchronised, frozenset({1, 4})),
    "S4": (without_company, frozenset({1})),
    "S5": (company_by_policy, frozenset({1})),
    "S6": (ready_to_sync, frozenset({1})),
    "S7": (in_designed_flow, frozenset({1})),
    "S8": (one_event_per_status, frozenset({1, 4})),
}
ALSO_REFUSED: Final = frozenset({"S9", "S10", "S11", "S41", "S42", "S43", "S44", "S4"})
"""Numbers that hold for refused orders as well; the others speak of orders that go on."""
