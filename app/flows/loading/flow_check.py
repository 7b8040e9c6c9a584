"""The checks of a flow, each problem with file, path and fix: `waybill flows check`. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from app.domain.event_names import EventName
from app.domain.lifecycle import TRANSITIONS
from app.errors import DefinitionError, suggest
from app.flows.installed import KAFKA, ActionSpec, Setup
from app.flows.loading.flow_spec import FlowSpec, StepSpec
from app.flows.loading.step_paths import FROM_OUTSIDE, inputs, loops, reachable_steps

EVENTS: Final = frozenset(event for _, event in TRANSITIONS) | FROM_OUTSIDE
"""Every event that an order knows."""
EMITTED: Final = frozenset(
    {EventName.ORDER_VALIDATED, EventName.ORDER_ASSIGNED, EventName.ORDER_SOURCED, EventName.ORDER_SENT_TO_FULFILLMENT}
)
"""Events that a step of ours may raise; the others come from providers or from failure edges."""
REQUESTED: Final = frozenset(
    {
        EventName.FULFILLMENT_REQUESTED,
        EventName.BILLING_REQUESTED,
        EventName.CHANNEL_UPDATE_REQUESTED,
        EventName.SOURCING_REQUESTED,
    }
)
"""What an action may become."""
_ONE_OF_EMITTED: Final = f"use one of: {', '.join(sorted(EMITTED))}"
_WORK: Final = ("on", "filter", "policies", "provider", "action", "emits")
_WAIT: Final = ("wait", "source", "after", "within")
Problems = Iterator[DefinitionError]


def check(spec: FlowSpec, policies: Collection[str], setup: Setup) -> tuple[DefinitionError, ...]:
    """Return every problem of the flow, in the order of its steps; empty when it may run."""
    return tuple(_problems(spec, policies, setup))


def _problems(spec: FlowSpec, policies: Collection[str], setup: Setup) -> Problems:
    yield from _maps(spec, "maps", spec.maps, setup)
    names: set[str] = set()
    for step in spec.steps:
        if step.step in names:
            yield _error(spec, step, "step", f"two steps are called {step.step!r}", "give each step a name of its own")
        names.add(step.step)
        for rule in _RULES:
            yield from rule(spec, step, setup)
        yield from _policies(spec, step, policies)
    reached = reachable_steps(spec)
    for step in spec.steps:
        if step.step not in reached:
            yield _unreachable(spec, step)
    for step in loops(spec):
        yield _error(spec, step, "emits", "the step comes after itself", "break the loop: listen for another event")


def _error(spec: FlowSpec, step: StepSpec, key: str, problem: str, fix: str) -> DefinitionError:
    return DefinitionError(spec.file, f"steps.{step.step}.{key}", problem, fix)


def _kind(spec: FlowSpec, step: StepSpec, _: Setup) -> Problems:
    """Check that a step works or waits: one of the two, whole."""
    if step.wait and any(getattr(step, key) for key in _WORK):
        strange = next(key for key in _WORK if getattr(step, key))
        yield _error(spec, step, strange, "a waiting step does no work", "make it a step on the awaited event")
    elif not step.wait and any(getattr(step, key) for key in _WAIT if key != "within"):
        yield _error(spec, step, "wait", "`from` and `after` belong to a wait", "add `wait:` with the event")
    elif not step.wait and not step.on:
        yield _error(spec, step, "on", "no input event", "add `on:` with the event that gets it going, or `wait:`")
    elif step.wait and not step.after:
        yield _error(spec, step, "after", "nothing starts the wait", "add `after:` with the event from which it waits")


def _results(spec: FlowSpec, step: StepSpec, _: Setup) -> Problems:
    if step.wait:
        return
    if not step.action and not step.provider and not step.emits:
        yield _error(spec, step, "emits", "the step leads to nothing", "add `emits:`, or a provider action")
    if not step.action and not step.provider and not step.policies:
        yield _error(spec, step, "policies", "the step does nothing", "add `policies:`, or a provider and its action")


def _edges(spec: FlowSpec, step: StepSpec, _: Setup) -> Problems:
    """Check that whatever can fail says what happens then."""
    fix = "add `else: hold`, `else: reject` or, after a provider action, `else: note`"
    if step.wait:
        if step.within is None:
            yield _error(spec, step, "within", "a wait with no limit", "add `within:` with a time limit, such as 14d")
        if step.otherwise not in {"hold", "reject"}:
            yield _error(spec, step, "else", "no failure edge for when the limit passes", "add `else: hold`")
    elif step.otherwise is None and (step.action or step.provider):
        yield _error(spec, step, "else", "a provider action with no failure edge", fix)
    elif step.otherwise is None and step.policies:
        yield _error(spec, step, "else", "policies with no failure edge", fix)
    elif step.otherwise == "note" and not step.action:
        yield _error(spec, step, "else", "`note` is for provider actions", "use `hold` or `reject`")


def _events(spec: FlowSpec, step: StepSpec, _: Setup) -> Problems:
    key = "after" if step.wait else "on"
    for event in inputs(step):
        if event not in EVENTS:
            yield _error(spec, step, key, f"unknown event {event!r}", suggest(event, EVENTS))
    if step.emits and step.emits not in EMITTED:
        yield _error(spec, step, "emits", f"no step may emit {step.emits!r}", _ONE_OF_EMITTED)


def _awaited(spec: FlowSpec, step: StepSpec, setup: Setup) -> Problems:
    """Check that an awaited event comes from a provider that is set up and that raises it (S1)."""
    if not step.wait:
        return
    if step.source is None:
        yield _error(spec, step, "from", "whose event is awaited?", "add `from:` with the provider that raises it")
    elif step.source not in setup.events:
        yield _not_set_up(spec, step, "from", step.source)
    elif step.wait not in setup.events[step.source]:
        fix = suggest(step.wait, setup.events[step.source])
        yield _error(spec, step, "wait", f"{step.source} raises no event {step.wait!r}", fix)
    elif step.wait not in EVENTS:
        yield _error(spec, step, "wait", f"unknown event {step.wait!r}", suggest(step.wait, EVENTS))


def _action(spec: FlowSpec, step: StepSpec, setup: Setup) -> Problems:
    if step.action and not step.provider:
        yield _error(spec, step, "provider", "an action needs its provider", "add `provider:`")
    elif step.provider and not step.action:
        yield _error(spec, step, "action", "a provider needs an action", "add `action:`")
    elif step.provider and step.provider not in setup.events:
        yield _not_set_up(spec, step, "provider", step.provider)
    elif step.provider and step.action:
        actions = setup.actions.get(step.provider, {})
        action = actions.get(step.action)
        if action is None:
            yield _error(
                spec, step, "action", f"{step.provider} has no action {step.action!r}", _nearest(step.action, actions)
            )
        elif action.event not in REQUESTED:
            fix = f"correct `event` in app/providers/{step.provider}/manifest.yaml; {suggest(action.event, REQUESTED)}"
            yield _error(spec, step, "action", f"no action can become a request {action.event!r}", fix)
        else:
            yield from _maps(spec, f"steps.{step.step}.action", action.maps, setup)
            yield from _limit(spec, step, action)


def _limit(spec: FlowSpec, step: StepSpec, action: ActionSpec) -> Problems:
    """Check time limits. Our own roles always answer; that an outside consumer does not, only a clock can tell."""
    if action.through == KAFKA and step.within is None:
        problem = "an action through kafka with no limit for its answer"
        yield _error(spec, step, "within", problem, "add `within:` with a time limit, such as 1h")
    elif action.through != KAFKA and step.within is not None:
        problem = f"an action through {action.through} is always answered"
        yield _error(spec, step, "within", problem, "remove `within`; it is for waits and for actions through kafka")


def _nearest(action: str, actions: Mapping[str, ActionSpec]) -> str:
    """Suggest an action. Action names are sentences with capitals, so they are compared without regard to case."""
    by_case = {name.lower(): name for name in actions}
    same = by_case.get(action.lower())
    return f"did you mean `{same}`?" if same else suggest(action, actions)


def _policies(spec: FlowSpec, step: StepSpec, policies: Collection[str]) -> Problems:
    for key, names in (("filter", (step.filter,) if step.filter else ()), ("policies", step.policies)):
        for name in names:
            if name not in policies:
                yield _error(spec, step, key, f"unknown policy {name!r}", suggest(name, policies))


def _maps(spec: FlowSpec, path: str, maps: Collection[str], setup: Setup) -> Problems:
    for name in maps:
        if name not in setup.maps:
            fix = f"add it to WAYBILL_DUALWRITE_MAPS, which enables {', '.join(sorted(setup.maps)) or 'none'}"
            yield DefinitionError(spec.file, path, f"the dual-write map {name!r} is not enabled", fix)


def _not_set_up(spec: FlowSpec, step: StepSpec, key: str, provider: str) -> DefinitionError:
    problem = f"the provider {provider!r} is not installed and active"
    fix = f"set every WAYBILL_{provider.upper()}_ variable of app/providers/{provider}/manifest.yaml"
    return _error(spec, step, key, problem, fix)


def _unreachable(spec: FlowSpec, step: StepSpec) -> DefinitionError:
    key = "after" if step.wait else "on"
    events = " or ".join(repr(event) for event in inputs(step)) or "its event"
    problem = f"unreachable: no step that is reached leads to {events}"
    return _error(spec, step, key, problem, "emit it, or wait for it, in an earlier step")


_RULES: Final[tuple[Callable[[FlowSpec, StepSpec, Setup], Problems], ...]] = (
    _kind,
    _results,
    _edges,
    _events,
    _awaited,
    _action,
)
