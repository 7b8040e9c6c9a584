"""docs/requirements.md: every number has a sentence, a place where it is done and something that observes it."""

from pathlib import Path

import pytest

from app.resources import ROOT
from app.sandbox.demo.scenarios import SCENARIOS
from app.sandbox.demo.solution_checks import SOLUTION
from tests.documents.requirements import DEMO, DOCUMENT, NUMBERS, citations, cited, is_observer, sentences, written

ON_DEFINITIONS = {"S1", "S2"}
"""app/sandbox/demo/definition_checks.py shows these."""


def test_the_document_is_as_the_citations_have_it() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text) == text, "run `make docs`"


def test_every_number_has_one_sentence() -> None:
    assert tuple(sentences(DOCUMENT.read_text(encoding="utf-8"))) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_is_done_and_observed(number: str) -> None:
    places = citations()[number]
    assert [place for place in places if not is_observer(place)], f"{number}: cite it where its rule is"
    assert [place for place in places if place.path.startswith("tests/")], f"{number}: no test cites it"
    assert [place for place in places if place.path.startswith(DEMO)], f"{number}: the demo does not show it"


def test_the_demo_judges_these_numbers_and_no_other() -> None:
    checks = {number for scenario in SCENARIOS.values() for number in scenario.checks} | SOLUTION.keys()
    assert checks | ON_DEFINITIONS == {*NUMBERS, "S63"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/**/*.md")), ids=lambda path: path.name)
def test_documents_cite_numbers_that_exist(path: Path) -> None:
    list(cited(path.read_text(encoding="utf-8")))


def test_a_range_stands_for_all_in_between_and_a_number_that_does_not_exist_is_refused() -> None:
    assert list(cited("(S62-S64)")) == ["S62", "S63a", "S63b", "S63c", "S64"]
    assert list(cited("S63, S63b")) == ["S63a", "S63b", "S63c", "S63b"]
    with pytest.raises(ValueError, match="S73"):
        list(cited("as S73 says"))
