"""Every number holds on a true run, and each turns false when its step is left out, done twice or done wrongly.

A row names what else must fall with it: numbers that speak of the same fact. Nothing more may fall. The rows are in
left_out/, one module a scenario.
"""

import pytest

from app.sandbox.demo.demo_report import judge
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.demo.solution_checks import SOLUTION
from tests.sandbox.demo import recorded as run
from tests.sandbox.demo.left_out import (
    bigcommerce_dom_fno_fno,
    bigcommerce_flexe_fno,
    bigcommerce_fno_fno,
    fno_flexe_fno,
    fno_flexe_sap,
    fno_fno_fno,
)
from tests.sandbox.demo.recorded import Row, drop, put

LEFT_OUT = {
    1: bigcommerce_fno_fno,
    2: bigcommerce_flexe_fno,
    3: fno_flexe_fno,
    4: fno_fno_fno,
    5: fno_flexe_sap,
    6: bigcommerce_dom_fno_fno,
}
ROWS = [
    (scenario, position, row)
    for scenario, module in LEFT_OUT.items()
    for position, rows in enumerate((module.COMPLETED, module.REFUSED, getattr(module, "NOT_FOUND", [])))
    for row in rows
]
ORDERS = ("completed", "refused", "not found")


def numbers() -> set[str]:
    return {*SOLUTION, *(number for scenario in SCENARIOS.values() for number in scenario.checks)}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_number_holds_on_a_true_run(scenario: int) -> None:
    report = judge("", run.complete(scenario), run.DEFINITIONS)
    assert [number for number, held in report.requirements.items() if not held] == []
    assert report.truth


@pytest.mark.parametrize("scenario", [1, 2, 3, 5])
def test_a_slow_answer_is_no_fault(scenario: int) -> None:
    cases = run.complete(scenario)
    run.answered_late(cases[0])
    assert run.missing(cases) == set()


def test_an_update_that_is_repeated_after_the_end_tells_of_the_end() -> None:
    cases = run.complete(1)
    run.repeated_after_the_end(cases[0])
    assert run.missing(cases) == set()
    run.drop("provider-result", attempt=2)(cases[0])
    assert run.missing(cases) == {"S18"}


def test_a_lot_that_is_sent_again_may_have_what_was_released_meanwhile() -> None:
    cases = run.complete(6)
    bigcommerce_dom_fno_fno.repeated_after_the_release(cases[0])
    assert run.missing(cases) == set()


@pytest.mark.parametrize("scenario", [2, 3, 5])
def test_a_webhook_that_came_twice_is_no_fault(scenario: int) -> None:
    cases = run.complete(scenario)
    run.told_twice(cases[0])
    assert judge("", cases, run.DEFINITIONS).truth


@pytest.mark.parametrize(
    ("scenario", "position", "row"),
    [pytest.param(*row, id=f"{row[0]}-{ORDERS[row[1]]}-{row[2][0].split()[0]}: {row[2][1]}") for row in ROWS],
)
def test_a_step_that_is_left_out_is_missed(scenario: int, position: int, row: Row) -> None:
    cases = run.complete(scenario)
    row[2](cases[position])
    assert run.missing(cases) == set(row[0].split())


def test_every_number_is_seen_to_fail() -> None:
    assert {row[0].split()[0] for _, _, row in ROWS} == numbers()
    assert numbers() == {f"S{n}" for n in range(3, 73)} | {"S63a", "S63b", "S63c"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_order_that_falls_short_is_enough(scenario: int) -> None:
    cases = [*run.complete(scenario), *run.complete(scenario)]
    drop("order-invoiced")(cases[len(cases) // 2])
    assert run.missing(cases)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_flow_of_another_scenario_is_seen_where_the_number_speaks_of_it(scenario: int) -> None:
    cases = run.complete(scenario)
    put("order-status", "flow", "another")(cases[0])
    assert run.missing(cases) == ({"S7"} if SCENARIOS[scenario].origin == "bigcommerce" else set())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_number_holds_of_nothing(scenario: int) -> None:
    cases = run.complete(scenario)
    for case in cases:
        case.records, case.journal = [], []
    speaks_of = {*SCENARIOS[scenario].checks, *(n for n, (_, of) in SOLUTION.items() if scenario in of)}
    assert run.missing(cases) == speaks_of
