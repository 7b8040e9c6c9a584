"""The names of commands: to an order, and to a pool of warehouses."""

from app.domain.vocabulary import Term


class OrderCommandName(Term):
    """What an order can be told to do."""

    FIRE_TIMER = "fire timer"
    REPROCESS = "reprocess"
    CHANGE = "change"
    FORGET = "forget"
    """Its personal data is removed, once it has ended."""


class PoolCommandName(Term):
    """What a pool of warehouses can be told to do."""

    CONFIRM = "confirm"
    """Reserved lines have left the warehouse."""
    RELEASE = "release"
    """Reserved lines are not wanted any more."""
    FORGET = "forget"
    """An order's personal data is removed."""
    RUN_BACKORDERS = "run backorders"
    SET_PREFERENCES = "set preferences"
