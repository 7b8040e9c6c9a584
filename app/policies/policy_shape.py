"""The keys that a policy file and its rules may have, as pydantic models, and words for what pydantic finds wrong."""

from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.definitions.problems import Problems
from app.definitions.yaml_document import WHOLE_FILE, Node
from app.errors import suggest
from app.policies.literals import shown
from app.policies.policy_fields import Scope
from app.policies.policy_spec import Criticality, PolicyType
from app.policies.sentences import SENTENCE_MAX

RULES_MAX: Final = 200
VERSION_MAX: Final = 1_000_000
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=SENTENCE_MAX)]


class PolicyShape(BaseModel):
    """The top of a file. Rules are read one by one, so that an error in one hides none in another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: _Name
    version: int = Field(ge=1, le=VERSION_MAX)
    type: PolicyType
    criticality: Criticality | None = None
    applies_to: Scope
    rules: list[Any] = Field(min_length=1, max_length=RULES_MAX)


class RuleShape(BaseModel):
    """One rule. `otherwise` is what to say when the condition does not hold, `fail` when it does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: _Name
    applies_to: Scope | None = None
    when: Any = None
    set: Any = None
    otherwise: _Text | None = None
    fail: _Text | None = None


Shape = TypeVar("Shape", PolicyShape, RuleShape)


def shaped(model: type[Shape], node: Node, path: str, problems: Problems) -> Shape | None:
    """`node` as that model, or None with the reasons in `problems`."""
    if not isinstance(node, dict):
        fix = "start with `policy: name`" if model is PolicyShape else "write a mapping that starts with `rule: name`"
        problems.add(path or WHOLE_FILE, f"{shown(node)} is not a mapping", fix)
        return None
    for key in (key for key, value in node.items() if value is None):
        problems.add(_joined(path, (key,)), "the key has no value", "write one, or remove the key")
    try:
        return model.model_validate({key: value for key, value in node.items() if value is not None})
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_context=False):
            problem, fix = _words(error["type"], str(error["loc"][0]), model, node)
            problems.add(_joined(path, error["loc"]), problem, fix)
        return None


def _joined(path: str, location: tuple[int | str, ...]) -> str:
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}" if path else part
    return path


def _words(error: str, key: str, model: type[BaseModel], node: dict[str, Node]) -> tuple[str, str]:
    if error == "missing":
        return "the key is missing", f"add `{key}: {_EXAMPLES[key][0]}`"
    if error == "extra_forbidden":
        return f"there is no key `{key[:60]}`", suggest(key, model.model_fields)
    if error == "enum":
        return f"{shown(node[key])} is not a known value", suggest(str(node[key]), _EXAMPLES[key])
    return f"{shown(node[key])} cannot be used", _FIXES[key]


_EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "policy": ("assign-company",),
    "rule": ("default-company",),
    "version": ("1",),
    "type": tuple(PolicyType),
    "criticality": tuple(Criticality),
    "applies_to": tuple(Scope),
    "rules": ("[...]",),
}
_NAME_FIX: Final = "write a name of at most 64 small letters, digits and single dashes, such as `assign-company`"
_FIXES: Final = {
    "policy": _NAME_FIX,
    "rule": _NAME_FIX,
    "version": f"write a whole number from 1 to {VERSION_MAX}",
    "type": "write `filter` or `execution`",
    "criticality": "write `information` or `critical`",
    "applies_to": "write `order` or `line`",
    "rules": f"write a list of 1 to {RULES_MAX} rules, each after a dash",
    "otherwise": f"write a sentence of at most {SENTENCE_MAX} characters",
    "fail": f"write a sentence of at most {SENTENCE_MAX} characters",
}
