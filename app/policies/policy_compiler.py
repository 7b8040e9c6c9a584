"""Policy -> one Python function, made once when the policy is loaded.

Rules run from top to bottom, those of the order first. Conditions see the order as it came in, and for each field the
first rule that applies sets it. Rules of lines see the header as the order rules left it. All that a policy sets on a
line is one replace.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from msgspec.structs import replace

from app.domain.order import Order
from app.errors import DefinitionError
from app.policies.expressions import Constants, expression, fields_of, has_data
from app.policies.policy_fields import IMMUTABLE, LINE_FIELDS, ORDER_FIELDS, SETTABLE, Field, Scope
from app.policies.policy_loader import load
from app.policies.policy_spec import Policy, Rule, Setting
from app.policies.policy_verdict import FieldChange, PolicyVerdict, Verdicts

_OPEN: Final = -1
"""No rule has set the field yet; a rule's position once one has."""
_CLOSED: Final = -2
"""The field may not be set."""
_TARGETS: Final = {Scope.ORDER: ORDER_FIELDS, Scope.LINE: LINE_FIELDS}


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy ready to run. `source` is the function's text, for whoever wants to see what a policy became."""

    policy: Policy
    evaluate: Callable[[Order], PolicyVerdict]
    source: str


def compile_policy(policy: Policy) -> CompiledPolicy:
    """Compile a policy. Only names of our own tables are in the source; what an author wrote is in its constants."""
    writer = _Writer(policy)
    source = writer.source()
    namespace = {"__builtins__": {"tuple": tuple}, **writer.constants.values}
    exec(compile(source, f"<policy {policy.name} {policy.version}>", "exec"), namespace)
    return CompiledPolicy(policy, cast(Callable[[Order], PolicyVerdict], namespace["evaluate"]), source)


def all_rules(files: Mapping[str, str]) -> dict[str, CompiledPolicy]:
    """Compile the policies in texts by file name, and return them by name.

    Raises DefinitionError for a wrong file or a repeated name.
    """
    compiled: dict[str, CompiledPolicy] = {}
    for file, text in files.items():
        policy = load(text, file)
        if (other := compiled.get(policy.name)) is not None:
            raise DefinitionError(file, "policy", f"{other.policy.file} has the name `{policy.name}` too", "rename one")
        compiled[policy.name] = compile_policy(policy)
    return compiled


