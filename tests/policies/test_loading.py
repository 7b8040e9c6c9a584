"""What loading refuses: each error names file, path and fix, and all errors of a file come at once."""

import pytest

from app import policies
from app.definitions.yaml_document import CHARACTERS_MAX, DEPTH_MAX
from app.errors import DefinitionError
from app.policies.policy_shape import RULES_MAX
from tests.policies.orders import rule_text

GOOD = "{rule: r, when: {currency: {equals: EUR}}, set: {site: EU}}"
FILE = "app/policies/test.yaml"


def errors(text: str) -> list[tuple[str, str, str]]:
    found = policies.check(text, FILE)
    for error in found:
        assert error.file == FILE
        assert error.fix, error
        assert len(str(error)) < 700, "an error fits on a few lines"
        assert str(error) == f"{FILE}: {error.path}: {error.problem}; {error.fix}"
    return [(error.path, error.problem, error.fix) for error in found]


def only(text: str) -> tuple[str, str, str]:
    found = errors(text)
    assert len(found) == 1, found
    with pytest.raises(DefinitionError) as refused:
        policies.load(text, FILE)
    assert (refused.value.path, refused.value.problem, refused.value.fix) == found[0]
    return found[0]


def rule(body: str, scope: str = "order") -> str:
    return rule_text(f"{{rule: r, {body}}}", applies_to=scope)


def test_a_good_file_has_no_errors() -> None:
    assert errors(rule_text(GOOD)) == []


@pytest.mark.parametrize(
    ("top", "path", "problem", "fix"),
    [
        ({"polcy": "x"}, "polcy", "unknown key", "did you mean `policy`?"),
        ({"__class__": "x"}, "__class__", "unknown key", "use one of: applies_to, criticality"),
        ({"policy": ""}, "policy", "the key is missing", "add `policy: assign-company`"),
        ({"policy": "Assign Company"}, "policy", "`Assign Company` cannot be used", "small letters"),
        ({"policy": "x" * 65}, "policy", "cannot be used", "at most 64"),
        ({"policy": "[a]"}, "policy", "a list cannot be used", "write a name"),
        ({"version": "0"}, "version", "`0` cannot be used", "a whole number from 1"),
        ({"version": "1.5"}, "version", "`1.5` cannot be used", "a whole number from 1"),
        ({"version": "9" * 400}, "version", "cannot be used", "a whole number from 1"),
        ({"version": "null"}, "version", "the key has no value", "write one"),
        ({"type": "filtre"}, "type", "`filtre` is not a known value", "did you mean `filter`?"),
        ({"criticality": "info"}, "criticality", "`info` is not a known value", "use one of: critical, information"),
        ({"criticality": ""}, "criticality", "the key is missing", "`criticality: critical` (stops the flow)"),
        ({"applies_to": "lines"}, "applies_to", "`lines` is not a known value", "did you mean `line`?"),
        ({"applies_to": "{a: b}"}, "applies_to", "a mapping is not a known value", "use one of: line, order"),
    ],
)
def test_the_top_of_a_file(top: dict[str, str], path: str, problem: str, fix: str) -> None:
    found = [error for error in errors(rule_text(GOOD, **top)) if error[0] == path]
    assert problem in found[0][1]
    assert fix in found[0][2]


def test_a_filter_has_no_criticality_and_only_decides() -> None:
    path, problem, _ = only(rule_text("{rule: r, when: {currency: {equals: EUR}}}", type="filter"))
    assert (path, problem) == ("criticality", "a filter only decides and cannot fail a flow")
    path, problem, fix = only(rule_text(GOOD, type="filter", criticality=""))
    assert (path, fix) == ("rules[0].set", "make it `type: execution`")
    assert problem == "a filter only decides: its rules have no `set`"
    assert only(rule_text("{rule: r}", type="filter", criticality=""))[1] == "the rule has no condition"


