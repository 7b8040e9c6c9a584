"""Conditions of rules: comparisons of fields, named checks, and all/any/not groups of them, as frozen values."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from app.definitions.model_errors import describe
from app.definitions.problems import Problems
from app.definitions.yaml_document import Node
from app.errors import suggest
from app.policies.literals import LiteralError, amount, text
from app.policies.named_checks import CHECKS
from app.policies.policy_fields import READABLE, Field, FieldKind, Scope

DEPTH_MAX: Final = 8
MEMBERS_MAX: Final = 500
HAS_DATA: Final = "contains data"
NO_DATA: Final = "does not contain data"
_ANY_KIND: Final = frozenset(FieldKind)
_ORDERED: Final = frozenset({FieldKind.MONEY, FieldKind.QUANTITY, FieldKind.TIME})
OPERATORS: Final[dict[str, frozenset[FieldKind]]] = {
    "equals": _ANY_KIND,
    "not equals": _ANY_KIND,
    ">": _ORDERED,
    ">=": _ORDERED,
    "<": _ORDERED,
    "<=": _ORDERED,
    "in": _ANY_KIND - {FieldKind.TIME},
    "matches": frozenset({FieldKind.TEXT}),
    HAS_DATA: frozenset({FieldKind.TEXT, FieldKind.TIME}),
    NO_DATA: frozenset({FieldKind.TEXT, FieldKind.TIME}),
}
"""By operator, the kinds of field that it can be used with. Amounts always contain data."""
_WITH_VALUE: Final = frozenset(OPERATORS) - {HAS_DATA, NO_DATA}
_GROUPS: Final = ("all", "any", "not")

Value = str | int | frozenset[str] | frozenset[int] | Field


@dataclass(frozen=True, slots=True)
class Comparison:
    """`value` is None for the two operators that need none."""

    field: Field
    operator: str
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A named check of the whole order, its parameters bound: answers the problem in words, "" where there is none."""

    name: str
    run: partial[str]


@dataclass(frozen=True, slots=True)
class Group:
    """`kind` is all, any or not; `not` has one member."""

    kind: str
    members: tuple["Condition", ...]


Condition = Comparison | Check | Group


def checks_of(condition: Condition | None) -> tuple[Check, ...]:
    """Return the named checks in a condition, in the order in which they are written."""
    if isinstance(condition, Group):
        return tuple(check for member in condition.members for check in checks_of(member))
    return (condition,) if isinstance(condition, Check) else ()


