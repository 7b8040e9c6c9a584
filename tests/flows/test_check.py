"""`flows check`: each mistake in a flow is refused with its file, its path and the fix."""

import pytest
from msgspec.structs import replace

from app.errors import DefinitionError, NewerVersionError, RecordError
from app.events.model import OrderCreated
from app.flows.installed import Setup
from app.flows.loading.flow_check import check
from app.flows.loading.flow_compiler import compile_flow
from app.flows.loading.flow_spec import load, load_routing
from app.flows.loading.published import ROUTING_FILE, check_all, publish
from app.flows.loading.routing import Routing
from app.resources import flow_files
from tests.flows.journey import MAPS, SEND, SETUP, Journey, an_order, policies, published

FILE = "app/flows/bigcommerce-fno-fno.yaml"
GOOD = flow_files()[FILE]
OTHER = "app/flows/fno-fno-fno.yaml"
ROUTING = f"app/flows/{ROUTING_FILE}"


def problems(text: str, setup: Setup = SETUP) -> list[str]:
    try:
        spec = load(text, "f.yaml")
    except DefinitionError as problem:
        return [str(problem)]
    return [str(problem) for problem in check(spec, policies(), setup)]


def test_shipped_flows_are_right() -> None:
    assert check_all(flow_files(), policies(), SETUP) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "action: Send order to fulfillment",
            "action: Send order to fulfilment",
            "f.yaml: steps.send.action: fno has no action 'Send order to fulfilment'; "
            "did you mean `Send order to fulfillment`?",
        ),
        (
            "assign-company,",
            "assign-compny,",
            "f.yaml: steps.assign.policies: unknown policy 'assign-compny'; did you mean `assign-company`?",
        ),
        (
            "on: order validated",
            "on: order validatd",
            "f.yaml: steps.assign.on: unknown event 'order validatd'; did you mean `order validated`?",
        ),
        (
            "emits: order validated",
            "emits: order picked",
            "f.yaml: steps.validate.emits: no step may emit 'order picked'; use one of: "
            "order assigned, order sent to fulfillment, order sourced, order validated",
        ),
        (
            "wait: order picked",
            "wait: order packed",
            "f.yaml: steps.await picking.wait: fno raises no event 'order packed'; did you mean `order picked`?",
        ),
        (
            "    within: 7d\n",
            "",
            "f.yaml: steps.await picking.within: a wait with no limit; add `within:` with a time limit, such as 14d",
        ),
        (
            "    action: Send order to fulfillment\n    emits: order sent to fulfillment\n    else: hold\n",
            "    action: Send order to fulfillment\n    emits: order sent to fulfillment\n",
            "f.yaml: steps.send.else: a provider action with no failure edge; "
            "add `else: hold`, `else: reject` or, after a provider action, `else: note`",
        ),
        (
            "    emits: order validated\n    else: reject\n",
            "    emits: order validated\n",
            "f.yaml: steps.validate.else: policies with no failure edge; "
            "add `else: hold`, `else: reject` or, after a provider action, `else: note`",
        ),
        (
            "within: 7d",
            "within: a week",
            "f.yaml: steps.await picking.within: 'a week' is not a time limit; "
            "write a number and s, m, h or d, such as 48h",
        ),
        (
            "    else: reject\n",
            "    els: reject\n",
            "f.yaml: steps.validate.els: unknown key; did you mean `else`?",
        ),
        ("version: 1\n", "", "f.yaml: version: the key is missing; add `version:`"),
        (
            "step: assign\n",
            "step: send\n",
            "f.yaml: steps.send.step: two steps are called 'send'; give each step a name of its own",
        ),
        (
            "    from: fno\n    after: order sent to fulfillment\n",
            "    after: order sent to fulfillment\n",
            "f.yaml: steps.await picking.from: whose event is awaited?; add `from:` with the provider that raises it",
        ),
        (
            "    after: order sent to fulfillment\n",
            "",
            "f.yaml: steps.await picking.after: nothing starts the wait; "
            "add `after:` with the event from which it waits",
        ),
        (
            "    wait: order picked\n",
            "    wait: order picked\n    on: order assigned\n",
            "f.yaml: steps.await picking.on: a waiting step does no work; make it a step on the awaited event",
        ),
        (
            "    on: order created\n",
            "",
            "f.yaml: steps.validate.on: no input event; add `on:` with the event that gets it going, or `wait:`",
        ),
        (
            "    provider: fno\n",
            "",
            "f.yaml: steps.send.provider: an action needs its provider; add `provider:`",
        ),
        (
            "    policies: [assign-company, assign-site-warehouse]\n",
            "",
            "f.yaml: steps.assign.policies: the step does nothing; add `policies:`, or a provider and its action",
        ),
        (
            "    emits: order assigned\n    else: hold\n",
            "    emits: order assigned\n    else: note\n",
            "f.yaml: steps.assign.else: `note` is for provider actions; use `hold` or `reject`",
        ),
    ],
)
def test_mistake_is_named_with_its_fix(old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) >= 1
    assert expected in problems(GOOD.replace(old, new, 1))


