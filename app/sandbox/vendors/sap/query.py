"""Addresses and query options of OData V2: keys, $filter, $orderby, paging with $skiptoken, $expand and $select."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.sandbox.vendors.odata_filter import EVERYTHING, Filter
from app.sandbox.vendors.sap.entities import Entity, EntityType, Kind, render_value
from app.sandbox.vendors.sap.filter import parse as parse_filter
from app.sandbox.vendors.sap.refusals import SapError

_SUPPORTED: Final = frozenset(
    ("$filter", "$select", "$orderby", "$top", "$skip", "$skiptoken", "$expand", "$inlinecount", "$format")
)
_ADDRESS: Final = re.compile(r"(\w{1,60})(?:\((.{1,500})\))?(?:/(\w{1,60}))?", re.DOTALL)
_NAMED: Final = re.compile(r"\s*(\w+)\s*=\s*'((?:[^']|'')*)'\s*(?:,|$)")
_BARE: Final = re.compile(r"'((?:[^']|'')*)'")
_WHOLE_DIGITS_MAX: Final = 9

Paths = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Query:
    """`select` and `expand` are paths of names; no `select` means all fields."""

    filter: Filter
    order: tuple[tuple[str, bool], ...]
    """Field and whether it descends."""
    top: int | None
    skip: int
    token: int
    count: bool
    expand: Paths
    select: Paths


@dataclass(frozen=True, slots=True)
class ResultPage:
    """`entities` are one page, `total` all that match, `token` leads to the next page, None after the last one."""

    entities: Sequence[Entity]
    total: int
    token: int | None


def address(text: str) -> tuple[str, str | None, str]:
    """Split `A_SalesOrder('1')/to_Item` into collection, key text and navigation. Raises SapError with 404."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise SapError(404, "/IWFND/CM_BEC/026", f"Resource not found for the segment '{text[:100]}'")
    collection, key, navigation = match.groups()
    return collection, key, navigation or ""


def key_of(text: str, entity: EntityType) -> tuple[str, ...]:
    """Return the values of the key, numbers without leading zeros. Raises SapError with 400 for another key."""
    bare = _BARE.fullmatch(text)
    values, position = {}, 0
    if bare is not None and len(entity.key) == 1:
        values, position = {entity.key[0]: bare[1]}, len(text)
    while match := _NAMED.match(text, position):
        values[match[1]], position = match[2], match.end()
    if position < len(text) or values.keys() != set(entity.key):
        raise SapError(400, "/IWCOR/CX_OD_BAD_REQUEST", f"Invalid key predicate type for '{entity.name}'")
    return tuple(_unquoted(entity.fields[name].kind, values[name]) for name in entity.key)


def _unquoted(kind: Kind, text: str) -> str:
    value = text.replace("''", "'")
    return value.lstrip("0") if kind == "number" else value


def parse(params: Mapping[str, str], entity: EntityType) -> Query:
    """Parse the options. Raises SapError with 400 for one that SAP lacks or the simulator does not serve."""
    for name in params:
        if name.startswith("$") and name not in _SUPPORTED:
            raise _bad(f"The query option '{name[:100]}' is not supported")
    text = params.get("$filter", "")
    return Query(
        filter=parse_filter(text, entity) if text else EVERYTHING,
        order=tuple(_order(part, entity) for part in params.get("$orderby", "").split(",") if part.strip()),
        top=_whole(params, "$top") if "$top" in params else None,
        skip=_whole(params, "$skip"),
        token=_whole(params, "$skiptoken"),
        count=params.get("$inlinecount", "none") == "allpages",
        expand=_paths(params.get("$expand", ""), entity, leaf=False),
        select=_paths(params.get("$select", ""), entity, leaf=True),
    )


