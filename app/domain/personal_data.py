"""Personal data: which fields of a value have it, and the value without it. Pure.

A field is marked where it is declared: `name: Personal[str]`. docs/privacy.md is written from the marks.
"""

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Final, TypeVar

from msgspec import NODEFAULT, Meta, Struct, inspect
from msgspec.structs import replace

T = TypeVar("T")
S = TypeVar("S", bound=Struct)
_MARK: Final = "personal"
Personal = Annotated[T, Meta(extra={_MARK: True})]
"""A field that says something about a person, or that may quote what does: free text, values by name."""


def redact(value: S) -> S:
    """Return the value with its personal fields empty, those of the structs within it too."""
    changes: dict[str, Any] = dict(_empty_values(type(value)))
    for field in value.__struct_fields__:
        if field not in changes and (cleaned := _redacted(before := getattr(value, field))) is not before:
            changes[field] = cleaned
    return replace(value, **changes) if changes else value


def _redacted(value: Any) -> Any:
    if isinstance(value, Struct):
        return redact(value)
    if isinstance(value, tuple) and any(isinstance(each, Struct) for each in value):
        return tuple([_redacted(each) for each in value])
    return value


@cache
def personal_fields(kind: type[Struct]) -> tuple[str, ...]:
    """Return the paths of the personal fields of a struct, such as `order.ship_to.name`; `lines[].note` in a list."""
    return tuple(dict.fromkeys(_paths(inspect.type_info(kind), "")))


@cache
def _empty_values(kind: type[Struct]) -> tuple[tuple[str, Any], ...]:
    """Return the personal fields of a struct itself, each with its default, or else an empty text."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType), f"{kind.__name__} is a struct"
    return tuple((field.name, _default(field)) for field in info.fields if _is_personal(field.type))


def _default(field: inspect.Field) -> Any:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return "" if field.default is NODEFAULT else field.default


def _is_personal(info: inspect.Type) -> bool:
    return isinstance(info, inspect.Metadata) and bool((info.extra or {}).get(_MARK))


def _paths(info: inspect.Type, path: str) -> Iterator[str]:
    if _is_personal(info):
        yield path
    elif isinstance(info, inspect.StructType):
        for field in info.fields:
            yield from _paths(field.type, f"{path}.{field.name}" if path else field.name)
    elif isinstance(info, inspect.UnionType):
        for option in info.types:
            yield from _paths(option, path)
    elif isinstance(info, inspect.VarTupleType):
        yield from _paths(info.item_type, f"{path}[]")
