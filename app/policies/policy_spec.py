"""What a policy is: frozen values, every name looked up and every amount exact. Reading YAML is the loader's job."""

from dataclasses import dataclass
from enum import StrEnum

from app.policies.conditions import Condition
from app.policies.policy_fields import Field, Scope
from app.policies.sentences import Sentence


class PolicyType(StrEnum):
    """A filter decides whether a step is for an order; an execution policy checks the order and sets its fields."""

    FILTER = "filter"
    EXECUTION = "execution"


class Criticality(StrEnum):
    """What a failing rule of an execution policy does: the flow continues, or it stops."""

    INFORMATION = "information"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Setting:
    """A field that a rule sets, to a literal or to the value of another field. A value without data sets nothing."""

    field: Field
    value: str | Field


@dataclass(frozen=True, slots=True)
class Rule:
    """`when` None means always. `fails_if` is what the condition must be for the rule to fail, None: it never fails."""

    name: str
    scope: Scope
    when: Condition | None
    settings: tuple[Setting, ...] = ()
    fails_if: bool | None = None
    sentence: Sentence | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy in one version. Rules of the order come before rules of its lines."""

    name: str
    version: int
    type: PolicyType
    criticality: Criticality
    rules: tuple[Rule, ...]
    file: str

    def rule_id(self, position: int) -> str:
        """Return how lineage names a rule: `policy/rule@version`."""
        return f"{self.name}/{self.rules[position].name}@{self.version}"

    def of(self, scope: Scope) -> tuple[tuple[int, Rule], ...]:
        """Return the rules of one scope with their positions."""
        return tuple((position, rule) for position, rule in enumerate(self.rules) if rule.scope is scope)
