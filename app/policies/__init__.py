"""Policies: rules as data that accept or refuse an order and assign company, site, warehouse. Pure."""

from app.policies.policy_compiler import CompiledPolicy, all_rules
from app.policies.policy_compiler import compile_policy as compile
from app.policies.policy_loader import check, load
from app.policies.policy_spec import Criticality, Policy, PolicyType, Rule
from app.policies.policy_verdict import FieldChange, PolicyVerdict

__all__ = [
    "CompiledPolicy",
    "Criticality",
    "FieldChange",
    "Policy",
    "PolicyType",
    "PolicyVerdict",
    "Rule",
    "all_rules",
    "check",
    "compile",
    "load",
]
