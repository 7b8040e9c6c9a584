"""docs/operating.md: the least rights are what topics.yaml and the roles say."""

from tests.documents.operating import DOCUMENT, written


def test_the_table_of_rights_is_as_the_code_has_it() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text) == text, "run `make docs`"
