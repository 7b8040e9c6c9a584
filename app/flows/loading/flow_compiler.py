"""The compiler of flows: from a specification to nodes with their policies and actions, looked up by event."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from app.domain.event_names import EventName
from app.domain.order import Order
from app.flows.installed import MAIN_POOL, ActionSpec, EngineLimits, Setup
from app.flows.loading.flow_check import check
from app.flows.loading.flow_spec import FlowSpec, StepSpec
from app.flows.loading.step_paths import carried_out, downstream, overtaken_waits
from app.policies.policy_compiler import CompiledPolicy


class Node(Struct, frozen=True):
    """One step, ready to run. A waiting node has `wait`; `settles` are the waits that its event ends: its own and
    overtaken ones; `proves` the calls that its event shows to have arrived."""

    name: str
    filter: CompiledPolicy | None = None
    policies: tuple[CompiledPolicy, ...] = ()
    action: ActionSpec | None = None
    emits: str = ""
    otherwise: str = "hold"
    wait: str = ""
    source: str = ""
    within_ms: int = 0
    settles: tuple[str, ...] = ()
    proves: tuple[str, ...] = ()
    downstream: frozenset[str] = frozenset()


class Flow(Struct, frozen=True):
    """`listening`, `starting` and `awaited` are by event: nodes to run, waits that begin, waits that end."""

    name: str
    version: int
    title: str
    nodes: Mapping[str, Node]
    listening: Mapping[str, tuple[Node, ...]]
    starting: Mapping[str, tuple[Node, ...]]
    awaited: Mapping[str, tuple[Node, ...]]
    limits: EngineLimits
    pools: Mapping[str, str] = {}
    sourcing: Node | None = None
    """The step that asks for sources, in flows whose orders are sourced line by line."""

    def pool_of(self, order: Order) -> str:
        """Return the pool of warehouses that may ship the order."""
        return self.pools.get(order.company or "", MAIN_POOL)


def compile_flow(
    spec: FlowSpec, policies: Mapping[str, CompiledPolicy], setup: Setup, limits: EngineLimits | None = None
) -> Flow:
    """Return the flow, ready for `step`.

    Raises DefinitionError for the first problem: an action, policy or event that is not there, a provider that is not
    set up (S1), a dual-write map that is not enabled (S2), an unreachable step, a missing failure edge or time limit, a
    loop.
    """
    for problem in check(spec, policies, setup):
        raise problem
    nodes = {step.step: _node(spec, step, policies, setup) for step in spec.steps}
    return Flow(
        name=spec.flow,
        version=spec.version,
        title=spec.title,
        nodes=nodes,
        listening=_by_event(nodes, ((step.step, step.on) for step in spec.steps)),
        starting=_by_event(nodes, ((step.step, step.after) for step in spec.steps)),
        awaited=_by_event(nodes, ((step.step, (step.wait,) if step.wait else ()) for step in spec.steps)),
        limits=limits or EngineLimits(),
        pools=setup.pools,
        sourcing=next(
            (node for node in nodes.values() if node.action and node.action.event == EventName.SOURCING_REQUESTED), None
        ),
    )


def _node(spec: FlowSpec, step: StepSpec, policies: Mapping[str, CompiledPolicy], setup: Setup) -> Node:
    return Node(
        name=step.step,
        filter=policies[step.filter] if step.filter else None,
        policies=tuple(policies[name] for name in step.policies),
        action=setup.actions[step.provider][step.action] if step.provider and step.action else None,
        emits=step.emits or "",
        otherwise=step.otherwise or "hold",
        wait=step.wait or "",
        source=step.source or "",
        within_ms=step.within or 0,
        settles=overtaken_waits(spec, step) if step.wait else (),
        proves=carried_out(spec, step) if step.wait else (),
        downstream=downstream(spec, step),
    )


def _by_event(nodes: Mapping[str, Node], steps: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[Node, ...]]:
    by_event: dict[str, tuple[Node, ...]] = {}
    for name, events in steps:
        for event in events:
            by_event[event] = (*by_event.get(event, ()), nodes[name])
    return by_event
