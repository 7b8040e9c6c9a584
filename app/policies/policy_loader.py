"""Policy files -> policies. All that is wrong with a file is found in one go; each error names file, path and fix."""

from app.definitions.problems import Problems
from app.definitions.yaml_document import Node, read
from app.errors import DefinitionError
from app.policies.policy_fields import Scope
from app.policies.policy_shape import PolicyShape, RuleShape, shaped
from app.policies.policy_spec import Criticality, Policy, PolicyType, Rule
from app.policies.rules import check_together, read_rule


def load(text: str, file: str) -> Policy:
    """Return the policy in `text`. Raises the first DefinitionError that `check` would list."""
    policy, problems = _read(text, file)
    if problems:
        raise problems[0]
    assert policy is not None
    return policy


def check(text: str, file: str) -> list[DefinitionError]:
    """Return all errors of one policy file, empty when it can be used."""
    return _read(text, file)[1]


def _read(text: str, file: str) -> tuple[Policy | None, list[DefinitionError]]:
    problems = Problems(file)
    try:
        tree = read(text, file)
    except DefinitionError as exc:
        return None, [exc]
    shape = shaped(PolicyShape, tree, "", problems)
    if shape is not None:
        _criticality(shape, problems)
    rules = _rules(shape, tree, problems)
    if shape is None or problems.errors:
        return None, problems.errors
    criticality = shape.criticality or Criticality.CRITICAL
    policy = Policy(
        name=shape.policy,
        version=shape.version,
        type=shape.type,
        criticality=criticality,
        rules=tuple(rule for _, rule in rules),
        file=file,
    )
    return policy, []


def _criticality(shape: PolicyShape, problems: Problems) -> None:
    if shape.type is PolicyType.FILTER and shape.criticality is not None:
        problems.add("criticality", "a filter only decides and cannot fail a flow", "remove the key")
    if shape.type is PolicyType.EXECUTION and shape.criticality is None:
        fix = "add `criticality: critical` (stops the flow) or `criticality: information` (continues)"
        problems.add("criticality", "the key is missing", fix)


def _rules(shape: PolicyShape | None, tree: Node, problems: Problems) -> list[tuple[int, Rule]]:
    """Return the rules that can be read; with a wrong top of the file as well, so that all errors are listed."""
    if not isinstance(tree, dict) or not isinstance(nodes := tree.get("rules"), list):
        return []
    scope = shape.applies_to if shape else _scope(tree.get("applies_to"))
    kind = shape.type if shape else _type(tree.get("type"))
    if scope is None or kind is None:
        return []
    read_rules: list[tuple[int, Rule]] = []
    for position, node in enumerate(nodes):
        path = f"rules[{position}]"
        rule_shape = shaped(RuleShape, node, path, problems)
        if rule_shape is not None:
            rule = read_rule(rule_shape, rule_shape.applies_to or scope, kind, path, problems=problems)
            read_rules += [(position, rule)] if rule is not None else []
    check_together(read_rules, problems)
    return read_rules


def _scope(node: Node) -> Scope | None:
    return Scope(node) if node in tuple(Scope) else None


def _type(node: Node) -> PolicyType | None:
    return PolicyType(node) if node in tuple(PolicyType) else None
