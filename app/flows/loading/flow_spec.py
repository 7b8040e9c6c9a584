"""The YAML of a flow as a pydantic model, and how text becomes one.

Names in it are checked against what is there by flow_check.py alone.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.definitions.model_errors import Place, path_of
from app.definitions.validation import definition_error, first_error, read_mapping
from app.errors import DefinitionError

STEPS_MAX: Final = 100
WITHIN_MAX_MS: Final = 366 * 86_400_000
_DURATION: Final = re.compile(r"(\d{1,6}) ?(s|m|h|d)")
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
Edge = Literal["hold", "reject", "note"]
_Spec = TypeVar("_Spec", bound=BaseModel)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _milliseconds(value: object) -> object:
    match = _DURATION.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a time limit; write a number and s, m, h or d, such as 48h")
    return int(match[1]) * _UNIT_MS[match[2]]


Name = Annotated[str, Field(min_length=1, max_length=80)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_one_or_many), Field(max_length=STEPS_MAX)]
Within = Annotated[int, BeforeValidator(_milliseconds), Field(gt=0, le=WITHIN_MAX_MS)]


class StepSpec(BaseModel):
    """A step that works (`on`) or one that waits (`wait`).

    A working step runs when one of its input events was applied and its filter passes: execution policies first, then
    the provider action. It emits its event when the policies passed and the provider said ok. A waiting step expects an
    event from outside, `within` a limit that starts with `after`. An action through kafka must be answered `within` a
    limit too. `else` is what happens on failure: hold the order, reject it, or note it and go on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: Name
    on: Names = ()
    filter: Name | None = None
    policies: Names = ()
    provider: Name | None = None
    action: Name | None = None
    emits: Name | None = None
    wait: Name | None = None
    source: Name | None = Field(None, alias="from")
    after: Names = ()
    within: Within | None = None
    otherwise: Edge | None = Field(None, alias="else")
    requirements: Names = ()


class FlowSpec(BaseModel):
    """`maps` are the dual-write maps that the flow needs besides those of its actions; `requirements` are the S-numbers
    it shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    maps: Names = ()
    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1, max_length=STEPS_MAX)]
    file: Annotated[str, Field(exclude=True)]


class RouteSpec(BaseModel):
    """All conditions of `when` must hold; a condition is one value or a list of which one must equal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    route: Name
    when: dict[str, Names] = {}
    flow: Name


class RoutingSpec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    routing: Name
    version: Annotated[int, Field(ge=1)]
    routes: Annotated[tuple[RouteSpec, ...], Field(min_length=1, max_length=1000)]
    file: Annotated[str, Field(exclude=True)]


def load(text: str, file: str) -> FlowSpec:
    """Return the flow in `text`. Raises DefinitionError, for the first thing that is wrong, with file, path and fix."""
    return _validated(FlowSpec, text, file)


def load_routing(text: str, file: str) -> RoutingSpec:
    """Return the routing policy in `text`. Raises DefinitionError."""
    return _validated(RoutingSpec, text, file)


def _validated(model: type[_Spec], text: str, file: str) -> _Spec:
    document = read_mapping(model, text, file)
    if "file" in document:
        raise DefinitionError(file, "file", "unknown key", "remove it")
    try:
        return model.model_validate({**document, "file": file})
    except ValidationError as exc:
        error = first_error(exc, model)
        raise definition_error(error, file, path_of(_with_names(error.place, document))) from exc


def _with_names(place: Place, document: Any) -> Iterator[int | str]:
    """A place with steps and routes by their names, where they have one: `steps.send.action`."""
    for key in place:
        document = _inside(document, key)
        name = document.get("step") or document.get("route") if isinstance(document, dict) else None
        yield name if isinstance(key, int) and isinstance(name, str) else key


def _inside(document: Any, key: int | str) -> Any:
    try:
        return document[key]
    except (KeyError, IndexError, TypeError):
        return None
