"""The one translation of pydantic's errors: each has a place, a text and, where it can be known, a fix."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from app.definitions.model_errors import Hint, ModelError, describe, model_errors, path_of
from app.definitions.validation import STRICT_KEYS, load_spec
from app.errors import DefinitionError


class Wheel(BaseModel):
    model_config = STRICT_KEYS

    inches: Annotated[int, Field(ge=10), Hint("write a whole number from 10", "28")]
    side: Literal["front", "rear"] = Field("front", alias="at")
    note: Annotated[str, Field(max_length=3)] | None = None


class Bicycle(BaseModel):
    model_config = STRICT_KEYS

    name: str
    wheels: tuple[Wheel, ...] = ()
    spares: dict[str, Wheel] = {}

    @field_validator("name")
    @classmethod
    def _is_short(cls, name: str) -> str:
        if len(name) > 9:
            raise ValueError(f"{name!r} is too long; use at most 9 characters")
        return name


GOOD = {"name": "Tandem"}


def errors(document: Any) -> list[ModelError]:
    with pytest.raises(ValidationError) as refused:
        Bicycle.model_validate(document)
    return list(model_errors(refused.value, Bicycle))


@pytest.mark.parametrize(
    ("document", "kind", "path", "sentence"),
    [
        ({**GOOD, "wheel": []}, "unknown", "wheel", "unknown key; did you mean `wheels`?"),
        ({}, "missing", "name", "the key is missing; add `name:`"),
        ({**GOOD, "wheels": [{}]}, "missing", "wheels[0].inches", "the key is missing; add `inches: 28`"),
        ({**GOOD, "wheels": [{"inches": 28, "att": 1}]}, "unknown", "wheels[0].att", "unknown key; did you mean `at`?"),
        (
            {**GOOD, "wheels": [{"inches": 28, "at": "Rear"}]},
            "invalid",
            "wheels[0].at",
            "`Rear` is not a known value; did you mean `rear`?",
        ),
        (
            {**GOOD, "spares": {"a": {"inches": 9}}},
            "invalid",
            "spares.a.inches",
            "`9` cannot be used; write a whole number from 10",
        ),
        ({"name": "Penny-farthing"}, "invalid", "name", "'Penny-farthing' is too long; use at most 9 characters"),
        (
            {**GOOD, "wheels": [{"inches": 28, "note": "long"}]},
            "invalid",
            "wheels[0].note",
            "string should have at most 3 characters",
        ),
    ],
)
def test_each_error_has_a_place_a_text_and_a_fix(document: Any, kind: str, path: str, sentence: str) -> None:
    (error,) = errors(document)
    assert (error.kind, path_of(error.place), error.sentence) == (kind, path, sentence)


def test_all_errors_are_there_and_a_misspelled_key_is_named_first() -> None:
    assert [error.kind for error in errors({"nam": "x"})] == ["missing", "unknown"]
    with pytest.raises(DefinitionError, match=r"^b\.yaml: nam: unknown key; did you mean `name`\?$"):
        load_spec(Bicycle, "nam: x", "b.yaml")


def test_a_scalar_is_named_in_the_fix_and_a_mapping_is_not() -> None:
    with pytest.raises(DefinitionError, match=r"wheels\[0\].note: string should .* 3 characters; correct `long`$"):
        load_spec(Bicycle, "name: x\nwheels: [{inches: 28, note: long}]", "b.yaml")
    with pytest.raises(DefinitionError, match=r"name: input should be a valid string$"):
        load_spec(Bicycle, "name: {a: b}", "b.yaml")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        ("", "an empty text"),
        ("a\x1b[0m\ud800", "`a?[0m?`"),
        ("x" * 100, f"`{'x' * 60}`"),
        ({}, "a mapping"),
        ([], "a list"),
        (1.5, "`1.5`"),
    ],
)
def test_a_value_is_described_in_one_short_line(value: object, text: str) -> None:
    assert describe(value) == text
