"""A target: one decoder behind a function of bytes, and inputs that it takes."""

from collections.abc import Callable
from typing import NamedTuple


class Target(NamedTuple):
    """`run` raises what is a finding, never what the decoder may raise on purpose. `seeds` makes good inputs."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], tuple[bytes, ...]]


def parts_of(data: bytes) -> tuple[int, bytes]:
    """Return a choice and the rest: the first byte is spent on what a decoder is asked."""
    return (data[0], data[1:]) if data else (0, b"")


def chosen(choice: int, rest: bytes) -> bytes:
    """Return the input that makes this choice."""
    return bytes([choice]) + rest


def check_sentence(sentence: str) -> None:
    """Raise AssertionError for words of a refusal that could not be written down, or are as long as the input."""
    sentence.encode()
    assert len(sentence) < SENTENCE_CHARS_MAX, f"a refusal of {len(sentence)} characters"


SENTENCE_CHARS_MAX = 10_000