def run(query: Query, entities: Iterable[Entity], page_size: int) -> ResultPage:
    """Return the page that $skiptoken leads to. Without $orderby entities come by their key."""
    matching = [entity for entity in entities if query.filter.matches(entity.values)]
    for name, descends in reversed(query.order):
        matching.sort(key=lambda entity: _sortable(entity.values[name]), reverse=descends)
    if not query.order:
        matching.sort(key=lambda entity: tuple(_sortable(entity.values[name]) for name in entity.kind.key))
    selection = matching[query.skip :] if query.top is None else matching[query.skip : query.skip + query.top]
    end = query.token + page_size
    return ResultPage(selection[query.token : end], len(matching), end if end < len(selection) else None)


def render(entity: Entity, root: str, query: Query, at: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the entity as JSON: its selected fields, what is expanded below it, and a link to all else."""
    uri = f"{root}/{entity.kind.service}/{entity.address()}"
    metadata = {"id": uri, "uri": uri, "type": f"{entity.kind.service}.{entity.kind.name}Type"}
    body: dict[str, Any] = {"__metadata": metadata | ({"etag": entity.etag} if entity.etag else {})}
    for name, about in entity.kind.fields.items():
        if _is_selected(query, (*at, name)):
            body[name] = render_value(about.kind, entity.values[name])
    for name in entity.kind.navigations:
        path = (*at, name)
        if path in query.expand:
            body[name] = _below(entity, name, root, query, path)
        elif _is_selected(query, path):
            body[name] = {"__deferred": {"uri": f"{uri}/{name}"}}
    return body


def _below(entity: Entity, name: str, root: str, query: Query, path: tuple[str, ...]) -> Any:
    if name == entity.kind.single:
        return None if entity.parent is None else render(entity.parent, root, query, path)
    return {"results": [render(below, root, query, path) for below in entity.lists[name]]}


def _is_selected(query: Query, path: tuple[str, ...]) -> bool:
    """Return whether $select names the path or a navigation above it. Without $select everything is selected."""
    return not query.select or any(path[: len(selection)] == selection for selection in query.select)


def _sortable(value: Any) -> Any:
    """Return a sort key: numbers of documents sort by value, so the shorter one is the lower one."""
    if value is None:
        return (-1,)
    return (len(value), value) if isinstance(value, str) and value.isdigit() else (0, value)


def _order(part: str, entity: EntityType) -> tuple[str, bool]:
    name, _, direction = part.strip().partition(" ")
    if name not in entity.fields or direction.strip() not in ("", "asc", "desc"):
        raise _bad(f"Invalid query option $orderby: '{part[:100]}'")
    return name, direction.strip() == "desc"


def _paths(text: str, entity: EntityType, *, leaf: bool) -> Paths:
    """Return `to_Item/Material,SalesOrder` as paths of the entity's names. `leaf`: a field may end a path."""
    paths = {tuple(part.strip().split("/")) for part in text.split(",") if part.strip() not in ("", "*")}
    for path in paths:
        _check(path, entity, leaf=leaf)
    if leaf:
        return frozenset(paths) if "*" not in text.split(",") else frozenset()
    return frozenset(path[:length] for path in paths for length in range(1, len(path) + 1))


def _check(path: tuple[str, ...], entity: EntityType, *, leaf: bool) -> None:
    """Raises SapError for a name that is not there. What is above an entity is taken on trust."""
    for position, name in enumerate(path):
        if name in entity.lists:
            entity = entity.lists[name]
        elif name == entity.single:
            return
        elif not leaf or name not in entity.fields or position < len(path) - 1:
            raise SapError(400, "/IWBEP/CM_MGW_RT/020", f"Property {name[:100]} not found in type {entity.name}Type")


def _whole(params: Mapping[str, str], name: str) -> int:
    text = params.get(name, "0")
    if not (text.isascii() and text.isdigit()) or len(text) > _WHOLE_DIGITS_MAX:
        raise _bad(f"Invalid query option {name}: '{text[:100]}'")
    return int(text)


def _bad(message: str) -> SapError:
    return SapError(400, "/IWCOR/CX_OD_BAD_REQUEST", message)
