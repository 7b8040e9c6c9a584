"""docs/codes.md has every code that the code can write, and no other."""

import pytest

from app.domain.outcomes import Outcome
from app.providers.port import Code
from app.providers.webhooks import RefusalCode
from tests.documents.codes import DOCUMENT, LETTERS, described, letter_codes, step_codes, written

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_page_is_as_the_code_has_it() -> None:
    assert written(TEXT) == TEXT, "run `make docs`"


def test_every_code_of_a_dead_letter_has_a_row() -> None:
    codes = letter_codes()
    assert described(TEXT, LETTERS) == sorted(codes)
    assert "app/lanes/checkpoint.py" in codes["too-large"]
    assert {"unknown-order", "unmappable", "sync-retry"} <= codes.keys(), "constants, marks, computed codes"


@pytest.mark.parametrize(
    ("title", "codes"),
    [
        ("Steps that failed", step_codes()),
        ("Outcomes of effects", set(Outcome)),
        ("Codes of effects", set(Code)),
        ("Refused webhooks", set(RefusalCode)),
    ],
)
def test_every_other_code_has_a_row(title: str, codes: set[str]) -> None:
    assert set(described(TEXT, title)) == {str(code) for code in codes}
