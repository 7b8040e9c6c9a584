"""Keys for other systems' fields, derived from our ids where these do not fit or could be taken for another. Pure.

A key is a mark and a digest in lower-case letters and digits: nothing that any system ignores, folds or reads as a
pattern. 80 bits of digest are enough among the orders and lines of one system; whoever finds something by a key still
compares the id itself where it has it.
"""

import re
from base64 import b32encode
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from app.domain.order import Line

MARK: Final = "~"
"""Stands before the digest."""
_DIGEST_BYTES: Final = 10
_KEY: Final = re.compile(MARK + "[a-z2-7]{16}")


def key_of(text: str) -> str:
    """Return the key that stands for a text: 17 characters."""
    return MARK + b32encode(blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()).decode().lower()


def is_key(text: str) -> bool:
    """Return whether a text has the form of a key."""
    return _KEY.fullmatch(text) is not None


def units(text: str) -> int:
    """Return the length of a text as most vendors count it: in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def line_key(line_id: str, units_max: int) -> str:
    """Return what stands for a line in a field of so many characters (at least 17): its id where that fits, else its
    key.

    Blanks at either end and characters that do not print get lost on the way, so that such an id does not fit either.
    """
    fits = units(line_id) <= units_max and line_id.isprintable() and line_id.strip() == line_id
    return line_id if fits and not line_id.startswith(MARK) else key_of(line_id)


def line_ids(lines: Iterable[Line], names: Iterable[str]) -> dict[str, str]:
    """Return the line id of each of `names` that is the key of a line."""
    keys = {name for name in names if is_key(name)}
    if not keys:
        return {}
    ids = [line.line_id for line in lines]
    return {key: line_id for line_id in ids if (key := key_of(line_id)) in keys and key not in ids}
