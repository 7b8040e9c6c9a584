"""Field maps as data: loaded from YAML text, checked against both structs, compiled once into getters.

Only fields are moved here. What a map cannot say (ids of lines, sums) is in mapping.py.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from msgspec import Struct
from msgspec.structs import fields
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import DefinitionError, RecordError

Table = Mapping[str, str]
OTHERS: Final = "*"
"""As a key of a value map: every value it does not list. As the value of that key: kept as it is."""
_BIRTHS: Final = ("fno", "iom")


class FieldRule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    to: str
    from_: str | list[str] = Field("", alias="from")
    value: str | bool | None = None
    values: str = ""
    born: Literal["any", "fno", "iom"] = "any"
    follow: bool = True


class MapSpec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    map: str
    version: int
    header: list[FieldRule]
    lines: list[FieldRule]
    values: dict[str, dict[str, str]] = {}


class TableSpec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    table: str
    rows: dict[str, str]


class Move(NamedTuple):
    """One compiled rule: `read` gives the value of `name`, which is below `part` where the target is nested."""

    part: str
    name: str
    read: Callable[[Any], Any]


class FieldMap(NamedTuple):
    """A map, compiled. Moves stand by birth, `fno` and `iom`, and so do the fields whose later changes are reported."""

    name: str
    version: int
    header: Mapping[str, tuple[Move, ...]]
    lines: Mapping[str, tuple[Move, ...]]
    header_follows: Mapping[str, tuple[str, ...]]
    line_follows: Mapping[str, tuple[str, ...]]


class Ends(NamedTuple):
    """The structs that a list of rules leads from and to. `own`: fields of the target that code sets, not the map."""

    source: type[Struct]
    target: type[Struct]
    own: frozenset[str]


def load_table(text: str, file: str) -> tuple[str, Table]:
    """Name and rows of a value map in a file of its own. Raises DefinitionError."""
    spec = _parse(TableSpec, text, file)
    return spec.table, spec.rows


def load_map(text: str, file: str, header_ends: Ends, line_ends: Ends, tables: Mapping[str, Table]) -> FieldMap:
    """Compile a map. `tables` are the value maps that it may name besides its own. Raises DefinitionError."""
    spec = _parse(MapSpec, text, file)
    compiler = _Compiler(file, {**tables, **spec.values})
    header = compiler.rules("header", spec.header, header_ends)
    lines = compiler.rules("lines", spec.lines, line_ends)
    return FieldMap(spec.map, spec.version, _by_birth(header), _by_birth(lines), _follows(header), _follows(lines))


def moved(moves: Sequence[Move], source: Struct) -> dict[str, dict[str, Any]]:
    """The values of a source by part of the target; part "" is the target itself."""
    parts: dict[str, dict[str, Any]] = {"": {}}
    for part, name, read in moves:
        parts.setdefault(part, {})[name] = read(source)
    return parts


def inverse(table: Table) -> Table:
    """The value map the other way round; where several values share a target, the first stands."""
    turned: dict[str, str] = {}
    for left, right in table.items():
        turned.setdefault(right, left)
    return turned


_Compiled = list[tuple[FieldRule, Move]]


class _Compiler:
    def __init__(self, file: str, tables: Mapping[str, Table]) -> None:
        self._file, self._tables = file, tables

    def rules(self, place: str, rules: Sequence[FieldRule], ends: Ends) -> _Compiled:
        compiled = [(rule, self._rule(f"{place}.{at}", rule, ends)) for at, rule in enumerate(rules)]
        for birth in _BIRTHS:
            self._check_targets(place, birth, [rule.to for rule in rules if rule.born in ("any", birth)], ends)
        return compiled

    def _check_targets(self, place: str, birth: str, names: Sequence[str], ends: Ends) -> None:
        """Each field set once, none that code sets, and none left out that must have a value."""
        for name in names:
            if names.count(name) > 1:
                self._refuse(place, f"two rules set {name} on orders of {birth}", "keep one, or give each a `born`")
            if name in ends.own:
                self._refuse(place, f"a rule sets {name}, which has a rule of its own in the code", "remove it")
        needed = [field.name for field in fields(ends.target) if field.required and field.name not in ends.own]
        given = {name.partition(".")[0] for name in names}
        for name in needed:
            if name not in given:
                self._refuse(place, f"no rule sets {name} on orders of {birth}", "add one")

    def _rule(self, path: str, rule: FieldRule, ends: Ends) -> Move:
        part, _, name = rule.to.rpartition(".")
        nullable = self._nullable(f"{path}.to", ends.target, rule.to)
        if rule.value is not None:
            if rule.from_ or rule.values:
                self._refuse(path, "`value` stands beside `from` or `values`", "a constant needs neither")
            return Move(part, name, _constant(rule.value))
        names = [rule.from_] if isinstance(rule.from_, str) else rule.from_
        for field in names:
            self._nullable(f"{path}.from", ends.source, field)
        return Move(part, name, self._read(path, names, rule.values, nullable))

    def _read(self, path: str, names: Sequence[str], table: str, nullable: bool) -> Callable[[Any], Any]:
        if not table:
            if len(names) > 1:
                self._refuse(path, "several fields in `from` without `values`", "name a value map that joins them")
            return _plain(names[0], nullable)
        if table not in self._tables:
            self._refuse(f"{path}.values", f"no value map {table!r}", f"known: {', '.join(sorted(self._tables))}")
        return _translated(names, table, self._tables[table])

    def _nullable(self, path: str, struct: type[Struct], name: str) -> bool:
        """Whether a field may be None; refuses one that does not exist."""
        hint: Any = struct
        for step in name.split("."):
            hints = get_type_hints(hint) if isinstance(hint, type) and issubclass(hint, Struct) else {}
            if step not in hints:
                known = ", ".join(struct.__struct_fields__)
                self._refuse(path, f"{struct.__name__} has no field {name!r}", f"use one of {known}")
            hint = hints[step]
        return get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)

    def _refuse(self, path: str, problem: str, fix: str) -> NoReturn:
        raise DefinitionError(self._file, path, problem, fix)


def _constant(value: str | bool) -> Callable[[Any], Any]:
    return lambda _: value


def _plain(name: str, nullable: bool) -> Callable[[Any], Any]:
    """F+O has empty text where the order has None. A date is None on both sides."""
    read = attrgetter(name)
    if nullable:
        return lambda source: None if (value := read(source)) == "" else value
    return lambda source: "" if (value := read(source)) is None else value


def _translated(names: Sequence[str], table: str, rows: Table) -> Callable[[Any], Any]:
    """A value that is already one of the other side's is kept: some companies use those as ids. Case is ignored."""
    reads = tuple(attrgetter(name) for name in names)
    known = {right.casefold(): right for right in rows.values()} | {left.casefold(): to for left, to in rows.items()}
    others, field = rows.get(OTHERS), " / ".join(names)

    def read(source: Any) -> str:
        value = " / ".join(each(source) or "" for each in reads)
        found = known.get(value.casefold(), others)
        if found is None and value:
            problem = f"{field} {value!r} has no row in value map {table!r}"
            raise RecordError("unknown-value", f"{problem}; correct the value or add a row")
        return value if found is None or found == OTHERS else found

    return read


_Spec = TypeVar("_Spec", bound=BaseModel)


def _parse(model: type[_Spec], text: str, file: str) -> _Spec:
    try:
        return model.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as exc:
        raise DefinitionError(file, "(file)", f"is not YAML: {exc}", "correct the syntax") from exc
    except ValidationError as exc:
        error = exc.errors()[0]
        path = ".".join(str(step) for step in error["loc"]) or "(file)"
        raise DefinitionError(file, path, error["msg"], "the packaged maps explain the notation") from exc


def _by_birth(compiled: _Compiled) -> Mapping[str, tuple[Move, ...]]:
    return {birth: tuple(move for rule, move in compiled if rule.born in ("any", birth)) for birth in _BIRTHS}


def _follows(compiled: _Compiled) -> Mapping[str, tuple[str, ...]]:
    return {
        birth: tuple(rule.to for rule, _ in compiled if rule.follow and rule.born in ("any", birth))
        for birth in _BIRTHS
    }
