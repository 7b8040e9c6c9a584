"""Order handling preferences: what the file may say, and what an operator may change while running."""

import pytest

from app.errors import DefinitionError, RecordError
from app.inventory import preferences
from app.inventory.ledger_values import PreferenceOverrides
from app.inventory.preferences import CHANGES_MAX, DAY_MS, TIME_MS_MAX, Preferences, change_preferences
from app.resources import read_text

GOOD = "backorders: false\ncancellation_sla_days: 7\npriorities: {shop-2: 10}\n"


def test_a_file_is_read() -> None:
    assert preferences.load(GOOD, "p.yaml") == Preferences(False, 7, {"shop-2": 10})
    assert preferences.load(read_text("app/inventory/preferences.yaml"), "p.yaml") == Preferences(True, 30, {})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("false", "maybe", "p.yaml: backorders: "),
        ("7", "366", "p.yaml: cancellation_sla_days: "),
        ("7", "0", "p.yaml: cancellation_sla_days: "),
        ("10", "high", "p.yaml: priorities.shop-2: "),
        ("priorities", "priority", "p.yaml: priority: unknown key"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(old: str, new: str, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        preferences.load(GOOD.replace(old, new, 1), "p.yaml")
    assert str(caught.value).startswith(problem)


def test_what_is_chosen_holds_over_the_file_and_the_rest_follows_it() -> None:
    file = Preferences(True, 30, {"vip": 1})
    chosen = change_preferences(
        file, PreferenceOverrides("main"), {"backorders": "off"}, event_id="e1", at=5, actor="ana"
    )
    assert file.overridden(chosen) == Preferences(False, 30, {"vip": 1})
    assert Preferences(True, 9).overridden(chosen) == Preferences(False, 9)
    (audit,) = chosen.changes
    assert (audit.at, audit.actor) == (5, "ana")
    assert audit.before == {"backorders": "on", "cancellation_sla_days": "30"}
    assert audit.after == {"backorders": "off", "cancellation_sla_days": "30"}
    assert change_preferences(file, chosen, {"backorders": "on"}, event_id="e1", at=6, actor="bo") is chosen


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "no preference is named"),
        ({"backorders": "true"}, "backorders: 'true'; write on or off"),
        ({"cancellation_sla_days": "400"}, "write a number of days from 1 to 365"),
        ({"cancellation_sla_days": "¹²"}, "write a number of days from 1 to 365"),
        ({"backorders": "on", "color": "red"}, "no preference 'color'; there are backorders and cancellation_sla_days"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_whole(values: dict[str, str], sentence: str) -> None:
    with pytest.raises(RecordError) as caught:
        change_preferences(Preferences(), PreferenceOverrides("main"), values, event_id="e1", at=5, actor="ana")
    assert sentence in caught.value.detail


def test_the_audit_is_bounded() -> None:
    chosen = PreferenceOverrides("main")
    for number in range(CHANGES_MAX + 5):
        chosen = change_preferences(
            Preferences(), chosen, {"backorders": "off"}, event_id=f"e{number}", at=number, actor="ana"
        )
    assert (len(chosen.changes), chosen.changes[0].at) == (CHANGES_MAX, 5)


def test_a_line_is_given_up_after_its_days_and_never_beyond_the_calendar() -> None:
    assert Preferences(cancellation_sla_days=2).cancel_at(1_000) == 1_000 + 2 * DAY_MS
    assert Preferences().cancel_at(TIME_MS_MAX) == TIME_MS_MAX
