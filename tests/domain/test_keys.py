"""Keys that stand for ids where a field is short or loosely compared."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.external_keys import is_key, key_of, line_ids, line_key, units
from tests.providers.orders import a_line

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=130)


@given(TEXT, TEXT)
def test_a_key_is_short_plain_and_the_text_s_own(text: str, other: str) -> None:
    key = key_of(text)
    assert (is_key(key), len(key), key, key.isascii()) == (True, 17, key.lower(), True)
    assert (key == key_of(other)) is (text == other)


def test_what_is_no_key() -> None:
    key = key_of("a")
    assert not any(map(is_key, ("", "a", key[1:], key + "a", f"x{key}", key.upper(), "~" + "1" * 16, f"{key}\n")))


@given(TEXT, st.integers(17, 40))
def test_a_line_is_known_by_its_id_where_that_survives_the_field(line_id: str, length: int) -> None:
    key = line_key(line_id, length)
    assert units(key) <= length
    if key != line_id:
        assert key == key_of(line_id)
        assert units(line_id) > length or line_id != line_id.strip() or not line_id.isprintable() or line_id[0] == "~"
    line = replace(a_line(), line_id=line_id)
    assert line_ids((a_line("other"), line), (key, "nobody")) == ({} if key == line_id else {key: line_id})


def test_an_id_that_looks_like_a_key_is_nobody_else_s() -> None:
    mimic = key_of("long one")
    lines = (a_line("long one"), a_line(mimic))
    assert line_key(mimic, 20) == key_of(mimic)
    assert line_ids(lines, (mimic, key_of(mimic))) == {key_of(mimic): mimic}
    assert line_ids((a_line("long one"),), (mimic,)) == {mimic: "long one"}


def test_lengths_are_counted_as_vendors_do() -> None:
    assert [units(text) for text in ("", "a", "\u00e9", "\U0001f69a", "\ud800")] == [0, 1, 1, 2, 1]
