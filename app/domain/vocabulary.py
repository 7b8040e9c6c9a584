"""The class of every closed vocabulary: names of events, states, outcomes and the like, each a member with its text."""

from enum import StrEnum


class Term(StrEnum):
    """One word of a closed vocabulary. It equals its text, hashes as it and is written as it, wherever text is.

    Its `repr` is its text's too: sentences for people quote names with `!r`, whether these came from a record or not.
    """

    __repr__ = str.__repr__
