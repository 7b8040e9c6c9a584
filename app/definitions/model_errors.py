"""The one translation of pydantic's errors to sentences: where, what is wrong, and the fix.

Definitions, settings and records from outside are all held against models; each wraps these errors in its own class.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from app.errors import suggest

Place = tuple[int | str, ...]
"""Keys and positions that lead to a value from the top of its document."""
_TEXT_SHOWN_MAX: Final = 60
_OPTION: Final = re.compile(r"'([^']*)'")


class Hint(NamedTuple):
    """What to write in a field, put beside its type: `Annotated[str, Field(...), Hint("write ...")]`.

    Use it where pydantic's own words say too little. `example` is a value, for the fix when the key is missing.
    """

    fix: str
    example: str = ""


class ModelError(NamedTuple):
    """One error. `fix` is empty where nothing better is known than to correct the value."""

    kind: Literal["unknown", "missing", "invalid"]
    place: Place
    value: Any
    text: str
    fix: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong and, where it is known, the fix."""
        return f"{self.text}; {self.fix}" if self.fix else self.text


def model_errors(error: ValidationError, model: type[BaseModel]) -> Iterator[ModelError]:
    """Yield the errors of a document that was held against `model`, in pydantic's order."""
    for each in error.errors(include_url=False):
        place = each["loc"]
        holder, field = _at(model, place)
        yield _translated(each, place, holder, _hint(field))


def path_of(place: Iterable[int | str], start: str = "") -> str:
    """Return a place as a path: `steps[2].action`. `start` is the path of the document within its file."""
    path = start
    for key in place:
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
    return path


def describe(value: object) -> str:
    """Return a value for a message: what kind of thing it is where it is no scalar; in one line, and never long."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value == "":
        return "an empty text"
    return "`" + "".join(each if each.isprintable() else "?" for each in str(value)[:_TEXT_SHOWN_MAX]) + "`"


def _translated(error: Any, place: Place, holder: type[BaseModel], hint: Hint | None) -> ModelError:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return ModelError(
            kind="unknown", place=place, value=value, text="unknown key", fix=suggest(str(place[-1]), _fields(holder))
        )
    if kind == "missing":
        fix = f"add `{place[-1]}: {hint.example}`" if hint and hint.example else f"add `{place[-1]}:`"
        return ModelError(kind="missing", place=place, value=value, text="the key is missing", fix=fix)
    if kind in ("enum", "literal_error"):
        fix = suggest(str(value), _OPTION.findall(error["ctx"]["expected"]))
        return ModelError(
            kind="invalid", place=place, value=value, text=f"{describe(value)} is not a known value", fix=fix
        )
    if kind == "value_error":
        text, _, fix = error["msg"].removeprefix("Value error, ").partition("; ")
        return ModelError(kind="invalid", place=place, value=value, text=text, fix=fix)
    if hint is not None:
        return ModelError(
            kind="invalid", place=place, value=value, text=f"{describe(value)} cannot be used", fix=hint.fix
        )
    return ModelError("invalid", place, value, f"{error['msg'][:1].lower()}{error['msg'][1:]}")


def _at(model: type[BaseModel], place: Place) -> tuple[type[BaseModel], FieldInfo | None]:
    """Return the innermost model on the way to a place, and the field of it that the place is."""
    field: FieldInfo | None = None
    for number, key in enumerate(place):
        field = _fields(model).get(str(key))
        if field is not None and number + 1 < len(place):
            model = _model_in(field.annotation) or model
    return model, field


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields that a document may have, by the keys that it has them under."""
    return {field.alias or name: field for name, field in model.model_fields.items() if not field.exclude}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in `annotation`, which may be optional, or a tuple or mapping of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _hint(field: FieldInfo | None) -> Hint | None:
    if field is None:
        return None
    return next((each for each in (*field.metadata, *_metadata(field.annotation)) if isinstance(each, Hint)), None)


def _metadata(annotation: Any) -> Iterator[object]:
    """Yield what is beside the types within `annotation`, such as `Annotated[str, ...] | None`."""
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _metadata(part)
