"""Compiled policies mean what their YAML says: one by one, and always, against a plain interpreter of the same YAML."""

import itertools

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from app import policies
from app.domain.order import Line, Order
from app.errors import DefinitionError
from app.events.model import PolicyResult
from app.policies import CompiledPolicy, FieldChange, PolicyVerdict
from tests.policies import speed, strategies
from tests.policies.interpreter import interpret
from tests.policies.orders import a_line, amount, an_address, an_order, rule_text


def compiled(*rules: str, **top: str) -> CompiledPolicy:
    return policies.compile(policies.load(rule_text(*rules, **top), "test.yaml"))


def passes(when: str, order: Order, scope: str = "order") -> bool:
    rule = f"{{rule: r, when: {when}}}"
    return compiled(rule, type="filter", criticality="", applies_to=scope).evaluate(order).passed


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{currency: {equals: EUR}}", True),
        ("{currency: {equals: USD}}", False),
        ("{currency: {not equals: EUR}}", False),
        ("{total: {equals: 23.95}}", True),
        ("{total: {equals: '23.9500'}}", True),
        ("{total: {'>': 23.95}}", False),
        ("{total: {'>=': 23.95}}", True),
        ("{total: {'<': 23.9501}}", True),
        ("{total: {'<=': 23.9499}}", False),
        ("{total: {'>': 1, '<': 10}}", False),
        ("{total: {'>': {field: subtotal}}}", True),
        ("{subtotal: {in: [1, 19]}}", True),
        ("{ship_to.country: {in: [NO, FR]}}", True),
        ("{ship_to.country: {in: [NO, SE]}}", False),
        ("{ship_to.country: {equals: {field: bill_to.country}}}", True),
        ("{company: contains data}", False),
        ("{company: does not contain data}", True),
        ("{company: {not equals: USMF}}", True),
        ("{company: {equals: {field: site}}}", True),
        ("{ship_to.city: contains data}", True),
        ("{ship_to.region: does not contain data}", True),
        ("{channel: {matches: 'bigcommerce-*'}}", True),
        ("{channel: {matches: '*-?'}}", True),
        ("{channel: {matches: 'Bigcommerce-*'}}", False),
        ("{channel: {matches: bigcommerce}}", False),
        ("{placed_at: {'<': {field: requested_ship_date}}}", False),
        ("{placed_at: {'>=': {field: requested_ship_date}}}", False),
        ("{placed_at: {equals: {field: requested_ship_date}}}", False),
        ("{placed_at: {not equals: {field: requested_ship_date}}}", True),
        ("{placed_at: contains data}", True),
        ("{requested_ship_date: does not contain data}", True),
        ("{not: {currency: {equals: EUR}}}", False),
        ("{any: [{currency: {equals: USD}}, {total: {'>': 1}}]}", True),
        ("{all: [{currency: {equals: EUR}}, {total: {'<': 1}}]}", False),
        ("{currency: {equals: EUR}, any: [{total: {'<': 1}}, {not: {origin: {equals: fno}}}]}", True),
        ("{check: known currency}", True),
    ],
)
def test_each_operator(when: str, expected: bool) -> None:
    assert passes(when, an_order()) is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{sku: {equals: TEA-001}}", True),
        ("{sku: {equals: TEA-001}, order.currency: {equals: EUR}}", True),
        ("{quantity: {'>': 2}}", False),
        ("{order.ship_to.country: {equals: DE}}", False),
    ],
)
def test_conditions_on_lines_and_their_order(when: str, expected: bool) -> None:
    assert passes(when, an_order(a_line(), a_line("2")), "line") is expected


def test_norway_is_a_country_and_not_false() -> None:
    assert passes("{ship_to.country: {equals: NO}}", an_order(ship_to=an_address(country="NO")))


def test_a_filter_on_lines_needs_every_line() -> None:
    assert not passes("{sku: {equals: TEA-001}}", an_order(a_line(), a_line("2", "MUG-001")), "line")
    assert passes("{sku: {equals: TEA-001}}", an_order(lines=()), "line")


def test_the_first_rule_that_applies_sets_a_field() -> None:
    verdict = compiled(
        "{rule: one, when: {currency: {equals: EUR}}, set: {site: EU}}",
        "{rule: two, set: {site: US, warehouse: US-SEA}}",
    ).evaluate(an_order())
    assert (verdict.order.site, verdict.order.warehouse) == ("EU", "US-SEA")
    assert verdict.changes == (FieldChange("site", "test/one@1"), FieldChange("warehouse", "test/two@1"))
    assert verdict.result == PolicyResult("test", 1, "passed", ("one", "two"))


def test_conditions_see_the_order_as_it_came_in_but_lines_see_the_new_header() -> None:
    verdict = compiled(
        "{rule: one, set: {site: EU}}",
        "{rule: two, when: {site: contains data}, set: {warehouse: X}}",
        "{rule: three, applies_to: line, when: {order.site: {equals: EU}}, set: {site: {field: order.site}}}",
    ).evaluate(an_order())
    assert verdict.order.warehouse is None
    assert {line.site for line in verdict.order.lines} == {"EU"}


def test_a_value_without_data_sets_nothing_and_leaves_the_field_to_the_next_rule() -> None:
    order = compiled("{rule: one, set: {site: {field: warehouse}}}", "{rule: two, set: {site: EU}}").evaluate(
        an_order()
    )
    assert order.order.site == "EU"
    assert order.changes == (FieldChange("site", "test/two@1"),)