@pytest.mark.parametrize(
    ("body", "path", "problem", "fix"),
    [
        ("wen: {}, set: {site: EU}", "wen", "unknown key", "did you mean `when`?"),
        ("when: , set: {site: EU}", "when", "the key has no value", "remove the key"),
        ("when: [], set: {site: EU}", "when", "a list is not a condition", "write a mapping"),
        ("when: {}, set: {site: EU}", "when", "a mapping is not a condition", "write a mapping"),
        ("when: {currency: {equals: EUR}}", "", "the rule does nothing", "add `set: ...`"),
        ("otherwise: no", "", "the rule can fail but has no condition", "add `when: ...`"),
        ("when: {check: lines present}, set: {site: EU}, fail: no", "fail", "goes with neither", "make two rules"),
        ("when: {curency: {equals: EUR}}, set: {site: EU}", "when.curency", "no field `curency`", "`currency`?"),
        ("when: {sku: {equals: A}}, set: {site: EU}", "when.sku", "no field `sku`", "`applies_to: line`"),
        ("when: {order.site: {equals: A}}, set: {site: EU}", "when.order.site", "no field", "write `site`"),
        ("when: {currency: EUR}, set: {site: EU}", "when.currency", "`EUR` is not a comparison", "`{equals: EUR}`"),
        (
            "when: {currency: [EUR]}, set: {site: EU}",
            "when.currency",
            "a list is not a comparison",
            "operators: equals",
        ),
        (
            "when: {currency: {equal: EUR}}, set: {site: EU}",
            "when.currency.equal",
            "no operator",
            "did you mean `equals`",
        ),
        ("when: {currency: {'>': EUR}}, set: {site: EU}", "when.currency.>", "cannot be used with text", "use one of"),
        (
            "when: {total: contains data}, set: {site: EU}",
            "when.total",
            "`contains data` cannot be used with money",
            "use one of",
        ),
        ("when: {total: {equals: 0.00001}}, set: {site: EU}", "when.total.equals", "not a decimal", "at most 4 places"),
        ("when: {total: {equals: 1e3}}, set: {site: EU}", "when.total.equals", "`1e3` is not a decimal", "exact"),
        ("when: {total: {equals: .inf}}, set: {site: EU}", "when.total.equals", "`.inf` is not a decimal", "exact"),
        ("when: {total: {equals: '１'}}, set: {site: EU}", "when.total.equals", "`１` is not a decimal", "exact"),
        ("when: {total: {in: 5}}, set: {site: EU}", "when.total.in", "`5` is not a list of values", "`[DE, FR]`"),
        ("when: {site: {in: []}}, set: {site: EU}", "when.site.in", "a list is not a list of values", "1 to 500"),
        (
            "when: {site: {equals: ''}}, set: {site: EU}",
            "when.site.equals",
            "an empty text is not text",
            "does not contain data",
        ),
        ("when: {site: {matches: {field: site}}}, set: {site: EU}", "when.site.matches", "is not text", "write some"),
        ("when: {site: {equals: {fild: site}}}, set: {site: EU}", "when.site.equals", "not a value", "`{field: name"),
        (
            "when: {site: {equals: {field: total}}}, set: {site: EU}",
            "when.site.equals.field",
            "`total` is money",
            "site",
        ),
        (
            "when: {site: {contains data: x}}, set: {site: EU}",
            "when.site.contains data",
            "takes no value",
            "site: cont",
        ),
        ("when: {placed_at: {'>': 5}}, set: {site: EU}", "when.placed_at.>", "`5` is not a field", "another field"),
        ("when: {any: {site: {equals: A}}}, set: {site: EU}", "when.any", "a mapping is not a list", "after a dash"),
        ("when: {all: []}, set: {site: EU}", "when.all", "a list is not a list of conditions", "1 to 500"),
        ("when: {not: [A]}, set: {site: EU}", "when.not", "a list is not a condition", "write a mapping"),
        ("when: {check: totals adds up}, set: {site: EU}", "when.check", "no check", "did you mean `totals add up`?"),
        ("when: {check: [a]}, set: {site: EU}", "when.check", "there is no check a list", "use one of"),
        ("when: {check: lines present, limit: 5}, set: {site: EU}", "when.limit", "no parameter `limit`", "remove it"),
        (
            "when: {check: totals add up, tax: included}, set: {site: EU}",
            "when",
            "needs `tolerance`",
            "`tolerance: ...`",
        ),
        ("when: {check: totals add up, tax: no, tolerance: 0}, set: {site: EU}", "when.tax", "`no`", "`included`"),
        (
            "when: {check: totals add up, tax: included, tolerance: -1}, set: {site: EU}",
            "when.tolerance",
            "neg",
            "zero",
        ),
        ("set: EU", "set", "`EU` is not a mapping", "`company: USMF`"),
        ("set: {}", "set", "a mapping is not a mapping", "`company: USMF`"),
        ("set: {sight: EU}", "set.sight", "a rule of the order cannot set `sight`", "did you mean `site`?"),
        ("set: {total: 0}", "set.total", "cannot set `total`", "use one of: company"),
        ("set: {site: }", "set.site", "nothing is not text", "write some text"),
        ("set: {site: [EU]}", "set.site", "a list is not text", "write some text"),
        ("set: {site: {field: total}}", "set.site.field", "`total` is money", "use one of"),
        ("set: {site: {field: nowhere}}", "set.site.field", "no field `nowhere`", "use one of"),
        ("when: {total: {'>': 0}}, fail: '{totl}'", "fail", "no field `totl` for {totl}", "did you mean `total`?"),
        ("when: {total: {'>': 0}}, fail: '{total'", "fail", "a brace without its partner", "`{quantity}`"),
        (
            "when: {total: {'>': 0}}, fail: '{total.__class__}'",
            "fail",
            "no field `total.__class__`",
            "total, warehouse",
        ),
        ("when: {total: {'>': 0}}, fail: '{problem}'", "fail", "what a named check finds", "use a named check"),
        ("when: {total: {'>': 0}}, otherwise: '{problem}'", "otherwise", "what a named check finds", "named check"),
        ("when: {total: {'>': 0}}, otherwise: ''", "otherwise", "an empty text cannot", "a sentence"),
        ("applies_to: header, set: {site: EU}", "applies_to", "`header` is not a known value", "line, order"),
    ],
)
def test_one_rule(body: str, path: str, problem: str, fix: str) -> None:
    found = only(rule(body))
    assert found[0] == ("rules[0]." + path if path else "rules[0]")
    assert problem in found[1]
    assert fix in found[2]


