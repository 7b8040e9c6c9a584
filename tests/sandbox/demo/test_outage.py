"""A provider in trouble on purpose: how it is asked for, and what is said of those who do not call it."""

from dataclasses import replace

import httpx
import pytest

from app.errors import SettingError
from app.sandbox.demo.demo_report import as_json, judge
from app.sandbox.demo.demo_session import DemoOptions, plan_rounds
from app.sandbox.demo.evidence import Case
from app.sandbox.demo.made_orders import DemoOrder
from app.sandbox.demo.outage import KINDS, PROVIDERS, Fault, Outage, outages, parse
from app.sandbox.vendors.host import SimulatorOptions, serve
from app.sandbox.vendors.simulation import CALL_FAULTS
from tests.sandbox.demo.recorded import DEFINITIONS, complete, drop

FAULT = Fault("flexe", "down", 60)


def later(cases: list[Case], slower_ms: int, at: int = 1) -> list[Case]:
    """The same orders in a later round, under other ids, with their last status so much later."""
    for case in cases:
        case.order = replace(case.order, round=at, order_id=f"{case.order.order_id}r{at}")
        last = max(seen.at_ms for seen in case.on("order-status"))
        case.records = [
            replace(seen, at_ms=seen.at_ms + slower_ms) if seen.at_ms == last else seen for seen in case.records
        ]
    return cases


def took(slower_ms: int, scenario: int = 1) -> Outage:
    (found,) = outages([*complete(scenario), *later(complete(scenario), slower_ms)], [FAULT])
    return found


def test_what_is_asked_for() -> None:
    assert parse("flexe:down") == FAULT
    assert parse("fno:slow:7.5") == Fault("fno", "slow", 7.5)
    assert set(KINDS) == CALL_FAULTS
    assert PROVIDERS == ("bigcommerce", "flexe", "fno", "sap")


@pytest.mark.parametrize("text", ["", "flexe", "dhl:down", "flexe:gone", "flexe:down:x", "flexe:down:1:2"])
def test_what_cannot_be_understood_names_what_there_is(text: str) -> None:
    with pytest.raises(SettingError, match="--fault"):
        parse(text)


@pytest.mark.parametrize("seconds", ["0", "-1", "3601", "nan", "inf"])
def test_a_fault_has_its_time(seconds: str) -> None:
    with pytest.raises(SettingError, match="at most 3600 seconds"):
        parse(f"flexe:down:{seconds}")


@pytest.mark.parametrize(
    ("kind", "share", "delay"), [("down", 1, None), ("slow", 1, 5000), ("500", 0.5, None), ("429", 0.5, None)]
)
async def test_the_simulators_take_every_kind(kind: str, share: float, delay: int | None) -> None:
    asked = parse(f"sap:{kind}:3").request()
    assert (asked["share"], asked.get("delay_ms")) == (share, delay)
    async with serve(SimulatorOptions()) as host, httpx.AsyncClient(base_url=host.base_url) as client:
        assert (await client.post("/_sim/faults", json=asked)).status_code == 201


def test_orders_that_do_not_call_it_are_slowed_when_they_take_much_longer() -> None:
    slow = took(90_000).scenarios[0]
    assert (slow.scenario, slow.calls, slow.slowed) == (1, False, True)
    assert slow.during.p99_s == pytest.approx(slow.before.p99_s + 90)


def test_a_little_longer_is_noise() -> None:
    assert not took(900).scenarios[0].slowed


def test_orders_that_call_it_have_to_wait() -> None:
    (found,) = took(90_000, scenario=5).scenarios
    assert found.calls
    assert not found.slowed


def test_orders_that_did_not_end_are_told() -> None:
    lacking = later(complete(4), 0)
    drop("order-status", event="order invoiced")(lacking[0])
    (found,) = outages([*complete(4), *lacking], [FAULT])
    assert (found.scenarios[0].orders, found.scenarios[0].ended) == (2, 1)


def test_each_round_is_compared_with_the_first() -> None:
    faults = [FAULT, Fault("sap", "500", 5)]
    cases = [*complete(1), *later(complete(1), 1_000), *later(complete(1), 2_000, at=2)]
    first, second = outages(cases, faults)
    assert (first.fault, second.fault) == tuple(faults)
    assert second.scenarios[0].during.p99_s == pytest.approx(first.scenarios[0].during.p99_s + 1)
    assert second.scenarios[0].before == first.scenarios[0].before


def test_the_report_shows_both_and_keeps_its_own_figures_to_the_first_round() -> None:
    cases = [*complete(1), *later(complete(1), 90_000)]
    found = judge("", cases, DEFINITIONS, [FAULT])
    shown = as_json(found)
    (outage,) = shown["outage"]
    assert (outage["provider"], outage["kind"], outage["seconds"]) == ("flexe", "down", 60)
    (scenario,) = outage["scenarios"]
    assert scenario["slowed"] is True
    assert scenario["without_s"] == shown["scenarios"][0]["latency_s"]
    assert scenario["latency_s"]["p99"] > 90
    assert shown["scenarios"][0]["orders"] == 4
    assert found.truth, "slowness is shown; it is not an error of an order"


def test_every_round_has_the_same_orders_under_ids_of_its_own() -> None:
    rounds = plan_rounds(DemoOptions([1, 2, 3, 5], 5, faults=[FAULT, Fault("sap", "slow", 7)]), "x")
    assert [each.fault for each in rounds] == [None, FAULT, Fault("sap", "slow", 7)]
    assert {each.over_s for each in rounds} == {60}
    orders = [order for each in rounds for order in each.orders]
    assert len({order.order_id for order in orders}) == len(orders) == 60
    assert [order.round for order in orders] == [at for at in range(3) for _ in range(20)]
    assert len({str([goods(order) for order in each.orders]) for each in rounds}) == 1


def goods(order: DemoOrder) -> list[tuple[str, str]]:
    wire = order.wire
    if "Lines" in wire:
        return [(line["ItemNumber"], line["OrderedSalesQuantity"]) for line in wire["Lines"]]
    return [(line["sku"], str(line["quantity"])) for line in wire["products"]]
