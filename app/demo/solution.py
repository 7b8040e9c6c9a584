"""One check for each sentence that speaks of the solution as a whole, S3 to S8; S1 and S2 are shown on the
definitions (setup.py)."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from app.demo.checks import SCENARIOS, Check, in_turn, once, passed
from app.demo.evidence import Case

STAGES: Final = ("order confirmed", "order picked", "order shipped", "order invoiced")
"""What F+O can report of a whole order; one that is reached means that those before it were, whether F+O says so or
not."""
AS_JOURNALED: Final = {
    "order confirmed": "order confirmed",
    "order picked": "order picked",
    "order delivered": "order shipped",
    "order invoiced": "order invoiced",
}
"""What the journal of F+O calls its statuses, and the business event of each."""


def synchronised(case: Case) -> bool:
    """S3: what was made here is there, what changed there is here, and nothing that came from there was written
    back."""
    ours, theirs = case.on("dualwrite.iom.salesorders"), case.on("dualwrite.fno.salesorders")
    changed_there = {AS_JOURNALED[deed.kind] for deed in case.deeds if _is_status(deed.provider, deed.kind)}
    arrived = changed_there <= set(case.reports()) and changed_there <= set(case.events()) and bool(changed_there)
    reports = {seen.event_id for seen in case.on("provider-event")}
    echoes = [row for row in ours if row.cause in reports]
    made_here = case.order.scenario == 1
    return bool(theirs) and arrived and not echoes and bool(ours) == made_here and once(case, "fno", "order created")


def _is_status(provider: str, kind: str) -> bool:
    return provider == "fno" and kind in AS_JOURNALED


def without_company(case: Case) -> bool:
    """S4: no company on arrival, and accepted all the same."""
    created = case.on("order-created")
    return bool(created) and all(seen.body["order"]["company"] is None for seen in created) and bool(case.statuses())


def company_by_policy(case: Case) -> bool:
    """S5: a rule of a named policy set the company before the first row was written; without one no row ever is."""
    assigned, rows = case.on("order-assigned"), case.on("dualwrite.iom.salesorders")
    if case.refused:
        return not rows
    policies = [policy for seen in assigned for policy in seen.body["policies"] if policy["policy"] == "assign-company"]
    companies = {seen.body["company"] for seen in assigned}
    synced = bool(rows) and {row.body["after"]["dataAreaId"] for row in rows} == companies
    return passed(policies) and all(policy["rules"] for policy in policies) and synced and None not in companies


def ready_to_sync(case: Case) -> bool:
    """S6: the provider action made the order ready, and every row to F+O is one that it asked for."""
    asked = case.on("fulfillment-requested") + case.on("billing-requested")
    rows, created = case.on("dualwrite.iom.salesorders"), case.on("order-created")
    unready = not any(seen.body["order"]["ready_to_sync"] for seen in created)
    ready = all(seen.body["order"]["ready_to_sync"] for seen in asked)
    effects = {seen.body["effect_id"] for seen in asked}
    synced = all(row.body["after"]["isReadyToSync"] and row.body["source"]["effect_id"] in effects for row in rows)
    return bool(rows) and bool(asked) and unready and ready and synced


def in_designed_flow(case: Case) -> bool:
    """S7: the assignment policy and the provider action are steps of the flow that the order ran."""
    steps = {body["event"]: body["step"] for body in case.statuses()}
    flows = {body["flow"] for body in case.statuses()}
    named = steps.get("order assigned") == "assign" and steps.get("order sent to fulfillment") == "send"
    designed = flows == {SCENARIOS[case.order.scenario][0]}
    return named and designed and in_turn(case, "order assigned", "order sent to fulfillment")


def one_event_per_status(case: Case) -> bool:
    """S8: each status that F+O reached gives exactly one business event, however often its row came, and nothing else
    does."""
    reached = {AS_JOURNALED[deed.kind] for deed in case.deeds if _is_status(deed.provider, deed.kind)}
    last = max(map(STAGES.index, reached), default=-1)
    expected = Counter(STAGES[: last + 1])
    raised = Counter(event for event in case.reports() if event != "order changed")
    taken = Counter(event for event in case.events() if event in STAGES)
    return bool(reached) and raised == expected == taken


SOLUTION: Final[Mapping[str, tuple[Check, frozenset[int]]]] = {
    "S3": (synchronised, frozenset({1, 4})),
    "S4": (without_company, frozenset({1})),
    "S5": (company_by_policy, frozenset({1})),
    "S6": (ready_to_sync, frozenset({1})),
    "S7": (in_designed_flow, frozenset({1})),
    "S8": (one_event_per_status, frozenset({1, 4})),
}
ALSO_REFUSED: Final = frozenset({"S4", "S5", "S9", "S10", "S11", "S41", "S42", "S43", "S44"})
"""Numbers that hold for refused orders as well; the others speak of orders that go on."""
