"""Addresses and query options of OData as F+O takes them: keys, $filter, $select, $orderby, paging."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.sandbox.vendors.fno.entities import Entity, EntityType, Values
from app.sandbox.vendors.fno.filter import parse as parse_filter
from app.sandbox.vendors.odata_filter import EVERYTHING, Filter
from app.sandbox.vendors.simulation import RefusalError

_SUPPORTED: Final = frozenset(("$filter", "$select", "$orderby", "$top", "$skip", "$count"))
_ADDRESS: Final = re.compile(r"(\w{1,100})(?:\((.{1,1000})\))?", re.DOTALL)
_KEY: Final = re.compile(r"\s*(\w+)\s*=\s*'((?:[^']|'')*)'\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Query:
    entity: EntityType
    filter: Filter
    select: tuple[str, ...]
    order: tuple[tuple[str, bool], ...]
    """Field and whether it descends."""
    top: int | None
    skip: int
    count: bool


@dataclass(frozen=True, slots=True)
class ResultPage:
    """`entities` are one page, `total` all that match, `following` how many of the asked ones come after this page."""

    entities: list[Entity]
    total: int
    following: int


def address(text: str) -> tuple[str, dict[str, str] | None]:
    """Split `SalesOrderLinesV3(dataAreaId='usmf',InventoryLotId='01')` into collection and key. Raises RefusalError."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise RefusalError(404, f"No HTTP resource was found that matches the request URI '{text[:200]}'.")
    collection, key = match.groups()
    return collection, None if key is None else _key(key)


def _key(text: str) -> dict[str, str]:
    values, position = {}, 0
    while position < len(text):
        match = _KEY.match(text, position)
        if match is None:
            raise RefusalError(400, f"Bad Request - Error in query syntax: the key '{text[:200]}' cannot be read.")
        values[match[1]] = match[2].replace("''", "'")
        position = match.end()
    return values


def parse(params: Mapping[str, str], entity: EntityType) -> Query:
    """Parse the options. Raises RefusalError with 400 for one that F+O lacks or the simulator does not serve."""
    for name in params:
        if name.startswith("$") and name not in _SUPPORTED:
            raise _invalid(f"The query option '{name[:100]}' is not supported.")
    text = params.get("$filter", "")
    return Query(
        entity=entity,
        filter=parse_filter(text, entity) if text else EVERYTHING,
        select=_select(params.get("$select", ""), entity),
        order=tuple(_order(part, entity) for part in params.get("$orderby", "").split(",") if part.strip()),
        top=_whole(params, "$top") if "$top" in params else None,
        skip=_whole(params, "$skip") if "$skip" in params else 0,
        count=params.get("$count", "false") == "true",
    )


def run(query: Query, entities: Iterable[Entity], page_size: int) -> ResultPage:
    """Return the page that starts at $skip. Without $orderby entities come by their key."""
    matching = [entity for entity in entities if query.filter.matches(entity.values)]
    for field, descends in reversed(query.order or tuple((name, False) for name in query.entity.key)):
        matching.sort(key=lambda entity: _sortable(entity.values[field]), reverse=descends)
    selection = matching[query.skip :] if query.top is None else matching[query.skip : query.skip + query.top]
    return ResultPage(selection[:page_size], len(matching), max(0, len(selection) - page_size))


def _sortable(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def render(query: Query, entity: Entity) -> Values:
    """Return the entity with its ETag, and just the selected fields."""
    values = {name: entity.values[name] for name in query.select} if query.select else entity.values
    return {"@odata.etag": entity.etag, **values}


def _select(text: str, entity: EntityType) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        _check_field(name, entity)
    return () if "*" in names else names


def _order(part: str, entity: EntityType) -> tuple[str, bool]:
    name, _, direction = part.strip().partition(" ")
    _check_field(name, entity)
    if direction.strip() not in ("", "asc", "desc"):
        raise _invalid(f"Syntax error at '{direction[:100]}': asc or desc was expected.")
    return name, direction.strip() == "desc"


def _check_field(name: str, entity: EntityType) -> None:
    if name not in ("*", *entity.fields):
        raise _invalid(f"Could not find a property named '{name[:100]}' on type '{entity.name}'.")


def _whole(params: Mapping[str, str], name: str) -> int:
    text = params[name]
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise _invalid(f"Invalid value '{text[:100]}' for {name} query option found: a whole number was expected.")
    return int(text)


def _invalid(detail: str) -> RefusalError:
    return RefusalError(400, "The query specified in the URI is not valid.", detail)
