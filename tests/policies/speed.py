"""One evaluation, 5 lines and 8 rules: `python -m timeit -s "from tests.policies.speed import run" "run()"`."""

from app import policies
from tests.policies.orders import a_line, an_order

POLICY = """
policy: speed
version: 1
type: execution
criticality: critical
applies_to: line
rules:
  - {rule: a, when: {warehouse: does not contain data, order.ship_to.country: {in: [US]}}, set: {site: A, warehouse: A}}
  - {rule: b, when: {warehouse: does not contain data, order.ship_to.country: {in: [BR]}}, set: {site: B, warehouse: B}}
  - {rule: c, when: {warehouse: does not contain data, order.ship_to.country: {in: [JP]}}, set: {site: C, warehouse: C}}
  - {rule: d, when: {order.origin: {equals: fno}, sku: {matches: "BIKE-*"}}, set: {site: D, warehouse: D}}
  - {rule: e, when: {order.channel: {not equals: web}, sku: {matches: "BIKE-*"}}, set: {site: E, warehouse: E}}
  - {rule: f, when: {any: [sku: {equals: MUG-001}, quantity: {">": "500"}]}, set: {site: F, warehouse: F}}
  - {rule: g, when: {not: {total: {"<": {field: unit_price}}}, sku: {matches: "LAMP-*"}}, set: {site: G, warehouse: G}}
  - {rule: h, when: {warehouse: does not contain data}, set: {site: H, warehouse: H}}
"""
_SKUS = ("TEA-001", "MUG-001", "LAMP-001", "BIKE-001", "TEA-002")
_ORDER = an_order(*(a_line(str(number), sku) for number, sku in enumerate(_SKUS)))
_evaluate = policies.compile(policies.load(POLICY, "speed.yaml")).evaluate


def run() -> policies.PolicyVerdict:
    """Sets site and warehouse of all five lines, by four of the rules."""
    return _evaluate(_ORDER)
