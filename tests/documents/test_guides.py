"""docs/flows.md and docs/policies.md: what they show is accepted, and their mistakes are refused as they say."""

import re

import pytest

from app import policies as policy_engine
from app import resources
from app.commands.definitions import full_setup
from app.errors import DefinitionError
from app.flows.loading import flow_check
from app.flows.loading.flow_spec import StepSpec, load
from app.policies.named_checks import CHECKS
from app.resources import ROOT

FLOWS, POLICIES = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("flows.md", "policies.md"))
FENCE = re.compile(r"^```(yaml|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(text: str, kind: str) -> list[str]:
    return [body for fence, body in FENCE.findall(text) if fence == kind]


def check_flow(text: str) -> tuple[DefinitionError, ...]:
    rules = policy_engine.all_rules(resources.policy_files())
    return flow_check.check(load(text, "shop-flexe.yaml"), rules, full_setup())


def test_the_flow_of_the_guide_may_run() -> None:
    (flow,) = examples(FLOWS, "yaml")
    assert check_flow(flow) == ()


def test_the_mistake_in_the_flow_is_refused_as_the_guide_says() -> None:
    (flow,), (sentence,) = examples(FLOWS, "yaml"), examples(FLOWS, "text")
    assert str(check_flow(flow.replace("on: order validated", "on: order validatd"))[0]) == sentence.strip()


def test_every_key_of_a_step_is_explained() -> None:
    keys = {field.alias or name for name, field in StepSpec.model_fields.items()} - {"step"}
    assert {key for key in keys if f"`{key}`" not in FLOWS} == set()


@pytest.mark.parametrize("policy", examples(POLICIES, "yaml"))
def test_a_policy_of_the_guide_is_accepted(policy: str) -> None:
    assert [*policy_engine.check(policy, "example.yaml")] == []


def test_the_mistake_in_the_policy_is_refused_as_the_guide_says() -> None:
    (sentence,) = examples(POLICIES, "text")
    policy = examples(POLICIES, "yaml")[0].replace("total:", "totl:")
    assert str(next(iter(policy_engine.check(policy, "large-order.yaml")))) == sentence.strip()


def test_every_check_is_listed() -> None:
    assert {name for name in CHECKS if f"`{name}`" not in POLICIES} == set()
