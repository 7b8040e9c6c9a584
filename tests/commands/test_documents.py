"""JSON as people write it into files: each document is found with its line, and what is wrong with its place."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands import documents
from app.commands.documents import Document, read
from app.errors import SettingError

ONE, TWO = {"order_id": "a", "n": 1}, {"order_id": "b", "lines": [{"sku": "x\n[{"}]}
VALUES = st.dictionaries(st.text(max_size=5), st.recursive(st.integers() | st.text(max_size=5), st.lists, max_leaves=5))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.json"


def found(file: Path, text: str) -> list[tuple[str, object]]:
    """The line of each document, and what it says."""
    file.write_text(text, encoding="utf-8")
    return [(where.rpartition(":")[2], json.loads(value)) for where, value in read(str(file))]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n", "1 2"),
        (f"\ufeff{json.dumps(ONE)}\r\n\r\n{json.dumps(TWO)}", "1 3"),
        (f"{json.dumps(ONE, indent=2)}\n\n{json.dumps(TWO, indent=2)}\n", "1 6"),
        (f"{json.dumps(ONE)} {json.dumps(TWO)}", "1 1"),
        (json.dumps([ONE, TWO]), "1 1"),
        (json.dumps([ONE, TWO], indent=1), "2 6"),
        (f"\n [\n{json.dumps(ONE)}\n,\n{json.dumps(TWO)} ]\n\n", "3 5"),
    ],
)
def test_one_an_array_or_one_after_the_other(file: Path, text: str, lines: str) -> None:
    assert found(file, text) == list(zip(lines.split(), (ONE, TWO), strict=True))


@pytest.mark.parametrize("text", ["", " \n\t\n", "[]", "[ ]\n"])
def test_nothing(file: Path, text: str) -> None:
    assert found(file, text) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1}\n{"a":', "orders.json:2: not JSON: expecting value, column 6"),
        (
            '{"a": 1}\n{"a": \n{}',
            "orders.json:3: not JSON: expecting ',' delimiter, column 3, in what begins in line 2",
        ),
        (
            '{\n "a": 1,\n "b": 2;\n}',
            "orders.json:3: not JSON: expecting ',' delimiter, column 8, in what begins in line 1",
        ),
        ('{"a": 1}\nx', "orders.json:2: not JSON: expecting value, column 1"),
        ('[{"a": 1}\n{"b": 2}]', "orders.json:2: not JSON: expecting , or ] after an element of the array, column 1"),
        ('[{"a": 1},\n', "orders.json:2: not JSON: expecting value"),
        ('[{"a": 1},]', "orders.json:1: not JSON: expecting value, column 11"),
        ('[{"a": 1}]\n{"b": 2}', "orders.json:2: not JSON: something follows the array, column 1"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_named_with_its_place(file: Path, text: str, says: str) -> None:
    with pytest.raises(SettingError) as refused:
        found(file, text)
    assert says in str(refused.value)


def test_what_is_no_utf8_is_named_with_its_line(file: Path) -> None:
    file.write_bytes('{"a": 1}\n{"name": "Müller"}\n'.encode("latin-1"))
    with pytest.raises(SettingError, match=r"orders\.json:2: not UTF-8 .*save it as UTF-8"):
        read(str(file))


def test_sizes_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "DOCUMENT_BYTES_MAX", 50)
    long = json.dumps({"a": "x" * 50})
    with pytest.raises(SettingError, match=r"orders\.json:2: more than 50 bytes"):
        found(file, f"{{}}\n{long}")
    with pytest.raises(SettingError, match=r"orders\.json:2: more than 50 bytes"):
        found(file, "{}\n" + "x" * 60 + "\n")
    monkeypatch.setattr(documents, "FILE_BYTES_MAX", 100)
    with pytest.raises(SettingError, match=r"orders\.json: more than 100 bytes; split it"):
        found(file, "{}\n" * 40)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        read(str(tmp_path))
    with pytest.raises(SettingError, match=r"none\.json: cannot be read \(No such file"):
        read(str(tmp_path / "none.json"))


@given(st.lists(VALUES, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_every_document_comes_back_in_its_own_words(values: list[object], indent: int | None, as_array: bool) -> None:
    texts = [json.dumps(value, indent=indent) for value in values]
    text = f"[{','.join(texts)}]" if as_array else "\n".join(texts)
    split = list(documents._Text("f", text).documents())
    assert split == [Document(each.where, value.encode()) for each, value in zip(split, texts, strict=True)]
