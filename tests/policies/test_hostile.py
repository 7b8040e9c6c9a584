"""Text from a policy file or from an order is never code, and never makes an answer slow or unreadable."""

import builtins
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app import policies
from app.policies.expressions import wildcard
from tests.policies.orders import a_line, an_order

ATTACKS = (
    "'); raise SystemExit(1) #",
    '"); __import__("os").abort() #',
    "{__import__('os').abort()}",
    "{0.__class__}",
    "\\'; exec('1/0')",
    "%(company)s %s",
    "constant_0",
    "order",
    '"""\nimport os\n"""',
    "λ\u2028raise SystemExit",
)


def policy_text(value: str) -> str:
    quoted = value.replace("'", "''").replace("\n", " ")
    return f"""
policy: hostile
version: 1
type: execution
criticality: information
applies_to: order
rules:
  - rule: set
    when: {{any: [currency: {{equals: '{quoted}'}}, channel: {{in: ['{quoted}']}}, origin: {{matches: '{quoted}*'}}]}}
    set: {{site: '{quoted}'}}
  - rule: set-lines
    applies_to: line
    set: {{warehouse: '{quoted}'}}
"""


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_of_a_policy_is_a_value(attack: str) -> None:
    compiled = policies.compile(policies.load(policy_text(attack), "hostile.yaml"))
    value = attack.replace("\n", " ")
    assert attack not in compiled.source or attack in ("order", "constant_0")
    assert compiled.evaluate(an_order(currency=value)).order.site == value
    assert compiled.evaluate(an_order(channel=value)).order.site == value
    assert compiled.evaluate(an_order(origin=value + "x")).order.site == value
    other = compiled.evaluate(an_order()).order
    assert other.site is None
    assert {line.warehouse for line in other.lines} == {value}


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_of_an_order_is_a_value(attack: str) -> None:
    compiled = policies.compile(policies.load(policy_text("EUR"), "hostile.yaml"))
    order = an_order(a_line(attack, attack), channel=attack, origin=attack, order_id=attack)
    verdict = compiled.evaluate(order)
    assert [change.field for change in verdict.changes] == ["site", f"lines.{attack}.warehouse"]


def test_the_source_knows_no_builtins_and_differs_in_constants_only() -> None:
    one = policies.compile(policies.load(policy_text("A"), "hostile.yaml"))
    two = policies.compile(policies.load(policy_text("'); 1/0 #"), "hostile.yaml"))
    assert one.source == two.source
    reachable = one.evaluate.__globals__["__builtins__"]
    assert set(reachable) == {"tuple"} < set(dir(builtins))


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=100))
@example("[]{}\\^$.|?+()")
@settings(deadline=None, derandomize=True, max_examples=100)
def test_a_pattern_without_wildcards_matches_itself_alone(text: str) -> None:
    plain = text.replace("*", "x").replace("?", "x")
    assert wildcard(plain).fullmatch(plain)
    assert not wildcard(plain).fullmatch(plain + "x")
    assert wildcard(f"*{plain}*").fullmatch(f"before{plain}after")
    assert wildcard(plain + "?").fullmatch(plain + "\n")


def test_a_pattern_of_many_stars_is_quick_on_text_that_almost_matches() -> None:
    began = time.process_time()
    assert not wildcard("*a" * 100 + "b").fullmatch("a" * 10_000)
    assert time.process_time() - began < 5, "a backtracking pattern would take longer than the universe has"


def test_sentences_stay_short_whatever_the_order_holds() -> None:
    text = """
policy: long
version: 1
type: execution
criticality: critical
applies_to: line
rules:
  - rule: never
    when: {sku: {equals: "-"}}
    otherwise: "line {line_id}: {sku} {name} {order.customer}"
"""
    compiled = policies.compile(policies.load(text, "long.yaml"))
    order = an_order(*(a_line("i" * 9000, "\x1b[2J\n" * 900) for _ in range(1000)), customer="c" * 9000)
    detail = compiled.evaluate(order).detail
    assert len(detail) < 1500
    assert detail.isprintable()
    assert detail.endswith("; and 995 more")
