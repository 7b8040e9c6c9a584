"""The demo's report: which numbers hold, which orders ended as they must, how long they took; as table and as JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.sandbox.demo import outage
from app.sandbox.demo.evidence import DEAD_LETTER, Case, ObservedRecord, doubled
from app.sandbox.demo.outage import Fault, Outage, Times, outages, times
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.demo.solution_checks import SOLUTION, speaks_of
from app.sandbox.demo.step_checks import Check

EVENT_TOPICS = frozenset(
    {
        "order-created", "order-validated", "order-assigned", "fulfillment-requested", "billing-requested",
        "channel-update-requested", "sourcing-requested", "sourcing-result", "order-picked", "order-shipped",
        "order-invoiced", "order-held", "order-rejected", "order-status",
    }
)  # fmt: skip


@dataclass(frozen=True)
class ScenarioReport:
    """What became of one scenario's orders, and which of its numbers hold."""

    scenario: int
    flow: str
    orders: int
    completed: int
    refused: int
    wrong: tuple[Case, ...]
    requirements: Mapping[str, bool]
    times: Times
    """Latency of the orders of the first round."""


@dataclass(frozen=True)
class Report:
    """What a run of the demo showed: by scenario, of the solution as a whole, and of each outage."""

    broker: str
    scenarios: tuple[ScenarioReport, ...]
    solution: Mapping[str, bool]
    doubled: tuple[ObservedRecord, ...]
    cases: tuple[Case, ...]
    outages: tuple[Outage, ...] = ()

    @property
    def requirements(self) -> dict[str, bool]:
        """Whether each number holds, in their order; one of several scenarios holds in all of them."""
        numbers = dict(self.solution)
        for scenario in self.scenarios:
            for number, is_met in scenario.requirements.items():
                numbers[number] = is_met and numbers.get(number, True)
        return dict(sorted(numbers.items(), key=lambda item: (int(item[0][1:].rstrip("abc")), item[0])))

    @property
    def truth(self) -> bool:
        """Whether all orders ended as they must, every number was observed and no record is there twice."""
        return (
            all(self.requirements.values())
            and not self.doubled
            and not any(scenario.wrong for scenario in self.scenarios)
        )


def holds(number: str, check: Check, cases: Iterable[Case]) -> bool:
    """Return whether the check holds for every order that the number speaks of, and there is at least one."""
    relevant = [case for case in cases if not case.set_aside and speaks_of(number, case)]
    return bool(relevant) and all(_check(check, case) for case in relevant)


def _check(check: Check, case: Case) -> bool:
    try:
        return check(case)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        # A record is missing, or lacks what the number speaks of.
        return False


def judge(broker: str, cases: Iterable[Case], definitions: Mapping[str, bool], faults: Sequence[Fault] = ()) -> Report:
    """Judge all orders of a run.

    `definitions` are the numbers that are not checked on orders (S1, S2), `faults` those of the rounds after the first.
    """
    all_cases = tuple(cases)
    by_scenario = {number: [case for case in all_cases if case.order.scenario == number] for number in SCENARIOS}
    scenarios = tuple(_scenario(number, own) for number, own in by_scenario.items() if own)
    solution = dict(definitions)
    for number, (check, of_scenarios) in SOLUTION.items():
        own = [case for case in all_cases if case.order.scenario in of_scenarios]
        if own:
            solution[number] = holds(number, check, own)
    twice = tuple(record for case in all_cases for record in doubled(case.records))
    return Report(
        broker=broker,
        scenarios=scenarios,
        solution=solution,
        doubled=twice,
        cases=all_cases,
        outages=outages(all_cases, faults),
    )


def _scenario(number: int, cases: list[Case]) -> ScenarioReport:
    scenario = SCENARIOS[number]
    return ScenarioReport(
        scenario=number,
        flow=scenario.flow,
        orders=len(cases),
        completed=sum(case.end() == ("Completed", "Fulfilled") for case in cases),
        refused=sum((case.refused or case.set_aside) and case.ended() for case in cases),
        wrong=tuple(case for case in cases if not case.ended()),
        requirements={name: holds(name, check, cases) for name, check in scenario.checks.items()},
        times=times(case for case in cases if case.order.round == 0),
    )


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON values. Others rely on its shape: it only grows."""
    return {
        "broker": report.broker,
        "requirements": report.requirements,
        "scenarios": [
            {
                "scenario": scenario.scenario,
                "flow": scenario.flow,
                "orders": scenario.orders,
                "completed": scenario.completed,
                "refused": scenario.refused,
                "requirements": dict(scenario.requirements),
                "latency_s": scenario.times.as_json(),
            }
            for scenario in report.scenarios
        ],
        "outage": [outage.as_json(each) for each in report.outages],
        "orders": [_order(case) for case in report.cases],
    }


def _order(case: Case) -> dict[str, Any]:
    letter = f"dead-letter: {case.on(DEAD_LETTER)[0].body['code']}" if case.set_aside else None
    state, reason = case.end() or (None, letter)
    events = [
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "id": record.event_id,
            "type": record.type,
        }
        for record in case.records
        if record.topic in EVENT_TOPICS
    ]
    return {
        "order_id": case.order.order_id,
        "source_ref": case.order.source_ref,
        "scenario": case.order.scenario,
        "state": state,
        "reason": reason,
        "events": events,
    }


def as_table(report: Report) -> Table:
    """Return the table, 80 columns at most; where numbers are missing, the last column takes more lines."""
    table = Table(title="Waybill demo", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Scenario", no_wrap=True)
    for column in ("Orders", "Done", "Refused", "Wrong", "p50 s", "p99 s"):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("Seen")
    for scenario in report.scenarios:
        table.add_row(
            f"{scenario.scenario} {scenario.flow}",
            str(scenario.orders),
            str(scenario.completed),
            str(scenario.refused),
            str(len(scenario.wrong)),
            _seconds_text(scenario.times.p50_s),
            _seconds_text(scenario.times.p99_s),
            _numbers_text({number: report.requirements[number] for number in scenario.requirements}),
        )
    of_scenarios = {number for scenario in report.scenarios for number in scenario.requirements}
    alone = {number: is_met for number, is_met in report.solution.items() if number not in of_scenarios}
    table.add_row("solution", "", "", "", "", "", "", _numbers_text(alone))
    return table


def _seconds_text(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def _numbers_text(requirements: Mapping[str, bool]) -> str:
    missing = [number for number, is_met in requirements.items() if not is_met]
    names = sorted(requirements, key=lambda number: int(number[1:].rstrip("abc")))
    span = f"{names[0]}-{names[-1]}" if names else ""
    return f"[red]missing {', '.join(missing)}[/red] of {span}" if missing else f"[green]{span}[/green]"


def outage_tables(report: Report) -> Iterator[Table]:
    """Yield a table for each outage: how long the orders of each scenario took without it and during it."""
    for each in report.outages:
        table = Table(title=str(each.fault), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("Scenario", no_wrap=True)
        table.add_column("Calls it", no_wrap=True)
        for column in ("Orders", "Ended", "p50 s", "during", "p99 s", "during"):
            table.add_column(column, no_wrap=True, justify="right")
        for slowness in each.scenarios:
            calls = "yes" if slowness.calls else "[red]slowed[/red]" if slowness.slowed else "no"
            times = (slowness.before.p50_s, slowness.during.p50_s, slowness.before.p99_s, slowness.during.p99_s)
            counts = (str(slowness.scenario), calls, str(slowness.orders), str(slowness.ended))
            table.add_row(*counts, *map(_seconds_text, times))
        yield table
