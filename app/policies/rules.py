"""Reads one rule: its condition, what it sets and what it says when it fails; and what can be wrong between rules."""

from app.definitions.model_errors import describe
from app.definitions.problems import Problems
from app.definitions.yaml_document import Node
from app.errors import suggest
from app.policies.conditions import Condition, ConditionReader, checks_of
from app.policies.literals import LiteralError, text
from app.policies.policy_fields import READABLE, SETTABLE, FieldKind, Scope
from app.policies.policy_shape import RuleShape
from app.policies.policy_spec import PolicyType, Rule, Setting
from app.policies.sentences import PROBLEM, Sentence, places, sentence


def read_rule(shape: RuleShape, scope: Scope, policy_type: PolicyType, path: str, problems: Problems) -> Rule | None:
    """Return the rule, or None with the reasons in `problems`."""
    before = len(problems.errors)
    _combination(shape, policy_type, path, problems)
    reader = ConditionReader(problems, scope)
    when = None if shape.when is None else reader.condition(shape.when, f"{path}.when")
    settings = () if shape.set is None else _settings(shape.set, scope, reader, f"{path}.set", problems=problems)
    failure = _sentence(shape, when, scope, path, problems=problems)
    if len(problems.errors) > before:
        return None
    if policy_type is PolicyType.FILTER:
        return Rule(
            name=shape.rule,
            scope=scope,
            when=when,
            settings=(),
            fails_if=False,
            sentence=sentence(f"rule {shape.rule} does not hold", scope),
        )
    fails_if = None if failure is None else shape.fail is not None
    return Rule(name=shape.rule, scope=scope, when=when, settings=settings, fails_if=fails_if, sentence=failure)


def _combination(shape: RuleShape, policy_type: PolicyType, path: str, problems: Problems) -> None:
    """Check for keys that are good one by one but not together."""
    keys = shape.model_fields_set
    if policy_type is PolicyType.FILTER:
        for key in sorted(keys & {"set", "otherwise", "fail"}):
            problems.add(
                f"{path}.{key}", f"a filter only decides: its rules have no `{key}`", "make it `type: execution`"
            )
        if "when" not in keys:
            problems.add(path, "the rule has no condition", "add `when: ...`")
        return
    if not keys & {"set", "otherwise", "fail"}:
        problems.add(path, "the rule does nothing", "add `set: ...`, `otherwise: ...` or `fail: ...`")
    if "fail" in keys and keys & {"set", "otherwise"}:
        problems.add(f"{path}.fail", "`fail` goes with neither `set` nor `otherwise`", "make two rules of it")
    if "when" not in keys and keys & {"otherwise", "fail"}:
        problems.add(path, "the rule can fail but has no condition", "add `when: ...`")


def _settings(node: Node, scope: Scope, reader: ConditionReader, path: str, problems: Problems) -> tuple[Setting, ...]:
    if not isinstance(node, dict) or not node:
        problems.add(path, f"{describe(node)} is not a mapping", "write fields and values, such as `company: USMF`")
        return ()
    settings = [
        _setting(name, value, scope, reader, path=f"{path}.{name}", problems=problems) for name, value in node.items()
    ]
    return tuple(setting for setting in settings if setting is not None)


def _setting(
    name: str, node: Node, scope: Scope, reader: ConditionReader, path: str, problems: Problems
) -> Setting | None:
    if name not in SETTABLE[scope]:
        problem = f"a rule of the {scope} cannot set `{name[:60]}`"
        problems.add(path, problem, suggest(name, SETTABLE[scope]))
        return None
    if isinstance(node, dict):
        source = reader.reference(node, FieldKind.TEXT, path)
        return None if source is None else Setting(READABLE[scope][name], source)
    try:
        return Setting(READABLE[scope][name], text(node))
    except LiteralError as exc:
        problems.add(path, exc.problem, "write some text, or `{field: name of a field}`")
        return None


def _sentence(shape: RuleShape, when: Condition | None, scope: Scope, path: str, problems: Problems) -> Sentence | None:
    key, template = ("fail", shape.fail) if shape.fail is not None else ("otherwise", shape.otherwise)
    if template is None:
        return None
    names, before = {PROBLEM, *READABLE[scope]}, len(problems.errors)
    for place in places(template):
        if place not in names:
            problems.add(
                f"{path}.{key}", f"there is no field `{place[:60]}` for {{{place[:60]}}}", suggest(place, names)
            )
    if template.count("{") != len(places(template)) or template.count("}") != len(places(template)):
        problems.add(f"{path}.{key}", "a brace without its partner", "write places as `{quantity}`")
    if PROBLEM in places(template) and (key == "fail" or (when is not None and not checks_of(when))):
        fix = "name the fields, such as `{total}`, or use a named check and `otherwise`"
        problems.add(f"{path}.{key}", "{problem} is what a named check finds, and here is none", fix)
    return sentence(template, scope) if len(problems.errors) == before else None


def check_together(rules: list[tuple[int, Rule]], problems: Problems) -> None:
    """Check for names that repeat, line rules before order rules, and rules that another one makes useless."""
    names: set[str] = set()
    always: dict[Scope, dict[str, str]] = {Scope.ORDER: {}, Scope.LINE: {}}
    lines_began = False
    for position, rule in rules:
        path = f"rules[{position}]"
        if rule.name in names:
            problems.add(f"{path}.rule", f"the name `{rule.name}` is there twice", "give each rule its own name")
        if lines_began and rule.scope is Scope.ORDER:
            problems.add(path, "a rule of the order after a rule of the lines", "move it up: order rules run first")
        _reachable(rule, path, always[rule.scope], problems)
        names.add(rule.name)
        lines_began |= rule.scope is Scope.LINE


def _reachable(rule: Rule, path: str, always: dict[str, str], problems: Problems) -> None:
    """Check that a rule can set a field: after one without condition, others for that field never do."""
    closed = [setting.field.path for setting in rule.settings if setting.field.path in always]
    if closed and len(closed) == len(rule.settings):
        problem = f"never sets anything: rule `{always[closed[0]]}` above always sets {', '.join(closed)}"
        problems.add(path, problem, "move it up, or give the other rule a condition")
    if rule.when is None:
        for setting in rule.settings:
            if isinstance(setting.value, str):
                always.setdefault(setting.field.path, rule.name)
