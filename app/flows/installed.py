"""The setup that flows run in: active providers, their actions, enabled maps, pools, limits. Values only."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from app.domain.event_names import EventName

KAFKA: Final = "kafka"
"""Carried out by a consumer outside, which answers on `provider-result` (docs/providers/kafka.md)."""


class ActionSpec(Struct, frozen=True):
    """One action of a provider. `event` is the request it becomes, `through` who carries it out (http, dual-write,
    kafka), `maps` the dual-write maps that it needs."""

    provider: str
    action: str
    event: str
    through: str
    maps: tuple[str, ...] = ()


class Setup(Struct, frozen=True):
    """`actions` and `events` list active providers alone: one that is not in `events` is not set up (S1). `maps` are
    enabled (S2). `pools` says by company which pool of warehouses ships; every other company's is the main one."""

    actions: Mapping[str, Mapping[str, ActionSpec]]
    events: Mapping[str, frozenset[str]]
    maps: frozenset[str] = frozenset()
    pools: Mapping[str, str] = {}


MAIN_POOL: Final = "main"
OPTIMIZATION: Final = "dom"
"""The provider inside: distributed order management, which the role `source` is."""
OPTIMIZE: Final = ActionSpec(OPTIMIZATION, "Send to fulfillment optimization", EventName.SOURCING_REQUESTED, "sourcing")
INSIDE: Final = Setup(actions={OPTIMIZATION: {OPTIMIZE.action: OPTIMIZE}}, events={OPTIMIZATION: frozenset()})
"""What is always set up, because nobody outside is asked."""


class EngineLimits(Struct, frozen=True):
    """How often and how soon a provider is asked again."""

    attempts_max: int = 12
    retry_initial_ms: int = 500
    retry_max_ms: int = 30_000
    retry_after_max_ms: int = 900_000
    """The longest wait that a provider may ask for (Retry-After)."""
