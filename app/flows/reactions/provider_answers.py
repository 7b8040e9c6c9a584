"""Provider answers to requests, and when a request is repeated. Pure: delays are derived from ids, never drawn.

Attempts of one effect share its id, the idempotency key on the provider's wire. An answer to an effect that is no
longer pending is ignored: it was answered before, or the order ended.
"""

from typing import Final

from msgspec.structs import replace

from app.domain.event_names import EventName
from app.domain.evolve import set_reference
from app.domain.order import Effect, Timer, TimerPurpose
from app.domain.outcomes import Outcome
from app.errors import RecordError
from app.events.ids import derive
from app.events.model import ProviderResult
from app.flows.flow_run import Run
from app.flows.installed import EngineLimits

RETRY: Final = TimerPurpose.RETRY
_SHIFT_MAX: Final = 40
_OUTCOMES: Final = frozenset(Outcome)


def apply_provider_result(run: Run, body: ProviderResult) -> str:
    """Apply an answer. Return why it was ignored, or "". Raises RecordError for an unknown outcome or provider."""
    if body.outcome not in _OUTCOMES:
        raise RecordError("invalid", f"outcome {body.outcome!r} is none of {', '.join(sorted(_OUTCOMES))}")
    effect = run.state.effect(body.effect_id)
    if effect is None:
        return f"effect {body.effect_id!r} is not pending"
    if body.provider != effect.provider:
        raise RecordError("invalid", f"{body.provider!r} answers what {effect.provider!r} was asked; check `provider`")
    if body.outcome in {Outcome.OK, Outcome.DECLINED}:
        _settle(run, effect, body)
        return ""
    if body.attempt != effect.attempt or _retry_timer(run, effect) is not None:
        return f"attempt {body.attempt} is not the one that is waited for"
    if effect.attempt >= run.flow.limits.attempts_max:
        _give_up(run, effect, body)
    else:
        _retry_later(run, effect, body)
    return ""


def _settle(run: Run, effect: Effect, body: ProviderResult) -> None:
    close_effect(run, effect)
    node = run.flow.nodes[effect.step]
    if body.outcome == Outcome.DECLINED:
        run.fail(node, body.code, body.detail or f"{effect.provider} declined {effect.action!r}")
        return
    references = set_reference(run.state.references, effect.provider, body.reference)
    run.state = replace(run.state, references=references)
    run.succeed(node, run.state.order, note=f"{effect.provider}: {effect.action} ok {body.reference}".strip())


def _give_up(run: Run, effect: Effect, body: ProviderResult) -> None:
    close_effect(run, effect)
    detail = f"{effect.provider} did not carry out {effect.action!r} in {effect.attempt} attempts"
    run.fail(run.flow.nodes[effect.step], body.code, f"{detail}: {body.detail}" if body.detail else detail)


def _retry_later(run: Run, effect: Effect, body: ProviderResult) -> None:
    timer_id = derive(effect.effect_id, f"{RETRY}/{effect.attempt}")
    wait_ms = delay_ms(run.flow.limits, effect, body.retry_after_ms)
    timer = Timer(timer_id, run.cause.at + wait_ms, RETRY, effect.effect_id)
    run.state = replace(run.state, timers=(*run.state.timers, timer))
    note = f"{body.outcome} {body.code}, attempt {effect.attempt}; again in {wait_ms} ms: {body.detail}"
    run.note(EventName.PROVIDER_RESULT, step=effect.step, note=note)


def close_effect(run: Run, effect: Effect) -> None:
    """Close an effect that is answered for good: nothing is waited for, nor requested again."""
    state = run.state
    run.state = replace(
        state,
        effects=tuple([other for other in state.effects if other.effect_id != effect.effect_id]),
        timers=tuple([timer for timer in state.timers if timer.subject != effect.effect_id]),
    )


def _retry_timer(run: Run, effect: Effect) -> Timer | None:
    own = (timer for timer in run.state.timers if timer.purpose == RETRY and timer.subject == effect.effect_id)
    return next(own, None)


def delay_ms(limits: EngineLimits, effect: Effect, retry_after_ms: int) -> int:
    """Return the wait before the next attempt: it doubles with each attempt, up to a limit.

    Jitter makes it between half and all of that, so that orders that failed together spread out. What the provider asks
    for counts when it is longer, up to a limit of its own.
    """
    full = min(limits.retry_max_ms, limits.retry_initial_ms << min(effect.attempt - 1, _SHIFT_MAX))
    jitter = int(derive(effect.effect_id, f"jitter/{effect.attempt}")[:8], 16)
    own = full - (full // 2) * jitter // 0xFFFFFFFF
    return max(own, min(retry_after_ms, limits.retry_after_max_ms))


def request_again(run: Run, effect: Effect) -> None:
    """Request once more: the next attempt of the same effect. A retry that was to come is not needed any more."""
    next_attempt = replace(effect, attempt=effect.attempt + 1, requested_at=run.cause.at)
    effects = tuple([next_attempt if other.effect_id == effect.effect_id else other for other in run.state.effects])
    timers = tuple([timer for timer in run.state.timers if timer is not _retry_timer(run, effect)])
    run.state = replace(run.state, effects=effects, timers=timers)
    spec = run.flow.nodes[effect.step].action
    assert spec is not None, "an effect belongs to a step with an action"
    run.note(EventName.PROVIDER_ACTION_REPEATED, step=effect.step, note=f"attempt {next_attempt.attempt}")
    run.ask(next_attempt, spec)
