"""One check for each sentence that speaks of the solution as a whole, S3 to S8; S1 and S2 are shown on the
definitions (definitions_shown.py)."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from app.sandbox.demo.evidence import Case, Seen
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.demo.scenarios.bigcommerce_dom_fno_fno import NOT_FOUND
from app.sandbox.demo.step_checks import OUR_ROWS, THEIR_ROWS, Check, asked_of, causes, once, passed, written_by

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
    """S3: what we had to write is there, what changed there is here, and nothing that came from there was written
    back."""
    ours, theirs = case.on(OUR_ROWS), case.on(THEIR_ROWS)
    reached, reports = _reached(case), _reports(case)
    arrived = reached <= {seen.body["event"] for seen in reports} and reached <= set(case.events()) and bool(reached)
    echoes = causes(ours) & {seen.event_id for seen in reports}
    wanted = "fno" in SCENARIOS[case.order.scenario].calls
    return bool(theirs) and arrived and not echoes and bool(ours) == wanted and once(case, "fno", "order created")


def _reached(case: Case) -> set[str]:
    """The events that the statuses in F+O's journal stand for."""
    return {AS_JOURNALED[deed.kind] for deed in case.did("fno") if deed.kind in AS_JOURNALED}


def _reports(case: Case) -> list[Seen]:
    """What F+O reported of the whole order; where lines are sourced one by one, what it reported of them as well."""
    by_line = SCENARIOS[case.order.scenario].by_line
    found = [seen for seen in case.on("provider-event") if seen.body["provider"] == "fno"]
    return [seen for seen in found if by_line or not seen.body["lines"]]


def without_company(case: Case) -> bool:
    """S4: no company on arrival, and accepted all the same."""
    created = case.on("order-created")
    return bool(created) and all(seen.body["order"]["company"] is None for seen in created) and bool(case.statuses())


def company_by_policy(case: Case) -> bool:
    """S5: a rule of a named policy set the company before the first row was written; without one no row ever is."""
    assigned, rows = case.on("order-assigned"), case.on(OUR_ROWS)
    if case.refused:
        return not rows
    policies = [policy for seen in assigned for policy in seen.body["policies"] if policy["policy"] == "assign-company"]
    companies = {seen.body["company"] for seen in assigned}
    synced = bool(rows) and {row.body["after"]["dataAreaId"] for row in rows} == companies
    return passed(policies) and all(policy["rules"] for policy in policies) and synced and None not in companies


def ready_to_sync(case: Case) -> bool:
    """S6: the provider action made the order ready, and every row to F+O is one that it asked for."""
    asked, created = asked_of(case, "fno"), case.on("order-created")
    unready = not any(seen.body["order"]["ready_to_sync"] for seen in created)
    ready = all(seen.body["order"]["ready_to_sync"] for seen in asked)
    marked = all(row.body["after"]["isReadyToSync"] for row in case.on(OUR_ROWS))
    return written_by(case, {seen.body["effect_id"] for seen in asked}) and bool(asked) and unready and ready and marked


def in_designed_flow(case: Case) -> bool:
    """S7: the assignment policy is a step of the flow that the order ran, and F+O's action follows from it."""
    steps = {body["event"]: body["step"] for body in case.statuses()}
    flows = {body["flow"] for body in case.statuses()}
    scenario = SCENARIOS[case.order.scenario]
    named = steps.get("order assigned") == "assign" and steps.get("order sent to fulfillment") == scenario.sent_by
    first = case.on(scenario.asked_on) if scenario.asked_on else asked_of(case, "fno")
    follows = bool(asked_of(case, "fno")) and causes(first[:1]) == causes(case.on("order-assigned"))
    return named and follows and flows == {scenario.flow}


def one_event_per_status(case: Case) -> bool:
    """S8: each status that F+O reached gives exactly one business event, however often its row came, and nothing else
    does."""
    reached, reports = _reached(case), _reports(case)
    if SCENARIOS[case.order.scenario].by_line:
        return bool(reached) and _one_event_per_line(case, reports)
    last = max(map(STAGES.index, reached), default=-1)
    expected = Counter(STAGES[: last + 1])
    raised = Counter(seen.body["event"] for seen in reports if seen.body["event"] != "order changed")
    ids = {seen.event_id for seen in reports}
    taken = Counter(seen.body["event"] for seen in case.on("order-status") if seen.cause in ids)
    return bool(reached) and raised == expected == Counter({event: taken[event] for event in STAGES if taken[event]})


def _one_event_per_line(case: Case, reports: list[Seen]) -> bool:
    """Each line at F+O was picked, shipped and invoiced once; of the whole order F+O says that it is confirmed."""
    told = Counter((seen.body["event"], line["line_id"]) for seen in reports for line in seen.body["lines"])
    lines = {line["ExternalItemNumber"] for row in case.on(OUR_ROWS) for line in row.body["after"]["Lines"]}
    whole = Counter(seen.body["event"] for seen in reports if not seen.body["lines"])
    taken = [seen.cause for seen in case.on("order-status") if seen.cause in {report.event_id for report in reports}]
    once_each = told == Counter((event, line) for event in STAGES[1:] for line in lines)
    return once_each and whole == Counter(STAGES[:1]) and sorted(taken) == sorted(seen.event_id for seen in reports)


_ALL: Final = frozenset(SCENARIOS)
_OF_THE_SHOP: Final = frozenset(number for number, known in SCENARIOS.items() if known.origin == "bigcommerce")
SOLUTION: Final[Mapping[str, tuple[Check, frozenset[int]]]] = {
    "S3": (synchronised, _ALL),
    "S4": (without_company, _OF_THE_SHOP),
    "S5": (company_by_policy, _OF_THE_SHOP),
    "S6": (ready_to_sync, _OF_THE_SHOP),
    "S7": (in_designed_flow, _OF_THE_SHOP),
    "S8": (one_event_per_status, _ALL),
}
ALSO_REFUSED: Final = frozenset(
    {"S4", "S5", "S9", "S10", "S11", "S22", "S23", "S24", "S57", "S58", "S59"}
    | {f"S{number}" for first in (32, 41, 49) for number in range(first, first + 4)}
)
"""Numbers that hold for refused orders as well; the others speak of orders that go on."""
ALSO_NOT_FOUND: Final = frozenset({"S4", "S57", "S58", "S59", "S60", "S61", "S64", "S65"})
"""Numbers that hold for orders for which there was no stock, backorders being switched off."""


def speaks_of(number: str, case: Case) -> bool:
    if case.refused:
        return number in ALSO_REFUSED
    return case.order.expected != NOT_FOUND or number in ALSO_NOT_FOUND
