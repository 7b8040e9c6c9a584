"""Random orders and random policies over few values, so that rules meet orders that they apply to."""

from functools import cache
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.order import Address, Line, Order
from tests.policies.orders import an_order

TEXTS = ("A", "B", "AB-1", "AB-2", "NO", "a?b*[c]", " ")
PATTERNS = ("A*", "*", "?", "AB-?", "*-*", "*B*1", "a?b*[c]", "NO")
AMOUNTS = (-10_000, 0, 1, 5_000, 10_000, 25_000)
DECIMALS = ("-1", "0", "0.0001", "0.5", "1", "1.0000", "2.5")
ORDER_TEXT = ("origin", "channel", "currency", "ship_to.country", "bill_to.city", "company", "site")
FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "order": {"text": ORDER_TEXT, "money": ("subtotal", "shipping", "total")},
    "line": {
        "text": ("sku", "name", "site", "warehouse", *(f"order.{name}" for name in ORDER_TEXT)),
        "money": ("total", "unit_price", "order.total"),
        "quantity": ("quantity",),
    },
}
SETTABLE = {"order": ("company", "invoice_customer", "site", "warehouse"), "line": ("site", "warehouse")}
Tree = dict[str, Any]

_text = st.sampled_from(TEXTS)
_optional = st.sampled_from((None, "", *TEXTS))
_amount = st.sampled_from(AMOUNTS)
_words = st.sampled_from([text for text in TEXTS if text.strip()])
_address = st.builds(Address, country=_text, postal_code=_text, city=_text)
_lines = st.builds(Line, st.just("?"), _text, _text, _amount, _amount, _amount, st.just("r"), _optional, _optional)
_several_lines = st.lists(_lines, max_size=4)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    lines = tuple(replace(line, line_id=str(n)) for n, line in enumerate(draw(_several_lines)))
    values: dict[str, Any] = {field: draw(_text) for field in ("origin", "channel", "currency")}
    values |= {field: draw(_amount) for field in ("subtotal", "shipping", "tax", "discount", "total")}
    values |= {field: draw(_optional) for field in SETTABLE["order"]}
    return an_order(lines=lines, ship_to=draw(_address), bill_to=draw(_address), **values)


# Strategies are built once a scope and not once a draw: hypothesis checks each new one before it draws from it.


@cache
def comparisons(scope: str) -> st.SearchStrategy[Tree]:
    return st.one_of([_comparison(scope, kind) for kind in sorted(FIELDS[scope])])


def _comparison(scope: str, kind: str) -> st.SearchStrategy[Tree]:
    fields = st.sampled_from(FIELDS[scope][kind])
    other = fields.map(lambda name: {"field": name})
    if kind == "text":
        equality = st.dictionaries(st.sampled_from(("equals", "not equals")), _words | other, min_size=1)
        return _keyed(fields, st.one_of(*_TEXT_ALONE, equality))
    operators = st.sampled_from((">", ">=", "<", "<=", "equals", "not equals"))
    return _keyed(fields, st.dictionaries(operators, st.sampled_from(DECIMALS) | other, min_size=1, max_size=2))


_TEXT_ALONE: tuple[st.SearchStrategy[Any], ...] = (
    st.sampled_from(("contains data", "does not contain data")),
    st.fixed_dictionaries({"in": st.lists(_words, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"matches": st.sampled_from(PATTERNS)}),
)


def _keyed(fields: st.SearchStrategy[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    return st.tuples(fields, values).map(lambda pair: {pair[0]: pair[1]})


@cache
def conditions(scope: str) -> st.SearchStrategy[Tree]:
    def grown(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        several = st.lists(inner, min_size=1, max_size=3)
        return (
            st.fixed_dictionaries({"all": several})
            | st.fixed_dictionaries({"any": several})
            | st.fixed_dictionaries({"not": inner})
            | st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1])
        )

    return st.recursive(comparisons(scope), grown, max_leaves=5)


@cache
def changes(scope: str) -> st.SearchStrategy[Tree]:
    """What a rule sets: some fields, each to words or to what another field has."""
    value = _words | st.sampled_from(FIELDS[scope]["text"]).map(lambda name: {"field": name})
    return st.dictionaries(st.sampled_from(SETTABLE[scope]), value, min_size=1, max_size=3)


_KINDS = st.sampled_from(("set", "set or fail", "set always", "otherwise", "fail"))


@st.composite
def rules(draw: st.DrawFn, scope: str) -> Tree:
    kind = draw(_KINDS)
    rule: Tree = {"applies_to": scope}
    if kind != "set always":
        rule["when"] = draw(conditions(scope))
    if kind.startswith("set"):
        rule["set"] = draw(changes(scope))
    if kind in ("otherwise", "set or fail"):
        rule["otherwise"] = "it does not hold"
    if kind == "fail":
        rule["fail"] = "it holds"
    return rule


_RULES = (
    st.tuples(st.lists(rules("order"), max_size=4), st.lists(rules("line"), max_size=4))
    .map(lambda pair: pair[0] + pair[1])
    .filter(bool)
)
_CRITICALITIES = st.sampled_from(("critical", "information"))


@st.composite
def policies(draw: st.DrawFn) -> Tree:
    """An execution policy as YAML would say it. Rules that a rule above makes useless may be among them."""
    named = [{"rule": f"r{number}", **rule} for number, rule in enumerate(draw(_RULES))]
    return {
        "policy": "random",
        "version": 3,
        "type": "execution",
        "criticality": draw(_CRITICALITIES),
        "applies_to": "order",
        "rules": named,
    }