def test_unreachable_step_is_refused() -> None:
    text = GOOD.replace("emits: order assigned", "emits: order validated")
    found = problems(text)
    assert (
        "f.yaml: steps.send.on: unreachable: no step that is reached leads to 'order assigned'; "
        "emit it, or wait for it, in an earlier step"
    ) in found
    assert any("await picking" in problem for problem in found)


def test_loop_is_refused() -> None:
    text = GOOD.replace("on: order created", "on: [order created, order assigned]")
    assert (
        "f.yaml: steps.validate.emits: the step comes after itself; break the loop: listen for another event"
    ) in problems(text)


def test_provider_that_is_not_set_up_is_refused() -> None:
    """S1."""
    setup = replace(SETUP, actions={}, events={"bigcommerce": SETUP.events["bigcommerce"]})
    found = problems(GOOD, setup)
    assert (
        "f.yaml: steps.send.provider: the provider 'fno' is not installed and active; "
        "set every WAYBILL_FNO_ variable of app/providers/fno/manifest.yaml"
    ) in found
    assert any(problem.startswith("f.yaml: steps.await picking.from:") for problem in found)


def test_action_that_no_request_can_carry_is_refused() -> None:
    actions = {**SETUP.actions, "fno": {SEND.action: replace(SEND, event="order requested")}}
    found = problems(GOOD, replace(SETUP, actions=actions))
    assert found[0].startswith(
        "f.yaml: steps.send.action: no action can become a request 'order requested'; correct `event`"
    )


@pytest.mark.parametrize("gone", MAPS)
@pytest.mark.parametrize("file", [FILE, OTHER])
def test_map_that_is_not_enabled_is_refused(file: str, gone: str) -> None:
    """S2. The flow of F+O's own orders sends nothing, so it needs the map of one direction."""
    setup = replace(SETUP, maps=SETUP.maps - {gone})
    spec = load(flow_files()[file], file)
    if file == OTHER and gone == "salesorders.iom-to-fno":
        assert not check(spec, policies(), setup)
        return
    with pytest.raises(DefinitionError, match=rf"maps: the dual-write map '{gone}' is not enabled; add it to WAYBILL_"):
        compile_flow(spec, policies(), setup)


def test_all_problems_of_all_files_are_listed() -> None:
    files = {
        FILE: GOOD.replace("assign-company,", "nosuch,"),
        OTHER: "flow: [",
        ROUTING: "{routing: r, version: 1, routes: [{route: ERP orders, when: {origins: fno}, flow: fno-fno-fno}]}",
    }
    found = [str(problem) for problem in check_all(files, policies(), SETUP)]
    assert [problem.split(": ")[0] for problem in found] == [OTHER, FILE, ROUTING, ROUTING]
    assert "routes.ERP orders.when.origins: unknown field; did you mean `origin`?" in found[2]
    assert "unknown flow 'fno-fno-fno'" in found[3]


def test_two_files_with_one_version_are_refused() -> None:
    files = {**flow_files(), "app/flows/copy.yaml": GOOD}
    with pytest.raises(DefinitionError, match=r"version: .* has version 1 of 'bigcommerce-fno-fno' too"):
        publish(files, policies(), SETUP)


def test_routing_is_required() -> None:
    with pytest.raises(DefinitionError, match="there is no routing policy"):
        publish({FILE: GOOD}, policies(), SETUP)


def test_order_keeps_the_version_it_started_with() -> None:
    newer = GOOD.replace("version: 1", "version: 2").replace("within: 7d", "within: 9d")
    flows = publish({**flow_files(), "app/flows/newer.yaml": newer}, policies(), SETUP)
    journey = Journey(an_order())
    journey.created()
    assert flows.flow_of(journey.state).version == 1
    assert flows.choose(OrderCreated(an_order())).version == 2
    with pytest.raises(RecordError, match="version 0, which is not in app/flows"):
        flows.flow_of(replace(journey.state, flow_version=0))


