"""The personal fields of a record's body, sealed or opened: each text in its place, so that no schema changes."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from app.domain.personal_data import personal_fields
from app.sealing.order_cipher import OrderCipher

S = TypeVar("S", bound=Struct)
Turn = Callable[[str, str], str]
"""Path and text to the other text."""


def seal(body: S, cipher: OrderCipher) -> S:
    """Return the body with the texts of its personal fields sealed.

    Of a field with values by name the values are, of one with structs every text in them; numbers stay.
    """
    return _turned(body, "", cipher.seal)


def unseal(body: S, cipher: OrderCipher) -> S:
    """Return the body as it was before it was sealed. Raises RecordError("sealed")."""
    return _turned(body, "", cipher.unseal)


def _turned(value: S, path: str, turn: Turn) -> S:
    changes: dict[str, Any] = {}
    for name, is_personal in _fields(type(value)):
        before = getattr(value, name)
        after = (_all_texts if is_personal else _texts_within)(before, f"{path}{name}", turn)
        if after is not before:
            changes[name] = after
    return replace(value, **changes) if changes else value


def _texts_within(value: Any, path: str, turn: Turn) -> Any:
    """Return a field that is not personal itself, with the personal ones of its structs turned."""
    if isinstance(value, Struct):
        return _turned(value, f"{path}.", turn)
    if isinstance(value, tuple):
        return tuple([_turned(each, f"{path}[{at}].", turn) for at, each in enumerate(value)])
    return value


def _all_texts(value: Any, path: str, turn: Turn) -> Any:
    """Return a personal field with every text in it turned."""
    if isinstance(value, str):
        return turn(path, value) if value else value
    if isinstance(value, Mapping):
        return {name: _all_texts(each, f"{path}.{name}", turn) for name, each in value.items()} if value else value
    if isinstance(value, tuple):
        return tuple([_all_texts(each, f"{path}[{at}]", turn) for at, each in enumerate(value)]) if value else value
    if isinstance(value, Struct):
        names = value.__struct_fields__
        return replace(value, **{name: _all_texts(getattr(value, name), f"{path}.{name}", turn) for name in names})
    return value


@cache
def _fields(kind: type[Struct]) -> tuple[tuple[str, bool], ...]:
    """Return the fields of a struct that are personal (True) or have such fields within (False)."""
    fields: dict[str, bool] = {}
    for path in personal_fields(kind):
        name, is_within, _ = path.partition(".")
        fields[name.removesuffix("[]")] = not is_within
    return tuple(fields.items())
