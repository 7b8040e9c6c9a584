"""Commands to an order: a timer that fired, a failed step to run again, fields that an operator changes. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from app.domain.command_names import OrderCommandName, PoolCommandName
from app.domain.event_names import EventName
from app.domain.evolve import status_after
from app.domain.fulfillment_orders import waits
from app.domain.order import Effect
from app.domain.order_fields import change_fields
from app.domain.personal_data import redact
from app.errors import RecordError
from app.events.model import OrderCommand
from app.flows.flow_run import ANSWER, CANCELED, Run
from app.flows.loading.flow_compiler import Node
from app.flows.reactions.provider_answers import RETRY, request_again
from app.flows.reactions.sourcing_results import BACKORDER, expire_backorders, send_pool_command

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000


def carry_out_command(run: Run, body: OrderCommand) -> str:
    """Carry out a command. Return why it was ignored, or "". Raises RecordError when it cannot be carried out."""
    try:
        command = _COMMANDS[body.command]
    except KeyError:
        commands = ", ".join(repr(name) for name in _COMMANDS)
        raise RecordError("invalid", f"unknown command {body.command!r}; use one of {commands}") from None
    return command(run, body)


def _fire(run: Run, body: OrderCommand) -> str:
    timer = next((timer for timer in run.state.timers if timer.timer_id == body.subject), None)
    if timer is None:
        return f"timer {body.subject!r} is no longer there"
    run.state = replace(run.state, timers=tuple([other for other in run.state.timers if other is not timer]))
    if timer.purpose in (RETRY, ANSWER):
        effect = run.state.effect(timer.subject)
        assert effect is not None, "the timers of an effect go with it"
        request_again(run, effect) if timer.purpose == RETRY else _stop_unanswered(run, effect)
    elif timer.purpose == BACKORDER:
        return expire_backorders(run)
    else:
        _expire_wait(run, run.flow.nodes[timer.subject])
    return ""


def _stop_unanswered(run: Run, effect: Effect) -> None:
    """Stop the order and keep the effect: an answer that comes late is as good as one in time."""
    node = run.flow.nodes[effect.step]
    detail = f"{effect.provider} did not answer {effect.action!r} within {_duration(node.within_ms)}"
    run.fail(node, "timeout", detail)


def _expire_wait(run: Run, node: Node) -> None:
    """Fail the step that waits. While lines wait for stock the order as a whole cannot go on: the wait begins anew."""
    if any(map(waits, run.state.order.lines)):
        run.note(EventName.WAIT_PROLONGED, step=node.name, note="lines wait for stock")
        run.start_wait(node)
        return
    run.fail(node, "wait-expired", f"no {node.wait!r} from {node.source} within {_duration(node.within_ms)}")


def _duration(milliseconds: int) -> str:
    for unit, size in (("days", DAY_MS), ("hours", HOUR_MS)):
        if milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds // 1000} seconds"


def _reprocess(run: Run, body: OrderCommand) -> str:
    """Run a step again, deliberately: a new round, so its effect gets a new id. Steps after it that had failed may run
    again too."""
    state = run.state
    name = body.subject or (state.failed[-1] if state.failed else "")
    node = run.flow.nodes.get(name)
    if node is None:
        steps = ", ".join(run.flow.nodes)
        problem = f"the flow has no step {name!r}; its steps are {steps}" if name else "no step has failed"
        raise RecordError("unknown-step", problem)
    if state.order.state == CANCELED:
        raise RecordError("read-only", f"the order is {CANCELED} ({state.order.reason}): no step runs any more")
    pending = next((effect for effect in state.effects if effect.step == name), None)
    if pending is not None and name in state.failed:
        run.note(EventName.ORDER_COMMAND, step=name, note=f"reprocess by {body.actor or 'unknown'}")
        request_again(run, pending)
        return ""
    if pending is not None:
        raise RecordError("pending", f"step {name!r} still waits for its provider's answer")
    if name not in state.failed and (node.wait or name not in state.done):
        raise RecordError("not-failed", f"step {name!r} has not failed, so there is nothing to run again")
    run.renew(node)
    run.note(EventName.ORDER_COMMAND, step=name, note=f"reprocess by {body.actor or 'unknown'}")
    if node.wait:
        run.start_wait(node)
    else:
        run.work(node)
    return ""


def _change(run: Run, body: OrderCommand) -> str:
    before = run.state.order
    status_after(before.state, before.reason, EventName.ORDER_CHANGED)
    after, names = change_fields(before, body.values)
    if not names:
        return "no field differs from what is known"
    run.apply(EventName.ORDER_CHANGED, after, note=f"command by {body.actor or 'unknown'}: {', '.join(names)}")
    run.trace("", [(name, "command") for name in names])
    run.offer(EventName.ORDER_CHANGED)
    return ""


def _forget(run: Run, body: OrderCommand) -> str:
    """Remove the order's personal data, here and in the ledger of sourcing. Another time it does so again."""
    state = run.state
    if not state.settled_at:
        raise RecordError(
            "not-ended",
            f"the order is {state.order.state} ({state.order.reason}), and its personal data is needed until it has"
            " ended and every provider has answered",
        )
    run.state = replace(redact(state), forgotten_at=run.cause.at)
    run.synced_order = run.state.order  # no row of it: F+O keeps what its own rules say
    run.note(EventName.ORDER_COMMAND, note=f"forget by {body.actor or 'unknown'}")
    if run.flow.sourcing is not None:
        send_pool_command(run, PoolCommandName.FORGET, ())
    return ""


_COMMANDS: Final[Mapping[str, Callable[[Run, OrderCommand], str]]] = {
    OrderCommandName.FIRE_TIMER: _fire,
    OrderCommandName.REPROCESS: _reprocess,
    OrderCommandName.CHANGE: _change,
    OrderCommandName.FORGET: _forget,
}