@pytest.mark.parametrize(
    ("body", "path", "fix"),
    [
        ("when: {currency: {equals: EUR}}, set: {site: EU}", "when.currency", "write `order.currency`"),
        ("when: {check: lines present}, set: {site: EU}", "when.check", "`applies_to: order`"),
        ("set: {company: USMF}", "set.company", "use one of: site, warehouse"),
    ],
)
def test_rules_of_lines(body: str, path: str, fix: str) -> None:
    found = only(rule(body, "line"))
    assert found[0] == f"rules[0].{path}"
    assert fix in found[2]


def test_rules_together() -> None:
    line_first = rule_text("{rule: a, applies_to: line, set: {site: EU}}", "{rule: b, set: {site: EU}}")
    assert only(line_first)[:2] == ("rules[1]", "a rule of the order after a rule of the lines")
    twice = rule_text(GOOD, GOOD.replace("EUR", "USD"))
    assert only(twice)[:2] == ("rules[1].rule", "the name `r` is there twice")
    half_useful = rule_text("{rule: a, set: {site: EU}}", "{rule: b, set: {site: US, warehouse: US-SEA}}")
    assert errors(half_useful) == []
    useless = rule_text("{rule: a, set: {site: EU}}", GOOD)
    assert only(useless)[:2] == ("rules[1]", "never sets anything: rule `a` above always sets site")


def test_all_errors_of_a_file_come_at_once() -> None:
    text = rule_text(
        "{rule: a, when: {curency: {equals: EUR}, total: {above: 5}}, set: {sight: EU}}",
        "{rule: b, whn: x}",
        "just text",
        version="none",
    )
    assert [error[0] for error in errors(text)] == [
        "version",
        "rules[0].when.curency",
        "rules[0].when.total.above",
        "rules[0].set.sight",
        "rules[1].whn",
        "rules[2]",
    ]


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("", "(file)", "the file is empty"),
        ("# only a comment", "(file)", "the file is empty"),
        ("just text", "(file)", "`just text` is not a mapping"),
        ("- a\n- b", "(file)", "a list is not a mapping"),
        ("a: [", "line 2, column 1", "not YAML: "),
        ("a: b\n c: d", "line 2, column 3", "not YAML: "),
        ("\ta: b", "line 1, column 1", "not YAML: "),
        ("a: \x00", "(file)", "not YAML: "),
        ("a: \ud800", "(file)", "not YAML: "),
        ("a: b\n---\nc: d", "(file)", "more than one document"),
        ("a: b\na: c", "a", "the key is there twice"),
        ("[a]: b", "(file)", "a key that is not text"),
        ("a: &x b", "a", "anchors (&) and aliases (*) are not supported"),
        ("a: *x", "a", "anchors (&) and aliases (*) are not supported"),
        ("a: !!python/object/apply:os.system [ls]", "a", "the tag tag:yaml.org,2002:python/object/apply:os.system is"),
        ("a: !x b", "a", "the tag !x is not supported"),
        ("x" * (CHARACTERS_MAX + 1), "(file)", f"{CHARACTERS_MAX + 1} characters, more than {CHARACTERS_MAX}"),
        ("a: " + "[" * 500, "a" + "[0]" * (DEPTH_MAX - 1), f"nested deeper than {DEPTH_MAX} levels"),
        ("a: [" + "x," * 20_000 + "]", "a[9997]", "more than 10000 values"),
        ("x" * 500 + ": b", "(file)", "a key that is not text of at most 100 characters"),
    ],
)
def test_documents_that_are_refused(text: str, path: str, problem: str) -> None:
    found = errors(text)
    assert found[0][0].startswith(path[:100])
    assert problem in found[0][1]


def test_nesting_without_end_is_refused_by_whichever_limit_comes_first() -> None:
    """Ours, or that of the YAML library: newer ones have one, and look further ahead than we read."""
    ((_, problem, _),) = errors("a: " + "[" * 30_000)
    assert f"nested deeper than {DEPTH_MAX} levels" in problem or "exceeded maximum nesting depth" in problem


def test_merge_keys_are_keys_like_others() -> None:
    assert ("<<", "unknown key") in [error[:2] for error in errors("<<: {a: b}")]


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
    assert "anchors (&) and aliases (*)" in only("a0: &a0 x\n" + levels)[1]


def test_groups_have_a_depth_limit() -> None:
    deep = "{currency: {equals: EUR}}"
    for _ in range(8):
        deep = f"{{not: {deep}}}"
    assert only(rule(f"when: {deep}, set: {{site: EU}}"))[1] == "groups nested deeper than 8"


def test_a_policy_has_a_limit_of_rules() -> None:
    many = [GOOD.replace("rule: r", f"rule: r{n}") for n in range(RULES_MAX + 1)]
    assert errors(rule_text(*many[:-1])) == []
    assert only(rule_text(*many))[:2] == ("rules", "a list cannot be used")
    assert errors(rule_text())[0][0] == "rules"
