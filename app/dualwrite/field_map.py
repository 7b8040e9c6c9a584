"""Field maps as data: loaded from YAML text, checked against both structs, compiled once into one function a list.

Only fields are moved here. What a map cannot say (ids of lines, sums) is in sales_order_mapping.py.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, NoReturn, Union, cast, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields
from pydantic import BaseModel, Field

from app.definitions.validation import STRICT_KEYS, load_spec
from app.errors import DefinitionError, RecordError

Table = Mapping[str, str]
OTHERS: Final = "*"
"""As a key of a value map: every value it does not list. As the value of that key: kept as it is."""
_BIRTHS: Final = ("fno", "iom")


class FieldRule(BaseModel):
    """How one field of the target comes about; the head of a packaged map explains the keys."""

    model_config = STRICT_KEYS

    to: str
    from_: str | list[str] = Field("", alias="from")
    value: str | None = None
    values: str = ""
    born: Literal["any", "fno", "iom"] = "any"
    follow: bool = True


class MapSpec(BaseModel):
    """A field map as its file has it, with value maps of its own."""

    model_config = STRICT_KEYS

    map: str
    version: int
    header: list[FieldRule]
    lines: list[FieldRule]
    values: dict[str, dict[str, str]] = {}


class TableSpec(BaseModel):
    """A value map in a file of its own."""

    model_config = STRICT_KEYS

    table: str
    rows: dict[str, str]


Parts = dict[str, dict[str, Any]]
"""The values that a source has for a target, by part of it; part "" is the target itself."""
Move = Callable[[Any], Parts]


class Assignment(NamedTuple):
    """One rule as source text: `text` gives the value of `name`, which is below `part` where the target is nested.

    It reads `source`, and calls what `names` brings.
    """

    part: str
    name: str
    text: str
    names: Mapping[str, Callable[[str], str]] = {}


class FieldMap(NamedTuple):
    """A map, compiled. Moves stand by birth, `fno` and `iom`, and so do the fields whose later changes are reported."""

    name: str
    version: int
    header: Mapping[str, Move]
    lines: Mapping[str, Move]
    header_follows: Mapping[str, tuple[str, ...]]
    line_follows: Mapping[str, tuple[str, ...]]


class Ends(NamedTuple):
    """The structs that a list of rules leads from and to. `own`: fields of the target that code sets, not the map."""

    source: type[Struct]
    target: type[Struct]
    own: frozenset[str]


def load_table(text: str, file: str) -> tuple[str, Table]:
    """Name and rows of a value map in a file of its own. Raises DefinitionError."""
    spec = load_spec(TableSpec, text, file)
    return spec.table, spec.rows


def load_map(text: str, file: str, header_ends: Ends, line_ends: Ends, tables: Mapping[str, Table]) -> FieldMap:
    """Compile a map. `tables` are the value maps that it may name besides its own. Raises DefinitionError."""
    spec = load_spec(MapSpec, text, file)
    compiler = _Compiler(file, {**tables, **spec.values})
    header = compiler.rules("header", spec.header, header_ends)
    lines = compiler.rules("lines", spec.lines, line_ends)
    return FieldMap(
        name=spec.map,
        version=spec.version,
        header=_by_birth(header),
        lines=_by_birth(lines),
        header_follows=_follows(header),
        line_follows=_follows(lines),
    )


def inverse(table: Table) -> Table:
    """Return the value map the other way round; where several values share a target, the first stands."""
    turned: dict[str, str] = {}
    for left, right in table.items():
        turned.setdefault(right, left)
    return turned


_Compiled = list[tuple[FieldRule, Assignment]]


class _Compiler:
    def __init__(self, file: str, tables: Mapping[str, Table]) -> None:
        self._file, self._tables = file, tables

    def rules(self, place: str, rules: Sequence[FieldRule], ends: Ends) -> _Compiled:
        compiled = [(rule, self._rule(f"{place}[{at}]", rule, ends)) for at, rule in enumerate(rules)]
        for birth in _BIRTHS:
            self._check_targets(place, birth, [rule.to for rule in rules if rule.born in ("any", birth)], ends)
        return compiled

    def _check_targets(self, place: str, birth: str, names: Sequence[str], ends: Ends) -> None:
        """Check that each field is set once, none that code sets, and none left out that must have a value."""
        for name in names:
            if names.count(name) > 1:
                self._refuse(place, f"two rules set {name} on orders of {birth}", "keep one, or give each a `born`")
            if name in ends.own:
                self._refuse(place, f"a rule sets {name}, which has a rule of its own in the code", "remove it")
        needed = [field.name for field in fields(ends.target) if field.required and field.name not in ends.own]
        targets = {name.partition(".")[0] for name in names}
        for name in needed:
            if name not in targets:
                self._refuse(place, f"no rule sets {name} on orders of {birth}", "add one")

    def _rule(self, path: str, rule: FieldRule, ends: Ends) -> Assignment:
        part, _, name = rule.to.rpartition(".")
        target = self._type(f"{path}.to", ends.target, rule.to)
        if rule.value is not None:
            if rule.from_ or rule.values:
                self._refuse(path, "`value` stands beside `from` or `values`", "a constant needs neither")
            return Assignment(part, name, self._constant(f"{path}.value", rule.value, target))
        names = [rule.from_] if isinstance(rule.from_, str) else rule.from_
        for field in names:
            self._type(f"{path}.from", ends.source, field)
        if not rule.values:
            if len(names) > 1:
                self._refuse(path, "several fields in `from` without `values`", "name a value map that joins them")
            return Assignment(part, name, _plain(names[0], _is_nullable(target)))
        if rule.values not in self._tables:
            fix = "known: " + ", ".join(sorted(self._tables))
            self._refuse(f"{path}.values", f"no value map {rule.values!r}", fix)
        translate, read = _translation(names, rule.values, self._tables[rule.values]), f"{part}_{name}"
        return Assignment(part, name, f"{read}({_joined(names)})", {read: translate})

    def _constant(self, path: str, text: str, target: Any) -> str:
        """Return a constant as source text. YAML is read as text; only for a switch that says true or false."""
        if target is not bool:
            return repr(text)
        if text not in ("true", "false"):
            self._refuse(path, f"{text!r} is neither true nor false", "write one of them")
        return text.capitalize()

    def _type(self, path: str, struct: type[Struct], name: str) -> Any:
        """Return the type of a field; refuse one that does not exist."""
        hint: Any = struct
        for step in name.split("."):
            hints = get_type_hints(hint) if isinstance(hint, type) and issubclass(hint, Struct) else {}
            if step not in hints:
                options = ", ".join(struct.__struct_fields__)
                self._refuse(path, f"{struct.__name__} has no field {name!r}", f"use one of {options}")
            hint = hints[step]
        return hint

    def _refuse(self, path: str, problem: str, fix: str) -> NoReturn:
        raise DefinitionError(self._file, path, problem, fix)


def _is_nullable(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)


def _plain(name: str, nullable: bool) -> str:
    """Return the source that reads a field: F+O has empty text where the order has None; a date is None on both."""
    if nullable:
        return f"None if (value := source.{name}) == '' else value"
    return f"'' if (value := source.{name}) is None else value"


def _joined(names: Sequence[str]) -> str:
    return " + ' / ' + ".join(f"(source.{name} or '')" for name in names)


def _translation(names: Sequence[str], table: str, rows: Table) -> Callable[[str], str]:
    """Return the function that translates by a value map. It ignores case, and keeps the other side's own values."""
    translations = {right.casefold(): right for right in rows.values()} | {
        left.casefold(): to for left, to in rows.items()
    }
    others, field = rows.get(OTHERS), " / ".join(names)

    @lru_cache(maxsize=1024)
    def translate(value: str) -> str:
        translation = translations.get(value.casefold(), others)
        if translation is None and value:
            problem = f"{field} {value!r} has no row in value map {table!r}"
            raise RecordError("unknown-value", f"{problem}; correct the value or add a row")
        return value if translation is None or translation == OTHERS else translation

    return translate


def _function(assignments: Sequence[Assignment]) -> Move:
    """Compile all rules to `def move(source): return {part: {name: text, ...}, ...}`. Only checked names are in it."""
    parts: dict[str, list[str]] = {"": []}
    scope: dict[str, Any] = {"__builtins__": {}}
    for part, name, text, names in assignments:
        parts.setdefault(part, []).append(f"{name!r}: {text}")
        scope |= names
    body = ", ".join(f"{part!r}: {{{', '.join(values)}}}" for part, values in parts.items())
    exec(compile(f"def move(source):\n    return {{{body}}}\n", "<field map>", "exec"), scope)
    return cast(Move, scope["move"])


def _by_birth(compiled: _Compiled) -> Mapping[str, Move]:
    return {birth: _function([each for rule, each in compiled if rule.born in ("any", birth)]) for birth in _BIRTHS}


def _follows(compiled: _Compiled) -> Mapping[str, tuple[str, ...]]:
    return {
        birth: tuple(rule.to for rule, _ in compiled if rule.follow and rule.born in ("any", birth))
        for birth in _BIRTHS
    }
