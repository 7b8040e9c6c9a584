"""docs/metrics.md: metrics are those of the code, and so are the codes of dead letters that have a series."""

from app.events.dead_letter_codes import CODES
from tests.documents.codes import letter_codes
from tests.documents.metrics import DOCUMENT, written


def test_the_page_is_as_the_catalog_has_it() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text) == text, "run `make docs`"


def test_every_code_of_a_dead_letter_has_a_series_from_the_beginning() -> None:
    assert list(CODES) == sorted(letter_codes())
