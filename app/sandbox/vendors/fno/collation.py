"""Texts as F+O's database compares them: SQL_Latin1_General_CP1_CI_AS, the collation of its environments.

Case, width and the two kana count for nothing, nor do blanks at the end and characters without weight; accents count.
"""

import unicodedata
from typing import Final

_KANA: Final = {code: code + 0x60 for code in range(0x3041, 0x3097)}


def collated(text: str) -> str:
    """Return the form of a text in which two are equal when they are equal to F+O."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_KANA)
        text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return text.casefold().rstrip(" ")
