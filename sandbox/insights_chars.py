"""Classes of characters in regular expressions: those of Perl and POSIX, and Unicode's categories and scripts."""

from __future__ import annotations

import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from functools import cache

Ranges = tuple[tuple[int, int], ...]
"""Code points from and to, both included."""

_DIGIT: Ranges = ((48, 57),)
_SPACE: Ranges = ((9, 10), (12, 13), (32, 32))
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
PERL: dict[str, Ranges] = {"d": _DIGIT, "s": _SPACE, "w": _WORD}
"""What ``\\d``, ``\\s`` and ``\\w`` stand for."""

POSIX: dict[str, Ranges] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
"""The classes of ``[[:alpha:]]`` and its like."""

_SCRIPTS: dict[str, tuple[str, ...]] = {
    "Arabic": ("ARABIC ",),
    "Cyrillic": ("CYRILLIC ", "COMBINING CYRILLIC ", "MODIFIER LETTER CYRILLIC "),
    "Devanagari": ("DEVANAGARI ",),
    "Greek": ("GREEK ", "OHM SIGN", "MODIFIER LETTER SMALL GREEK "),
    "Han": ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "CJK RADICAL ", "KANGXI RADICAL "),
    "Hangul": ("HANGUL ", "HALFWIDTH HANGUL "),
    "Hebrew": ("HEBREW ",),
    "Hiragana": ("HIRAGANA ",),
    "Katakana": ("KATAKANA ", "HALFWIDTH KATAKANA LETTER"),
    "Latin": (
        "LATIN ",
        "FULLWIDTH LATIN ",
        "MODIFIER LETTER SMALL ",
        "MODIFIER LETTER CAPITAL ",
        "ROMAN NUMERAL ",
        "FEMININE ORDINAL",
        "MASCULINE ORDINAL",
        "KELVIN SIGN",
        "ANGSTROM SIGN",
        "TURNED SMALL F",
        "TURNED CAPITAL F",
    ),
    "Thai": ("THAI CHARACTER ",),
}


def property_ranges(name: str) -> Ranges | None:
    """The characters of ``L``, ``Lu``, ``Greek`` or ``Any``; None if the name is unknown here."""
    if name == "Any":
        return ((0, sys.maxunicode),)
    if name in _SCRIPTS:
        return _script(name)
    return _categories().get(name)


@cache
def _categories() -> dict[str, Ranges]:
    """Every general category, by its two letters and by the first of them."""
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category != "Cn":
            for name in (category, category[0]):
                _extend(ranges[name], code)
    return {name: tuple(found) for name, found in ranges.items()}


@cache
def _script(name: str) -> Ranges:
    prefixes = _SCRIPTS[name]
    in_script: Callable[[int], bool] = lambda code: unicodedata.name(chr(code), "").startswith(prefixes)  # noqa: E731
    ranges: list[tuple[int, int]] = []
    for code in filter(in_script, range(sys.maxunicode + 1)):
        _extend(ranges, code)
    return tuple(ranges)


def _extend(ranges: list[tuple[int, int]], code: int) -> None:
    if ranges and ranges[-1][1] == code - 1:
        ranges[-1] = (ranges[-1][0], code)
    else:
        ranges.append((code, code))
