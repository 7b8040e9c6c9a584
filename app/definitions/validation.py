"""Definitions of sourcing in YAML, held against a pydantic model: what is wrong is named with file, path and fix."""

from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from app.definitions.yaml_document import WHOLE_FILE, read
from app.errors import DefinitionError, suggest

STRICT_KEYS: Final = ConfigDict(frozen=True, extra="forbid")
Spec = TypeVar("Spec", bound=BaseModel)


def load_spec(model: type[Spec], text: str, file: str) -> Spec:
    """The definition in `text`. Raises DefinitionError for the first thing that is wrong with it."""
    document = read(text, file)
    if not isinstance(document, dict):
        first = next(iter(model.model_fields))
        raise DefinitionError(file, WHOLE_FILE, "not a mapping of keys to values", f"start with `{first}:`")
    return validated(model, document, file, "")


def validated(model: type[Spec], document: object, file: str, path: str) -> Spec:
    """`document`, found at `path` of the file, as that model. Raises DefinitionError."""
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        raise _refusal(model, exc.errors(include_url=False)[0], file, path) from exc


def _refusal(model: type[BaseModel], problem: Any, file: str, path: str) -> DefinitionError:
    place, kind = problem["loc"], problem["type"]
    if kind == "extra_forbidden":
        key, keys = str(place[-1]), _model_at(model, place[:-1]).model_fields
        return DefinitionError(file, _path(path, place[:-1]), f"unknown key `{key}`", suggest(key, keys))
    if kind == "missing":
        key = str(place[-1])
        return DefinitionError(file, _path(path, place[:-1]), f"`{key}` is missing", f"add `{key}:`")
    message = str(problem["msg"]).removeprefix("Value error, ")
    words, _, fix = f"{message[:1].lower()}{message[1:]}".partition("; ")
    return DefinitionError(file, _path(path, place), words, fix or f"correct {problem['input']!r}")


def _model_at(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    for key in place:
        if isinstance(key, str):
            model = _model_in(model.model_fields[key].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `annotation`, which may be optional or a tuple of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _path(path: str, place: tuple[int | str, ...]) -> str:
    for key in place:
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
    return path or WHOLE_FILE
