"""The keys that a policy file and its rules may have, as pydantic models with hints for their authors."""

from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from app.definitions.model_errors import Hint, describe, model_errors, path_of
from app.definitions.problems import Problems
from app.definitions.validation import STRICT_KEYS
from app.definitions.yaml_document import WHOLE_FILE, Node
from app.policies.policy_fields import Scope
from app.policies.policy_spec import Criticality, PolicyType
from app.policies.sentences import SENTENCE_MAX

RULES_MAX: Final = 200
VERSION_MAX: Final = 1_000_000
_Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
_NAME_FIX: Final = "write a name of at most 64 small letters, digits and single dashes, such as `assign-company`"
_Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=SENTENCE_MAX),
    Hint(f"write a sentence of at most {SENTENCE_MAX} characters"),
]


class PolicyShape(BaseModel):
    """The top of a file. Rules are read one by one, so that an error in one hides none in another."""

    model_config = STRICT_KEYS

    policy: Annotated[_Slug, Hint(_NAME_FIX, "assign-company")]
    version: Annotated[int, Field(ge=1, le=VERSION_MAX), Hint(f"write a whole number from 1 to {VERSION_MAX}", "1")]
    type: Annotated[PolicyType, Hint("write `filter` or `execution`", "filter")]
    criticality: Criticality | None = None
    applies_to: Annotated[Scope, Hint("write `order` or `line`", "order")]
    rules: Annotated[
        list[Any],
        Field(min_length=1, max_length=RULES_MAX),
        Hint(f"write a list of 1 to {RULES_MAX} rules, each after a dash", "[...]"),
    ]


class RuleShape(BaseModel):
    """One rule. `otherwise` is what to say when the condition does not hold, `fail` when it does."""

    model_config = STRICT_KEYS

    rule: Annotated[_Slug, Hint(_NAME_FIX, "default-company")]
    applies_to: Scope | None = None
    when: Any = None
    set: Any = None
    otherwise: _Text | None = None
    fail: _Text | None = None


Shape = TypeVar("Shape", PolicyShape, RuleShape)


def shaped(model: type[Shape], node: Node, path: str, problems: Problems) -> Shape | None:
    """Return `node` as that model, or None with the reasons in `problems`."""
    if not isinstance(node, dict):
        fix = "start with `policy: name`" if model is PolicyShape else "write a mapping that starts with `rule: name`"
        problems.add(path or WHOLE_FILE, f"{describe(node)} is not a mapping", fix)
        return None
    for key in (key for key, value in node.items() if value is None):
        problems.add(path_of((key,), path), "the key has no value", "write one, or remove the key")
    try:
        return model.model_validate({key: value for key, value in node.items() if value is not None})
    except ValidationError as exc:
        for error in model_errors(exc, model):
            problems.add(path_of(error.place, path), error.text, error.fix)
        return None
