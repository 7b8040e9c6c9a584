"""The order in which the tests are handed out names modules that there are, and forgets none that starts a broker."""

from app.resources import ROOT
from tests import scheduling

USES_KAFKA = "mark.kafka"


def test_the_modules_that_are_named_are_there() -> None:
    for module in (*scheduling.WHOLE_PRODUCT, *scheduling.LONG, *scheduling.ALONE):
        assert (ROOT / module).is_file(), module


def test_whole_products_come_first_then_the_kafka_tier_then_the_rest_the_longest_last() -> None:
    first, last = scheduling.WHOLE_PRODUCT[0], scheduling.WHOLE_PRODUCT[-1]
    nodes = [f"{scheduling.LONG[-1]}::e", f"{scheduling.LONG[0]}::f", "tests/flows/test_graph.py::a[x::y]"]
    nodes += ["tests/kafka/test_topics.py::b", f"{last}::c", f"{first}::d[1]"]
    assert sorted(nodes, key=scheduling.rank) == nodes[::-1]


def test_no_module_outside_of_tests_kafka_starts_a_broker_unnoticed() -> None:
    modules = [path for path in ROOT.glob("tests/**/test_*.py") if USES_KAFKA in path.read_text(encoding="utf-8")]
    names = {path.relative_to(ROOT).as_posix() for path in modules} - {"tests/test_scheduling.py"}
    assert len(names) > 20
    assert {name for name in names if not name.startswith("tests/kafka/")} <= set(scheduling.WHOLE_PRODUCT)
