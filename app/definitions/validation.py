"""Definitions in YAML, held against a pydantic model: what is wrong is named with file, path and fix."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from app.definitions.model_errors import ModelError, describe, model_errors, path_of
from app.definitions.yaml_document import WHOLE_FILE, Node, read
from app.errors import DefinitionError

STRICT_KEYS: Final = ConfigDict(frozen=True, extra="forbid")
Spec = TypeVar("Spec", bound=BaseModel)


def load_spec(model: type[Spec], text: str, file: str) -> Spec:
    """Return the definition in `text`. Raises DefinitionError for the first thing that is wrong with it."""
    return validated(model, read_mapping(model, text, file), file)


def read_mapping(model: type[BaseModel], text: str, file: str) -> dict[str, Node]:
    """Return the keys and values in `text`, of which the first should be `model`'s. Raises DefinitionError."""
    document = read(text, file)
    if not isinstance(document, dict):
        first = next(iter(model.model_fields))
        raise DefinitionError(file, WHOLE_FILE, "not a mapping of keys to values", f"start with `{first}:`")
    return document


def validated(model: type[Spec], document: Mapping[str, Any], file: str, path: str = "") -> Spec:
    """Return `document`, which is at `path` of the file, as that model. Raises DefinitionError for its first error."""
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        error = first_error(exc, model)
        raise definition_error(error, file, path_of(error.place, path)) from exc


def first_error(error: ValidationError, model: type[BaseModel]) -> ModelError:
    """Return the error to begin with: a misspelled key before the one that is missing because of it."""
    errors = list(model_errors(error, model))
    return next((each for each in errors if each.kind == "unknown"), errors[0])


def definition_error(error: ModelError, file: str, path: str) -> DefinitionError:
    """Return the error of a model as that of a definition."""
    is_scalar = not isinstance(error.value, dict | list)
    return DefinitionError(
        file=file,
        path=path or WHOLE_FILE,
        problem=error.text,
        fix=error.fix or (f"correct {describe(error.value)}" if is_scalar else ""),
    )