class _Writer:
    """Writes the function of one policy, line by line."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lines: list[str] = []
        self._rule_ids = tuple(policy.rule_id(position) for position in range(len(policy.rules)))
        self.constants = Constants()
        verdicts = Verdicts(policy)
        self.constants.values |= {
            "replace": replace,
            "FieldChange": FieldChange,
            "rule_ids": self._rule_ids,
            "passed": verdicts.passed,
            "failed": verdicts.failed,
        }

    def source(self) -> str:
        self._put(0, "def evaluate(order):")
        self._put(1, "before = order", "failures = []", "changes = []", "hits = 0")
        self._read(1, "order", self._fields(Scope.ORDER))
        self._rules(1, Scope.ORDER)
        self._take(1, Scope.ORDER)
        replaced = [f"{field.path}={field.variable}" for field in self._targets(Scope.ORDER)]
        if self._policy.of(Scope.LINE):
            replaced += self._line_loop()
        if replaced:
            self._put(1, "if changes:")
            self._put(2, f"order = replace(order, {', '.join(replaced)})")
        self._put(1, "if failures:")
        self._put(2, "return failed(before, order, changes, failures)")
        self._put(1, "return passed(order, changes, hits)")
        return "\n".join(self._lines) + "\n"

    def _line_loop(self) -> list[str]:
        """Write the loop over the lines; return what the replace of the order has to put in."""
        targets = self._targets(Scope.LINE)
        if targets:
            self._put(1, "lines = []")
        self._put(1, "for line in order.lines:")
        self._read(2, "line", self._fields(Scope.LINE))
        self._rules(2, Scope.LINE)
        if not targets:
            return []
        self._put(2, "moved = False")
        self._take(2, Scope.LINE)
        self._put(2, "if moved:")
        self._put(3, f"line = replace(line, {', '.join(f'{field.path}={field.variable}' for field in targets)})")
        self._put(2, "lines.append(line)")
        return ["lines=tuple(lines)"]

    def _read(self, indent: int, name: str, fields: Iterable[Field]) -> None:
        self._put(indent, *(f"{field.variable} = {name}.{field.path}" for field in fields))

    def _rules(self, indent: int, scope: Scope) -> None:
        for field in self._targets(scope):
            start = f"{_CLOSED} if {has_data(field)} else {_OPEN}" if field.path in IMMUTABLE else f"{_OPEN}"
            self._put(indent, f"{field.variable}_by = {start}")
        for position, rule in self._policy.of(scope):
            self._rule(indent, position, rule)

    def _rule(self, indent: int, position: int, rule: Rule) -> None:
        condition = "True" if rule.when is None else expression(rule.when, self.constants)
        failure = f"failures.append(({position}, {'line' if rule.scope is Scope.LINE else None}))"
        if not rule.settings:
            self._put(indent, f"if {condition}:" if rule.fails_if else f"if not {condition}:")
            self._put(indent + 1, failure)
            return
        if rule.fails_if is None:
            # A rule that cannot set anything any more need not look.
            free = " or ".join(f"{setting.field.variable}_by == {_OPEN}" for setting in rule.settings)
            condition = f"({free}) and {condition}"
        self._put(indent, f"if {condition}:")
        for setting in rule.settings:
            self._set(indent + 1, position, setting)
        if rule.fails_if is False:
            self._put(indent, "else:")
            self._put(indent + 1, failure)

    def _set(self, indent: int, position: int, setting: Setting) -> None:
        target, value = setting.field.variable, setting.value
        if isinstance(value, Field):
            self._put(indent, f"if {target}_by == {_OPEN} and {has_data(value)}:")
            value_text = value.variable
        else:
            self._put(indent, f"if {target}_by == {_OPEN}:")
            value_text = self.constants.name(value)
        self._put(indent + 1, f"{target}_by = {position}", f"{target}_to = {value_text}")

    def _take(self, indent: int, scope: Scope) -> None:
        """Write what takes over the decisions of a scope's rules, and notes the changes."""
        for field in self._targets(scope):
            name = field.variable
            path = repr(field.path) if scope is Scope.ORDER else f"'lines.' + line.line_id + {'.' + field.path!r}"
            self._put(indent, f"if {name}_by >= 0:")
            self._put(indent + 1, f"hits |= 1 << {name}_by", f"if {name}_to != {name}:")
            self._put(indent + 2, f"changes.append(FieldChange({path}, rule_ids[{name}_by]))", f"{name} = {name}_to")
            if scope is Scope.LINE:
                self._put(indent + 2, "moved = True")

    def _targets(self, scope: Scope) -> list[Field]:
        """Return the fields that rules of a scope set, in the order of the table."""
        names = {setting.field.path for _, rule in self._policy.of(scope) for setting in rule.settings}
        return [_TARGETS[scope][name] for name in SETTABLE[scope] if name in names]

    def _fields(self, owner: Scope) -> list[Field]:
        """Return the fields of the order, or of a line, that any rule reads or sets."""
        used: dict[Field, None] = {}
        for rule in self._policy.rules:
            read = [*fields_of(rule.when), *(setting.field for setting in rule.settings)]
            read += [setting.value for setting in rule.settings if isinstance(setting.value, Field)]
            used |= dict.fromkeys(field for field in read if field.owner is owner)
        return list(used)

    def _put(self, indent: int, *lines: str) -> None:
        self._lines += ["    " * indent + line for line in lines]
