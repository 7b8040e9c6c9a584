"""What a policy says about an order, and how the parts of a compiled policy's answer are put together."""

from collections.abc import Sequence

from msgspec import Struct

from app.domain.order import Line, Order
from app.events.model import PolicyResult
from app.policies.conditions import checks_of
from app.policies.named_checks import joined
from app.policies.policy_spec import Criticality, Policy, Rule

FAILURES_SHOWN_MAX = 5

Failure = tuple[int, Line | None]
"""The position of the rule that failed, and the line where it is a rule of lines."""


class FieldChange(Struct, frozen=True):
    """`field` as in lineage (`company`, `lines.2.warehouse`), `rule` as `policy/rule@version`. Only real changes."""

    field: str
    rule: str


class PolicyVerdict(Struct, frozen=True):
    """`passed` False stops (for a filter: skips) the step; `order` is then as it came in. `detail` is for people."""

    passed: bool
    order: Order
    result: PolicyResult
    changes: tuple[FieldChange, ...] = ()
    detail: str = ""


class Verdicts:
    """Makes the verdicts of one policy. The result names the rules that failed, or else those that set a field."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._untouched = PolicyResult(policy.name, policy.version, "passed")

    def passed(self, order: Order, changes: list[FieldChange], hits: int) -> PolicyVerdict:
        """Return the verdict of a policy without a failure. `hits` has bit n set when rule n set a field."""
        if not hits:
            return PolicyVerdict(True, order, self._untouched)
        rules = tuple(rule.name for position, rule in enumerate(self._policy.rules) if hits >> position & 1)
        return PolicyVerdict(True, order, self._result("passed", rules), tuple(changes))

    def failed(
        self, before: Order, after: Order, changes: list[FieldChange], failures: Sequence[Failure]
    ) -> PolicyVerdict:
        """Return the verdict of a policy with failures.

        A critical policy and a filter leave the order as it was; one for information still sets its fields.
        """
        rules = tuple(dict.fromkeys(self._policy.rules[position].name for position, _ in failures))
        sentences = (self._sentence(self._policy.rules[position], before, line) for position, line in failures)
        detail = joined(sentences, FAILURES_SHOWN_MAX)
        if self._policy.criticality is Criticality.INFORMATION:
            return PolicyVerdict(
                passed=True, order=after, result=self._result("informed", rules), changes=tuple(changes), detail=detail
            )
        return PolicyVerdict(
            passed=False, order=before, result=self._result("failed", rules), changes=(), detail=detail
        )

    def _result(self, outcome: str, rules: tuple[str, ...]) -> PolicyResult:
        return PolicyResult(self._policy.name, self._policy.version, outcome, rules)

    def _sentence(self, rule: Rule, order: Order, line: Line | None) -> str:
        assert rule.sentence is not None, "only rules with a sentence can fail"
        problems = (check.run(order) for check in checks_of(rule.when))
        return rule.sentence.say(order, line, next(filter(None, problems), ""))
