"""Order ids that some system takes for one another."""

LOOK_ALIKES = (
    *("Case-A", "case-a", "CASE-A", "Wild-1", "Wild-*", "Wild-?", "*", "%", "%25", "a..b", "a.b", "a,b"),
    *("o'neil", "o''neil"),
    *("pure-1", "pure-1 ", " pure-1", "pure-1\u200b", "pure\u00ad-1", "pure\uff0d1", "PURE-1", "pure_1", "pure~1"),
    *("stra\u00dfe", "strasse", "caf\u00e9", "cafe\u0301", "cafe", "\uff43afe", "\u304b", "\u30ab", "\uff76"),
    *("500", "0500", "\uff15\uff10\uff10", "5e2", "+500"),
    *("x" * length for length in (20, 21, 35, 36, 43, 44, 60, 61, 127, 128)),
    *("x" * 127 + "y", "X" * 128, "y" + "x" * 127, "\u00e9" * 128, "\U0001f69a" * 128),
)
"""Ids of as many orders. Some system takes two of them for one: it ignores case, width, accents or blanks at the end,
reads a wildcard, or has fields that are shorter."""