def test_an_order_in_a_version_of_its_flow_that_is_not_known_here_is_left_to_a_newer_process() -> None:
    flows, journey = published(), Journey(an_order())
    journey.created()
    with pytest.raises(NewerVersionError, match="a newer version of Waybill has given it: upgrade this process"):
        flows.flow_of(replace(journey.state, flow_version=2))
    with pytest.raises(RecordError, match="put the file of that version back") as away:
        flows.flow_of(replace(journey.state, flow="taken away", flow_version=2))
    assert not isinstance(away.value, NewerVersionError)


def test_routing_picks_by_origin_unless_the_producer_names_a_flow() -> None:
    flows = published()
    assert flows.choose(OrderCreated(an_order())).name == "bigcommerce-fno-fno"
    assert flows.choose(OrderCreated(an_order(channel="bigcommerce-3"))).name == "bigcommerce-flexe-fno"
    assert flows.choose(OrderCreated(an_order(origin="fno"))).name == "fno-fno-fno"
    assert flows.choose(OrderCreated(an_order(origin="fno", channel="FLEXE"))).name == "fno-flexe-fno"
    assert flows.choose(OrderCreated(an_order(origin="fno", channel="SAP"))).name == "fno-flexe-sap"
    assert flows.choose(OrderCreated(an_order(), "fno-fno-fno")).name == "fno-fno-fno"
    assert flows.choose(OrderCreated(an_order(origin="edi"))).name == "bigcommerce-fno-fno"
    with pytest.raises(RecordError, match=r"there is no flow 'fno-fno'; did you mean `fno-fno-fno`\?"):
        flows.choose(OrderCreated(an_order(), "fno-fno"))


def test_an_order_that_no_route_takes_is_refused() -> None:
    routing = Routing(
        load_routing("{routing: r, version: 1, routes: [{route: a, when: {origin: x}, flow: a}]}", "r"), {"a"}
    )
    with pytest.raises(RecordError, match="no route takes an order of origin 'edi'"):
        routing.choose(OrderCreated(an_order(origin="edi")))


@pytest.mark.parametrize(
    ("setup", "named"),
    [
        (replace(SETUP, events={"bigcommerce": SETUP.events["bigcommerce"]}), "provider 'fno' is not installed"),
        (replace(SETUP, maps=frozenset(MAPS[1:])), "map 'salesorders.fno-to-iom' is not enabled"),
    ],
)
def test_a_flow_that_is_not_set_up_is_not_published_and_says_why(setup: Setup, named: str) -> None:
    flows = publish(flow_files(), policies(), setup)
    assert not flows.flows
    with pytest.raises(RecordError, match=named) as refused:
        flows.choose(OrderCreated(an_order()))
    assert refused.value.code == "flow-refused"
    journey = Journey(an_order())
    journey.created()
    with pytest.raises(RecordError, match=named):
        flows.flow_of(journey.state)


def test_a_refused_flow_leaves_the_others_published() -> None:
    flows = publish(flow_files(), policies(), replace(SETUP, maps=frozenset({"salesorders.fno-to-iom"})))
    assert [flow.name for flow in flows.flows] == ["fno-flexe-sap", "fno-fno-fno"]
    assert flows.choose(OrderCreated(an_order(origin="fno"))).name == "fno-fno-fno"
    with pytest.raises(RecordError, match=r"salesorders\.iom-to-fno"):
        flows.choose(OrderCreated(an_order()))


def test_the_shop_is_told_of_its_own_orders_alone() -> None:
    for origin, told in (("bigcommerce", True), ("external", False)):
        journey = Journey(an_order(origin=origin))
        journey.created()
        for name in ("order picked", "order shipped", "order invoiced"):
            journey.reported(name)
        assert journey.state.order.state == "Completed"
        assert any(effect.provider == "bigcommerce" for effect in journey.state.effects) is told


def test_first_route_whose_conditions_all_hold_wins() -> None:
    text = """
routing: orders
version: 1
routes:
  - {route: dealers, when: {channel: [c1, c2], ship_to.country: US}, flow: a}
  - {route: rest, flow: b}
"""
    routing = Routing(load_routing(text, "r.yaml"), {"a", "b"})
    assert routing.choose(OrderCreated(an_order(channel="c2"))) == "a"
    assert routing.choose(OrderCreated(an_order(channel="c3"))) == "b"