def test_the_company_is_immutable_whatever_a_rule_says() -> None:
    verdict = compiled("{rule: one, set: {company: USMF, site: EU}}").evaluate(an_order(company="DEMF"))
    assert (verdict.order.company, verdict.order.site) == ("DEMF", "EU")
    assert compiled("{rule: one, set: {company: USMF}}").evaluate(an_order(company=" ")).order.company == "USMF"


def test_what_is_set_to_the_same_value_is_no_change() -> None:
    order = an_order(site="EU")
    verdict = compiled("{rule: one, set: {site: EU}}").evaluate(order)
    assert verdict == PolicyVerdict(True, order, PolicyResult("test", 1, "passed", ("one",)))
    assert verdict.order is order


def test_a_critical_failure_sets_nothing() -> None:
    order = an_order()
    verdict = compiled("{rule: one, set: {site: EU}}", "{rule: two, when: {check: lines present}, otherwise: no}")
    assert verdict.evaluate(order).order.site == "EU"
    refused = verdict.evaluate(replace(order, lines=()))
    assert (refused.passed, refused.order.site, refused.changes, refused.detail) == (False, None, (), "no")


def test_information_continues_and_tells() -> None:
    policy = compiled(
        "{rule: one, set: {site: EU}}",
        "{rule: big, when: {total: {'>': 20}}, fail: 'total {total} is large'}",
        criticality="information",
    )
    verdict = policy.evaluate(an_order())
    assert (verdict.passed, verdict.order.site, verdict.detail) == (True, "EU", "total 23.95 is large")
    assert verdict.result == PolicyResult("test", 1, "informed", ("big",))
    assert verdict.changes == (FieldChange("site", "test/one@1"),)


def test_a_rule_may_set_or_else_fail() -> None:
    policy = compiled(
        "{rule: one, when: {ship_to.country: {in: [FR]}}, set: {site: EU}, otherwise: '{ship_to.country}?'}"
    )
    assert policy.evaluate(an_order()).order.site == "EU"
    assert policy.evaluate(an_order(ship_to=an_address(country="DE"))).detail == "DE?"


def test_sentences_show_exact_amounts_and_clean_text() -> None:
    policy = compiled(
        "{rule: r, when: {quantity: {'>': 0}}, otherwise: '{sku}|{quantity}|{total}|{site}|{order.total}'}",
        applies_to="line",
    )
    line = a_line(sku="A\n\x1b[2J" + "x" * 100, quantity="-1.5", total=amount("-0.0001"))
    assert policy.evaluate(an_order(line)).detail == f"A??[2J{'x' * 54}…|-1.5|-0.0001|none|4.9499"


def test_all_rules_wants_names_once() -> None:
    text = rule_text("{rule: r, set: {site: EU}}")
    assert list(policies.all_rules({"a.yaml": text})) == ["test"]
    with pytest.raises(DefinitionError, match=r"^b.yaml: policy: a.yaml has the name `test` too; rename one$"):
        policies.all_rules({"a.yaml": text, "b.yaml": text})


def test_version_and_rule_are_in_the_lineage() -> None:
    verdict = compiled("{rule: r, set: {site: EU}}", version="12").evaluate(an_order())
    assert verdict.changes == (FieldChange("site", "test/r@12"),)
    assert verdict.result.version == 12


def test_the_speed_trial_sets_what_it_says() -> None:
    verdict = speed.run()
    assert [line.warehouse for line in verdict.order.lines] == ["H", "F", "G", "E", "H"]
    assert len(verdict.changes) == 10


def load_tree(tree: strategies.Tree) -> CompiledPolicy:
    """Compiles a drawn tree, without those rules that loading refuses as useless."""
    text = yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False)
    useless = {error.path for error in policies.check(text, "random.yaml") if "never sets" in error.problem}
    if useless:
        tree["rules"] = [rule for n, rule in enumerate(tree["rules"]) if f"rules[{n}]" not in useless]
        text = yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False)
    return policies.compile(policies.load(text, "random.yaml"))


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.policies(), strategies.orders())
def test_compiled_agrees_with_the_interpreter(tree: strategies.Tree, order: Order) -> None:
    verdict = load_tree(tree).evaluate(order)
    after, changes, failures = interpret(tree, order)
    stopped = bool(failures) and tree["criticality"] == "critical"
    assert verdict.passed is not stopped
    assert verdict.order == (order if stopped else after)
    found = {change.field: change.rule for change in verdict.changes}
    assert found == ({} if stopped else {field: f"random/{rule}@3" for field, rule in changes.items()})
    if failures:
        assert set(verdict.result.rules) == {rule for rule, _ in failures}
        assert verdict.result.outcome == ("failed" if stopped else "informed")
        assert verdict.detail
    else:
        assert verdict.result.outcome == "passed"
        assert verdict.detail == ""


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.policies(), strategies.orders())
def test_sets_touch_their_fields_only_and_twice_is_the_same(tree: strategies.Tree, order: Order) -> None:
    policy = load_tree(tree)
    before = replace(order)
    verdict = policy.evaluate(order)
    assert policy.evaluate(order) == verdict
    assert order == before
    assert differences(order, verdict.order) == {change.field for change in verdict.changes}
    assert len(verdict.changes) == len({change.field for change in verdict.changes})


def differences(before: Order, after: Order) -> set[str]:
    """Paths of the fields that differ, named as in lineage."""
    assert len(before.lines) == len(after.lines)
    found = {
        name for name in Order.__struct_fields__ if name != "lines" and getattr(before, name) != getattr(after, name)
    }
    pairs = itertools.product(zip(before.lines, after.lines, strict=True), Line.__struct_fields__)
    return found | {f"lines.{old.line_id}.{n}" for (old, new), n in pairs if getattr(old, n) != getattr(new, n)}
