"""The outcomes of what is asked of others: of a provider, and of the sourcing engine."""

from enum import StrEnum

from app.domain.vocabulary import Term


class Outcome(StrEnum):
    """The outcome of an action of a provider."""

    OK = "ok"
    DECLINED = "declined"
    """The provider refused, or would: repeating the same is useless, and nothing happened."""
    RETRY = "retry"
    """Repeating is safe as it stands: it did not happen, or happening twice is the same as once."""
    UNKNOWN = "unknown"
    """It may have happened: look it up at the provider, by its own key, before anything is repeated."""


class SourcingOutcome(Term):
    """The outcome of sourcing an order."""

    SOURCED = "sourced"
    PARTIAL = "partial"
    NONE = "none"
    RELEASED = "released"
    """Lines that waited for stock got a source later."""
