"""Checks of the solution as a whole, S3 to S8; S1 and S2 are checked on the definitions (definition_checks.py)."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from app.sandbox.demo.evidence import Case, ObservedRecord
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.demo.scenarios.bigcommerce_dom_fno_fno import NOT_FOUND
from app.sandbox.demo.step_checks import OUR_ROWS, THEIR_ROWS, Check, causes, once, passed, requests_to, written_by

STAGES: Final = ("order confirmed", "order picked", "order shipped", "order invoiced")
"""Events that F+O can report of a whole order, in order: one that is reached implies those before it."""
AS_JOURNALED: Final = {
    "order confirmed": "order confirmed",
    "order picked": "order picked",
    "order delivered": "order shipped",
    "order invoiced": "order invoiced",
}
"""Business event by the name that F+O's journal has for the status."""


def synchronised(case: Case) -> bool:
    """S3: what we had to write is there, what changed there is here, and nothing that came from there was written
    back."""
    ours, theirs = case.on(OUR_ROWS), case.on(THEIR_ROWS)
    reached, reports = _reached(case), _reports(case)
    reported_events = {report.body["event"] for report in reports}
    arrived = bool(reached) and reached <= reported_events and reached <= set(case.events())
    echoes = causes(ours) & {report.event_id for report in reports}
    calls_fno = "fno" in SCENARIOS[case.order.scenario].calls
    return bool(theirs) and arrived and not echoes and bool(ours) == calls_fno and once(case, "fno", "order created")


def _reached(case: Case) -> set[str]:
    """Return the events that the statuses in F+O's journal stand for."""
    return {AS_JOURNALED[entry.kind] for entry in case.effects("fno") if entry.kind in AS_JOURNALED}


def _reports(case: Case) -> list[ObservedRecord]:
    """Return F+O's reports of the whole order; where lines are sourced one by one, those of lines as well."""
    by_line = SCENARIOS[case.order.scenario].by_line
    records = [record for record in case.on("provider-event") if record.body["provider"] == "fno"]
    return [record for record in records if by_line or not record.body["lines"]]


def without_company(case: Case) -> bool:
    """S4: no company on arrival, and accepted all the same."""
    companies = {record.body["order"]["company"] for record in case.on("order-created")}
    return companies == {None} and bool(case.statuses())


def company_by_policy(case: Case) -> bool:
    """S5: a rule of a named policy set the company before the first row was written; without one no row ever is."""
    assigned, rows = case.on("order-assigned"), case.on(OUR_ROWS)
    if case.refused:
        return not rows
    policies = [policy for record in assigned for policy in record.body["policies"]]
    policies = [policy for policy in policies if policy["policy"] == "assign-company"]
    companies = {record.body["company"] for record in assigned}
    synced = bool(rows) and {row.body["after"]["dataAreaId"] for row in rows} == companies
    return passed(policies) and all(policy["rules"] for policy in policies) and synced and None not in companies


def ready_to_sync(case: Case) -> bool:
    """S6: the provider action made the order ready, and every row to F+O is one that it asked for."""
    requests = requests_to(case, "fno")
    created = case.on("order-created")
    unready = not any(record.body["order"]["ready_to_sync"] for record in created)
    ready = all(record.body["order"]["ready_to_sync"] for record in requests)
    marked = all(row.body["after"]["isReadyToSync"] for row in case.on(OUR_ROWS))
    written = written_by(case, {record.body["effect_id"] for record in requests})
    return written and bool(requests) and unready and ready and marked


def in_designed_flow(case: Case) -> bool:
    """S7: the assignment policy is a step of the flow that the order ran, and F+O's action follows from it."""
    steps = {body["event"]: body["step"] for body in case.statuses()}
    flows = {body["flow"] for body in case.statuses()}
    scenario = SCENARIOS[case.order.scenario]
    has_steps = steps.get("order assigned") == "assign" and steps.get("order sent to fulfillment") == scenario.sent_by
    first = case.on(scenario.asked_on) if scenario.asked_on else requests_to(case, "fno")
    follows = bool(requests_to(case, "fno")) and causes(first[:1]) == causes(case.on("order-assigned"))
    return has_steps and follows and flows == {scenario.flow}


def one_event_per_status(case: Case) -> bool:
    """S8: each status that F+O reached gives exactly one business event, however often its row came, and nothing else
    does."""
    reached, reports = _reached(case), _reports(case)
    if SCENARIOS[case.order.scenario].by_line:
        return bool(reached) and _one_event_per_line(case, reports)
    last = max(map(STAGES.index, reached), default=-1)
    expected = Counter(STAGES[: last + 1])
    raised = Counter(record.body["event"] for record in reports if record.body["event"] != "order changed")
    ids = {record.event_id for record in reports}
    applied = Counter(record.body["event"] for record in case.on("order-status") if record.cause in ids)
    stages = Counter({event: applied[event] for event in STAGES if applied[event]})
    return bool(reached) and raised == expected == stages


def _one_event_per_line(case: Case, reports: list[ObservedRecord]) -> bool:
    """Check that each line at F+O was picked, shipped and invoiced once, and the whole order confirmed once."""
    line_events = Counter((each.body["event"], line["line_id"]) for each in reports for line in each.body["lines"])
    lines = {line["ExternalItemNumber"] for row in case.on(OUR_ROWS) for line in row.body["after"]["Lines"]}
    whole = Counter(each.body["event"] for each in reports if not each.body["lines"])
    ids = [each.event_id for each in reports]
    applied = [record.cause for record in case.on("order-status") if record.cause in ids]
    once_each = line_events == Counter((event, line) for event in STAGES[1:] for line in lines)
    return once_each and whole == Counter(STAGES[:1]) and sorted(applied) == sorted(ids)


_ALL: Final = frozenset(SCENARIOS)
_OF_THE_SHOP: Final = frozenset(number for number, scenario in SCENARIOS.items() if scenario.origin == "bigcommerce")
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
"""Numbers that hold for orders without stock while backorders are off."""


def speaks_of(number: str, case: Case) -> bool:
    """Return whether the numbered sentence applies to the order."""
    if case.refused:
        return number in ALSO_REFUSED
    return case.order.expected != NOT_FOUND or number in ALSO_NOT_FOUND
