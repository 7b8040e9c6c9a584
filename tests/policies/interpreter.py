"""The meaning of a policy once more, in the plainest way: it walks the YAML tree for every order. No shared code."""

from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from msgspec.structs import replace

from app.domain.order import Line, Order

AMOUNTS = frozenset({"subtotal", "shipping", "tax", "discount", "total", "quantity", "unit_price"})
IN_ORDER = {
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
}
Failures = list[tuple[str, Line | None]]


def read(name: str, order: Order, line: Line | None) -> Any:
    """A field's value as an author thinks of it: amounts are decimals, what has no data is ""."""
    value: Any = order if line is None or name.startswith("order.") else line
    path = name.removeprefix("order.") if line is not None else name
    for part in path.split("."):
        value = getattr(value, part)
    if path in AMOUNTS:
        return Decimal(value) / 10_000
    return "" if value is None else value


def literal(name: str, node: Any, order: Order, line: Line | None) -> Any:
    if isinstance(node, dict):
        return read(node["field"], order, line)
    return Decimal(node) if name.rpartition(".")[2] in AMOUNTS else node


def holds(node: dict[str, Any], order: Order, line: Line | None) -> bool:
    return all(entry_holds(key, value, order, line) for key, value in node.items())


def entry_holds(key: str, node: Any, order: Order, line: Line | None) -> bool:
    if key == "all":
        return all(holds(member, order, line) for member in node)
    if key == "any":
        return any(holds(member, order, line) for member in node)
    if key == "not":
        return not holds(node, order, line)
    if isinstance(node, str):
        return bool(str(read(key, order, line)).strip()) is (node == "contains data")
    return all(compares(key, operator, value, order, line) for operator, value in node.items())


def compares(name: str, operator: str, node: Any, order: Order, line: Line | None) -> bool:
    left = read(name, order, line)
    if operator == "in":
        return any(left == literal(name, item, order, line) for item in node)
    if operator == "matches":
        return fnmatchcase(left, node.replace("[", "[[]"))
    right = literal(name, node, order, line)
    if operator in ("equals", "not equals"):
        return bool(left == right) is (operator == "equals")
    return bool(IN_ORDER[operator](left, right))


def interpret(policy: dict[str, Any], order: Order) -> tuple[Order, dict[str, str], Failures]:
    """The order with all sets, the rule of each changed field, and the rules that failed (with their line)."""
    failures: Failures = []
    changes: dict[str, str] = {}
    scopes = [(rule, rule.get("applies_to", policy["applies_to"])) for rule in policy["rules"]]
    header = decide([rule for rule, scope in scopes if scope == "order"], order, None, failures)
    if (order.company or "").strip():
        header.pop("company", None)
    after = replace(order, **{field: value for field, (value, _) in header.items()})
    note(changes, "", order, header)
    lines = []
    for line in order.lines:
        found = decide([rule for rule, scope in scopes if scope == "line"], after, line, failures)
        note(changes, f"lines.{line.line_id}.", line, found)
        lines.append(replace(line, **{field: value for field, (value, _) in found.items()}))
    return replace(after, lines=tuple(lines)), changes, failures


def decide(rules: list[Any], order: Order, line: Line | None, failures: Failures) -> dict[str, tuple[str, str]]:
    """For each field, the value and name of the first rule that sets it."""
    found: dict[str, tuple[str, str]] = {}
    for rule in rules:
        true = "when" not in rule or holds(rule["when"], order, line)
        if ("otherwise" in rule and not true) or ("fail" in rule and true):
            failures.append((rule["rule"], line))
        for field, node in rule.get("set", {}).items() if true else ():
            value = literal(field, node, order, line)
            if value.strip() and field not in found:
                found[field] = (value, rule["rule"])
    return found


def note(changes: dict[str, str], prefix: str, before: Order | Line, found: dict[str, tuple[str, str]]) -> None:
    changes |= {prefix + field: rule for field, (value, rule) in found.items() if getattr(before, field) != value}
