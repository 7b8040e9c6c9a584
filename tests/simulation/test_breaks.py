"""The worlds notice a product that is broken on purpose. `python -m tests.simulation.breaks` tries every way."""

import pytest

from app.resources import ROOT
from tests.simulation.breaks import BREAKS, Break, notice

QUICK = BREAKS[-1]


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.consequence)
def test_a_break_is_one_change_of_code_that_is_there(each: Break) -> None:
    assert (ROOT / each.path).read_text(encoding="utf-8").count(each.text) == 1
    assert each.replacement != each.text


def test_the_first_worlds_notice_that_dead_letters_are_lost() -> None:
    assert "malformed" in notice(QUICK, "1:3")
