"""Hostile variants of good inputs for hypothesis: damaged bytes, and documents with anything in any place."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.records import SPLIT

TOKENS = (
    b"1e999999999",
    b"1e-999999999",
    b"9" * 400,
    b"1." + b"7" * 2000,
    b"[" * 200,
    b'{"a":' * 200,
    b"NaN",
    b"null",
    b"-0",
    b"\xff\xfe",
    b"\0",
    b'"\\ud800"',
    b'"\\u0000"',
    b"\xe2\x80\xae",
    b"&a *a",
    b"!!python/object:os.system",
    b"\n- ",
    b": ",
    b"9999-12-31T23:59:59.999Z",
    b"/Date(999999999999999)/",
    b"Fri, 31 Dec 9999 23:59:59 -2300",
    SPLIT,
)
"""What decoders have stumbled over, ours or others'."""
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(
        [
            "1e999",
            "\ud800",
            "\0",
            "9" * 400,
            "2026-01-31T12:00:00Z",
            "/Date(-1)/",
            "-1",
            "NaN",
            "0001",
            "/Date(999999999999999)/",
            "Fri, 31 Dec 9999 23:59:59 -2300",
        ]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def variants(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return a seed with some damage in one of its parts, or bytes of no kind at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    parts = draw(st.sampled_from(seeds)).split(SPLIT)
    place = draw(st.integers(0, len(parts) - 1))
    for _ in range(draw(st.integers(1, 3))):
        parts[place] = draw(_damaged_document(parts[place])) if draw(st.booleans()) else draw(_damaged(parts[place]))
    return SPLIT.join(parts)


@st.composite
def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 20)))
    inner = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(data[start:end] * 3))
    return data[:start] + inner + data[end:]


@st.composite
def _damaged_document(draw: st.DrawFn, data: bytes) -> bytes:
    """Return JSON with anything in one place of it; other bytes as they are. Bytes of choice may stand before it."""
    head = next((length for length in (0, 1, 2) if data[length : length + 1] in (b"{", b"[")), None)
    try:
        document = json.loads(data[head:]) if head is not None else None
    except ValueError:
        document = None
    if head is None or document is None:
        return data
    place: Any = document
    while isinstance(place, dict | list) and place:
        name = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[name], dict | list) or draw(st.integers(0, 3)) == 0:
            place[name] = draw(ANYTHING)
            break
        place = place[name]
    return data[:head] + json.dumps(document).encode("utf-8", "surrogatepass")