class ConditionReader:
    """Reads the conditions of one rule; what is wrong goes to `problems`, and the condition is then None."""

    def __init__(self, problems: Problems, scope: Scope) -> None:
        self._problems, self._scope = problems, scope
        self._fields = READABLE[scope]

    def condition(self, node: Node, path: str, depth: int = 1) -> Condition | None:
        if not isinstance(node, dict) or not node:
            fix = "write a mapping, such as `ship_to.country: {equals: DE}`"
            self._problems.add(path, f"{describe(node)} is not a condition", fix)
            return None
        if depth > DEPTH_MAX:
            self._problems.add(path, f"groups nested deeper than {DEPTH_MAX}", "flatten them, or split the rule")
            return None
        if "check" in node:
            return self._check(node, path)
        members = [self._entry(key, value, f"{path}.{key}", depth) for key, value in node.items()]
        return _group("all", members)

    def _entry(self, key: str, node: Node, path: str, depth: int) -> Condition | None:
        if key in ("all", "any"):
            return self._members(key, node, path, depth)
        if key == "not":
            return _group("not", [self.condition(node, path, depth + 1)])
        if (field := self.field(key, path, (*self._fields, *_GROUPS, "check"))) is None:
            return None
        return self._comparisons(field, node, path)

    def _members(self, kind: str, node: Node, path: str, depth: int) -> Condition | None:
        if not isinstance(node, list) or not 1 <= len(node) <= MEMBERS_MAX:
            fix = f"write a list of 1 to {MEMBERS_MAX} conditions, each after a dash"
            self._problems.add(path, f"{describe(node)} is not a list of conditions", fix)
            return None
        return _group(kind, [self.condition(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(node)])

    def field(self, name: str, path: str, options: tuple[str, ...] = ()) -> Field | None:
        """Return the field of that name in the rule's scope; None (and a problem) where there is none."""
        if (field := self._fields.get(name)) is not None:
            return field
        if self._scope is Scope.LINE and name in READABLE[Scope.ORDER]:
            fix = f"it is a field of the order: write `order.{name}`"
        elif self._scope is Scope.ORDER and name.removeprefix("order.") in self._fields:
            fix = f"the rule applies to the order: write `{name.removeprefix('order.')}`"
        elif self._scope is Scope.ORDER and name in READABLE[Scope.LINE]:
            fix = "it is a field of a line: give the rule `applies_to: line`"
        else:
            fix = suggest(name, options or self._fields)
        self._problems.add(path, f"there is no field `{name[:60]}` here", fix)
        return None

    def _comparisons(self, field: Field, node: Node, path: str) -> Condition | None:
        if node in (HAS_DATA, NO_DATA):
            return self._comparison(field, str(node), None, path)
        if not isinstance(node, dict) or not node:
            if isinstance(node, str):
                fix = f"write `{{equals: {node[:60]}}}`, `{HAS_DATA}` or `{NO_DATA}`"
            else:
                fix = f"write an operator and its value; operators: {', '.join(OPERATORS)}"
            self._problems.add(path, f"{describe(node)} is not a comparison", fix)
            return None
        return _group("all", [self._comparison(field, key, item, f"{path}.{key}") for key, item in node.items()])

    def _comparison(self, field: Field, operator: str, node: Node, path: str) -> Condition | None:
        if operator not in OPERATORS:
            self._problems.add(path, f"there is no operator `{operator[:60]}`", suggest(operator, OPERATORS))
            return None
        if field.kind not in OPERATORS[operator]:
            usable = [name for name, kinds in OPERATORS.items() if field.kind in kinds]
            self._problems.add(path, f"`{operator}` cannot be used with {field.kind}", suggest(operator, usable))
            return None
        if operator not in _WITH_VALUE:
            if node is not None:
                self._problems.add(path, f"`{operator}` takes no value", f"write `{field.path}: {operator}`")
            return Comparison(field, operator)
        value = self._value(field, operator, node, path)
        return None if value is None else Comparison(field, operator, value)

    def _value(self, field: Field, operator: str, node: Node, path: str) -> Value | None:
        try:
            if operator == "in":
                return _choices(field.kind, node)
            if isinstance(node, dict) and operator != "matches":
                return self.reference(node, field.kind, path)
            return _literal(field.kind, node)
        except LiteralError as exc:
            self._problems.add(path, exc.problem, exc.fix)
            return None

    def reference(self, node: dict[str, Node], kind: FieldKind, path: str) -> Field | None:
        """Return the field that `{field: name}` names: another one, of the same kind as the value."""
        name = node.get("field")
        if not isinstance(name, str) or len(node) != 1:
            self._problems.add(
                path, f"{describe(node)} is not a value", "write the value, or `{field: name of a field}`"
            )
            return None
        field = self.field(name, f"{path}.field")
        if field is not None and field.kind is not kind:
            same = [other for other, candidate in self._fields.items() if candidate.kind is kind]
            problem = f"`{name}` is {field.kind}, compared with {kind}"
            self._problems.add(f"{path}.field", problem, "use one of: " + ", ".join(sorted(same)))
            return None
        return field

    def _check(self, node: dict[str, Node], path: str) -> Check | None:
        name = node["check"]
        if self._scope is Scope.LINE:
            self._problems.add(f"{path}.check", "named checks look at the order", "give the rule `applies_to: order`")
            return None
        if not isinstance(name, str) or name not in CHECKS:
            fix = suggest(name if isinstance(name, str) else "", CHECKS)
            self._problems.add(f"{path}.check", f"there is no check {describe(name)}", fix)
            return None
        bound = self._parameters(name, {key: item for key, item in node.items() if key != "check"}, path)
        return None if bound is None else Check(name, partial(CHECKS[name].run, **bound))

    def _parameters(self, name: str, nodes: dict[str, Node], path: str) -> dict[str, int | str] | None:
        parameters, before = CHECKS[name].parameters, len(self._problems.errors)
        for key in nodes.keys() - parameters.keys():
            fix = suggest(key, parameters) if parameters else "remove it"
            self._problems.add(f"{path}.{key}", f"the check `{name}` has no parameter `{key[:60]}`", fix)
        for key in parameters.keys() - nodes.keys():
            self._problems.add(path, f"the check `{name}` needs `{key}`", f"add `{key}: ...`")
        bound: dict[str, int | str] = {}
        for key, item in nodes.items():
            if key in parameters:
                try:
                    bound[key] = parameters[key](item)
                except LiteralError as exc:
                    self._problems.add(f"{path}.{key}", exc.problem, exc.fix)
        return bound if len(self._problems.errors) == before else None


def _group(kind: str, members: list[Condition | None]) -> Condition | None:
    """Return a group of conditions, a lone member as itself; None when a member could not be read."""
    read = tuple(member for member in members if member is not None)
    if len(read) < len(members):
        return None
    return read[0] if kind != "not" and len(read) == 1 else Group(kind, read)


def _literal(kind: FieldKind, node: Node) -> str | int:
    if kind is FieldKind.TEXT:
        return text(node)
    if kind is FieldKind.TIME:
        raise LiteralError(f"{describe(node)} is not a field", "compare times with another field: `{field: placed_at}`")
    return amount(node)


def _choices(kind: FieldKind, node: Node) -> frozenset[str] | frozenset[int]:
    if not isinstance(node, list) or not 1 <= len(node) <= MEMBERS_MAX:
        raise LiteralError(
            f"{describe(node)} is not a list of values", f"write 1 to {MEMBERS_MAX} values, as in `[DE, FR]`"
        )
    return (
        frozenset(text(item) for item in node) if kind is FieldKind.TEXT else frozenset(amount(item) for item in node)
    )
