"""The run of a flow for one input event: the order as it becomes, the events to write, and the steps that follow. Pure.

A Run lives for one call of `step` and is never shared; what goes in and what comes out is frozen.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from app.domain.event_names import EventName
from app.domain.evolve import (
    add_entry,
    changed_lines,
    expects,
    furthest_milestone,
    is_final,
    merge_lineage,
    move_order,
    move_some_lines,
    would_go_back,
)
from app.domain.fulfillment_orders import place_lines, select_sourced_lines
from app.domain.lifecycle import MILESTONES, State
from app.domain.order import RECENT_EVENTS_MAX, Effect, Lineage, Order, OrderState, TimelineEntry, Timer, TimerPurpose
from app.domain.order_fields import mapped_fields_differ
from app.dualwrite.sync_gate import missing
from app.events.ids import derive
from app.events.model import Body, Event, OrderStatus, PolicyResult, ProviderEvent
from app.flows import event_bodies
from app.flows.event_bodies import Results
from app.flows.installed import KAFKA, ActionSpec
from app.flows.loading.flow_compiler import Flow, Node

SOURCE: Final = "waybill/orchestrate"
STATUS_CHANGED: Final = EventName.ORDER_STATUS_CHANGED
ACTION_FAILED: Final = EventName.PROVIDER_ACTION_FAILED
NOTE_MAX: Final = 500
"""Characters of a note in the timeline."""
CANCELED: Final = State.CANCELED
DUAL_WRITE: Final = "dual-write"
BILLING: Final = EventName.BILLING_REQUESTED
ANSWER: Final = TimerPurpose.ANSWER
"""Purpose of the timer by which an effect that goes through kafka must be answered; it covers all attempts."""
_STOPS: Final = {"hold": (EventName.ORDER_HELD,), "reject": (EventName.ORDER_REJECTED, EventName.ORDER_HELD)}
"""Failure edge -> the events to try: an order that is too far to be rejected is held."""
_ENDS: Final = frozenset({EventName.ORDER_CANCELED, EventName.ORDER_REJECTED})


class Run:
    __slots__ = ("_position", "_queue", "before", "cause", "events", "flow", "requested_sync", "state", "synced_order")

    def __init__(self, flow: Flow, state: OrderState, cause: Event) -> None:
        self.flow, self.cause = flow, cause
        self.before = self.synced_order = state.order
        self.state = replace(
            state,
            version=state.version + 1,
            recent=(*state.recent[-RECENT_EVENTS_MAX + 1 :], cause.event_id),
        )
        self.events: list[Event] = []
        self.requested_sync = False
        self._position = 0
        self._queue: deque[str] = deque()

    # ---- what is written ------------------------------------------------------------------------------------------

    def emit(self, name: str, body: Body) -> str:
        """Add an output event; its id follows from the input event and its place among the outputs."""
        cause = self.cause
        event_id = derive(cause.event_id, self._position)
        self._position += 1
        self.events.append(
            Event(
                name=name,
                event_id=event_id,
                order_id=cause.order_id,
                at=cause.at,
                source=SOURCE,
                cause_id=cause.event_id,
                body=body,
                trace=cause.trace,
            )
        )
        return event_id

    def apply(self, name: str, after: Order, *, step: str = "", event_id: str = "", note: str = "") -> None:
        """Take the order to `after` because of `name`: a status record and a line in the timeline."""
        state, before = self.state, self.state.order
        moved_lines = () if after is before else event_bodies.line_statuses(changed_lines(before, after))
        status = OrderStatus(
            order_id=after.order_id,
            source_ref=after.source_ref,
            event=name,
            step=step,
            state=after.state,
            reason=after.reason,
            previous_state=before.state,
            previous_reason=before.reason,
            version=state.version,
            flow=state.flow,
            flow_version=state.flow_version,
            lines=moved_lines,
            occurred_at=self.cause.at,
            channel=after.channel,
            customer=after.customer,
        )
        status_id = self.emit(STATUS_CHANGED, status)
        self.state = replace(state, order=after)
        self.note(name, step=step, event_id=event_id or status_id, note=note)
        if after.state == CANCELED:
            self.state = replace(self.state, effects=(), timers=(), partials=())

    def note(self, name: str, *, step: str = "", event_id: str = "", note: str = "") -> None:
        """Add a line to the timeline without a change of status."""
        order, cause = self.state.order, self.cause
        own_id = event_id or cause.event_id
        entry = TimelineEntry(
            event=name,
            event_id=own_id,
            cause_id=cause.cause_id if own_id == cause.event_id else cause.event_id,
            at=cause.at,
            source=cause.source,
            step=step,
            state=order.state,
            reason=order.reason,
            note=note[:NOTE_MAX],
        )
        self.state = replace(self.state, timeline=add_entry(self.state.timeline, entry))

    def trace(self, event_id: str, changes: Sequence[tuple[str, str]]) -> None:
        """Keep which event, and which rule, set these fields: (field, rule)."""
        if changes:
            set_by = event_id or self.cause.event_id
            latest = [Lineage(field, set_by, rule) for field, rule in changes]
            self.state = replace(self.state, lineage=merge_lineage(self.state.lineage, latest))

    # ---- what follows ---------------------------------------------------------------------------------------------

    def offer(self, name: str) -> None:
        """Let the flow react to an applied event, and to what that leads to, until nothing more follows.

        It ends because a step runs at most once in a call, and flows without loops alone are compiled.
        """
        self._queue.append(name)
        if len(self._queue) > 1:
            return
        while self._queue:
            self._react(self._queue[0])
            self._queue.popleft()

    def _react(self, name: str) -> None:
        self._settle(name)
        order = self.state.order
        if order.state == CANCELED and name not in _ENDS:
            return
        if MILESTONES.get(name, 3) < furthest_milestone(order, self.state.raised):
            return
        if not is_final(order):
            for node in self.flow.starting.get(name, ()):
                self.start_wait(node)
        for node in self.flow.listening.get(name, ()):
            if not self.has_started(node):
                self.work(node)

    def has_started(self, node: Node) -> bool:
        """Return whether the step is done, has failed or is under way."""
        state, name = self.state, node.name
        return name in state.done or name in state.failed or any(effect.step == name for effect in state.effects)

    def _settle(self, name: str) -> None:
        for node in self.flow.awaited.get(name, ()):
            self.finish(*node.settles)
            self._mend(node)

    def _mend(self, node: Node) -> None:
        """Mark calls that seemed to fail as done, where their provider reports what only follows from them.

        A provider may carry out a call and answer with a failure. Run again later, when the order has other values, the
        call would be another one, which the provider must refuse. One whose answer may still come is left to it.
        """
        state, report = self.state, self.cause.body
        if not isinstance(report, ProviderEvent) or report.provider != node.source:
            return
        pending = {effect.step for effect in state.effects}
        self.finish(*[step for step in node.proves if step in state.failed and step not in pending])

    def finish(self, *names: str) -> None:
        """Mark steps as done: they run no more, their waits end, and their earlier failures are mended."""
        state = self.state
        done = (*state.done, *[name for name in names if name not in state.done])
        failed = state.failed and tuple([name for name in state.failed if name not in names])
        timers = state.timers and tuple(
            [timer for timer in state.timers if not (timer.purpose == TimerPurpose.WAIT and timer.subject in names)]
        )
        self.state = replace(state, done=done, failed=failed, timers=timers)

    def start_wait(self, node: Node) -> None:
        """Start the wait of a step, once."""
        state = self.state
        if self.has_started(node) or any(
            timer.purpose == TimerPurpose.WAIT and timer.subject == node.name for timer in state.timers
        ):
            return
        timer_id = derive(self.cause.event_id, f"wait/{node.name}")
        timer = Timer(timer_id, self.cause.at + node.within_ms, TimerPurpose.WAIT, node.name)
        self.state = replace(state, timers=(*state.timers, timer))

    def renew(self, node: Node) -> None:
        """Let the step run again, deliberately: a new round, so that its effect gets a new id."""
        state, name = self.state, node.name
        rounds = dict(state.rounds)
        rounds[name] = rounds.get(name, 0) + 1
        self.state = replace(
            state,
            done=tuple([other for other in state.done if other != name]),
            failed=tuple([other for other in state.failed if other != name and other not in node.downstream]),
            rounds=tuple(rounds.items()),
        )

    # ---- working steps --------------------------------------------------------------------------------------------

    def work(self, node: Node) -> None:
        """Run a step: filter, policies, then the provider action or the event that the step emits."""
        order = self.state.order
        if node.filter is not None and not node.filter.evaluate(order).passed:
            return
        results: list[PolicyResult] = []
        failures: list[str] = []
        changes: list[tuple[str, str]] = []
        for policy in node.policies:
            verdict = policy.evaluate(order)
            order = verdict.order
            results.append(verdict.result)
            changes.extend([(change.field, change.rule) for change in verdict.changes])
            if not verdict.passed:
                failures.append(verdict.detail)
        if failures:
            self.fail(node, "policy", "; ".join(failures), tuple(results))
        elif node.action is not None:
            self.request(node, order, changes)
        else:
            self.succeed(node, order, tuple(results), changes)

    def succeed(
        self, node: Node, order: Order, results: Results = (), changes: Sequence[tuple[str, str]] = (), note: str = ""
    ) -> None:
        """Finish the step. Its event, if it emits one, is applied and offered.

        A provider's answer that comes when its event is no longer expected, or when the goods are further than it says,
        is noted. Raises RecordError("no-transition") for policies that are run again too late.
        """
        name = node.emits
        self.finish(node.name)
        late = node.action is not None and (not expects(order, name) or would_go_back(self.state, name))
        if not name or late:
            self.note(EventName.PROVIDER_RESULT, step=node.name, note=note)
            return
        after = move_order(order, name)
        if self.state.fulfillment_orders:
            after = move_some_lines(after, name, {line.line_id for line in order.lines if line.warehouse})
        build = event_bodies.EMITTED.get(name)
        event_id = self.emit(name, build(after, results)) if build else ""
        self.trace(event_id, changes)
        self.apply(name, after, step=node.name, event_id=event_id, note=note)
        self.offer(name)

    def fail(self, node: Node, code: str, detail: str, results: Results = ()) -> None:
        """Take the failure edge. Where the order can be neither held nor rejected any more, the failure is noted."""
        state = self.state
        self.state = replace(state, failed=(*[name for name in state.failed if name != node.name], node.name))
        name = next((event for event in _STOPS.get(node.otherwise, ()) if expects(state.order, event)), "")
        note = f"{code}: {detail}"
        if not name:
            self.apply(ACTION_FAILED, state.order, step=node.name, note=note)
            return
        after = move_order(state.order, name)
        event_id = self.emit(name, event_bodies.order_stopped(after, node.name, code, detail, results))
        self.apply(name, after, step=node.name, event_id=event_id, note=note)
        self.offer(name)

    def request(self, node: Node, order: Order, changes: Sequence[tuple[str, str]] = ()) -> None:
        """Ask the provider. What goes through dual-write must pass the sync gate, and is then ready to sync."""
        spec = node.action
        assert spec is not None, "only steps with an action ask"
        if spec.event == BILLING:
            order, set_now = place_lines(order, self.state.fulfillment_orders)
            changes = (*changes, *((path, spec.action) for path in set_now))
        if spec.through == DUAL_WRITE:
            lacking = missing(select_sourced_lines(replace(self.state, order=order)))
            if lacking:
                self.fail(node, "gate", f"the order cannot be sent: {', '.join(lacking)} missing")
                return
            if not order.ready_to_sync:
                order, changes = replace(order, ready_to_sync=True), (*changes, ("ready_to_sync", ""))
        turn = dict(self.state.rounds).get(node.name, 0)
        effect_id = derive(f"{order.order_id}/{node.name}", turn)
        effect = Effect(
            effect_id=effect_id,
            step=node.name,
            provider=spec.provider,
            action=spec.action,
            attempt=1,
            requested_at=self.cause.at,
        )
        self.state = replace(self.state, order=order, effects=(*self.state.effects, effect))
        if spec.through == KAFKA:
            due = Timer(derive(effect_id, ANSWER), self.cause.at + node.within_ms, ANSWER, effect_id)
            self.state = replace(self.state, timers=(*self.state.timers, due))
        self.trace(self.ask(effect, spec), changes)

    def ask(self, effect: Effect, spec: ActionSpec) -> str:
        """Write the request for `effect`, whose attempt is the one in its body."""
        self.requested_sync = self.requested_sync or spec.through == DUAL_WRITE
        pool = self.flow.pool_of(self.state.order)
        return self.emit(spec.event, event_bodies.build_request(spec.event, self.state, effect, spec.through, pool))

    # ---- the end ----------------------------------------------------------------------------------------------------

    def final_state(self) -> OrderState:
        """Return the state to keep: an order that is final waits for nothing, and is settled when no answer is open.

        An answer that did not come in time is not open any more.
        """
        state = self.state
        if not is_final(state.order):
            return state
        timers = tuple([timer for timer in state.timers if timer.purpose != TimerPurpose.WAIT])
        effects = tuple([effect for effect in state.effects if effect.step not in state.failed])
        settled = 0 if timers or effects else state.settled_at or self.cause.at
        return replace(state, timers=timers, effects=effects, settled_at=settled)

    def needs_sync(self) -> bool:
        """Return whether F+O must hear of it: an action asks for it, or a mapped field of a ready order changed."""
        after = self.state.order
        return self.requested_sync or (after.ready_to_sync and mapped_fields_differ(self.synced_order, after))
