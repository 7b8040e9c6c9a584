"""The demo's verdict: which numbers hold, which orders ended as they must, how long they took; as a table and as
JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.sandbox.demo import outage
from app.sandbox.demo.evidence import DEAD_LETTER, Case, Seen, doubled
from app.sandbox.demo.outage import Fault, Outage, Times, outages, times
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.demo.solution import SOLUTION, speaks_of
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
    scenario: int
    flow: str
    orders: int
    completed: int
    refused: int
    wrong: tuple[Case, ...]
    requirements: Mapping[str, bool]
    times: Times
    """Of the orders of the first round."""


@dataclass(frozen=True)
class Report:
    broker: str
    scenarios: tuple[ScenarioReport, ...]
    solution: Mapping[str, bool]
    doubled: tuple[Seen, ...]
    cases: tuple[Case, ...]
    outages: tuple[Outage, ...] = ()

    @property
    def requirements(self) -> dict[str, bool]:
        found = dict(self.solution)
        for scenario in self.scenarios:
            for number, held in scenario.requirements.items():
                found[number] = held and found.get(number, True)
        return dict(sorted(found.items(), key=lambda item: (int(item[0][1:].rstrip("abc")), item[0])))

    @property
    def truth(self) -> bool:
        """All orders ended as they must, every number was observed, nothing was seen twice."""
        return (
            all(self.requirements.values())
            and not self.doubled
            and not any(scenario.wrong for scenario in self.scenarios)
        )


def holds(number: str, check: Check, cases: Iterable[Case]) -> bool:
    """Whether the check holds for every order that the number speaks of, and there is at least one."""
    spoken_of = [case for case in cases if not case.set_aside and speaks_of(number, case)]
    return bool(spoken_of) and all(_check(check, case) for case in spoken_of)


def _check(check: Check, case: Case) -> bool:
    try:
        return check(case)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        # A record is missing, or lacks what the number speaks of.
        return False


def judge(broker: str, cases: Iterable[Case], definitions: Mapping[str, bool], faults: Sequence[Fault] = ()) -> Report:
    """`definitions`: the numbers that are shown on the definitions and not on orders (S1, S2). `faults`: what was out
    of order in the rounds after the first."""
    every = tuple(cases)
    by_scenario = {number: [case for case in every if case.order.scenario == number] for number in SCENARIOS}
    scenarios = tuple(_scenario(number, found) for number, found in by_scenario.items() if found)
    solution = dict(definitions)
    for number, (check, of_scenarios) in SOLUTION.items():
        found = [case for case in every if case.order.scenario in of_scenarios]
        if found:
            solution[number] = holds(number, check, found)
    twice = tuple(seen for case in every for seen in doubled(case.records))
    return Report(
        broker=broker,
        scenarios=scenarios,
        solution=solution,
        doubled=twice,
        cases=every,
        outages=outages(every, faults),
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
    """The shape that others rely on (design, section 7)."""
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
    aside = f"dead-letter: {case.on(DEAD_LETTER)[0].body['code']}" if case.set_aside else None
    state, reason = case.end() or (None, aside)
    events = [
        {
            "topic": seen.topic,
            "partition": seen.partition,
            "offset": seen.offset,
            "id": seen.event_id,
            "type": seen.type,
        }
        for seen in case.records
        if seen.topic in EVENT_TOPICS
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
    """Fits 80 columns; where numbers are missing, the last column takes more lines."""
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
            _told(scenario.times.p50_s),
            _told(scenario.times.p99_s),
            _observed({number: report.requirements[number] for number in scenario.requirements}),
        )
    of_scenarios = {number for scenario in report.scenarios for number in scenario.requirements}
    alone = {number: held for number, held in report.solution.items() if number not in of_scenarios}
    table.add_row("solution", "", "", "", "", "", "", _observed(alone))
    return table


def _told(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def _observed(requirements: Mapping[str, bool]) -> str:
    missing = [number for number, held in requirements.items() if not held]
    names = sorted(requirements, key=lambda number: int(number[1:].rstrip("abc")))
    span = f"{names[0]}-{names[-1]}" if names else ""
    return f"[red]missing {', '.join(missing)}[/red] of {span}" if missing else f"[green]{span}[/green]"


def outage_tables(report: Report) -> Iterator[Table]:
    """For each outage how long the orders of each scenario took without it and during it."""
    for each in report.outages:
        table = Table(title=str(each.fault), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("Scenario", no_wrap=True)
        table.add_column("Calls it", no_wrap=True)
        for column in ("Orders", "Ended", "p50 s", "during", "p99 s", "during"):
            table.add_column(column, no_wrap=True, justify="right")
        for found in each.scenarios:
            calls = "yes" if found.calls else "[red]slowed[/red]" if found.slowed else "no"
            times = (found.before.p50_s, found.during.p50_s, found.before.p99_s, found.during.p99_s)
            counts = (str(found.scenario), calls, str(found.orders), str(found.ended))
            table.add_row(*counts, *map(_told, times))
        yield table
