"""Classes of characters that regular expressions name, each as it is written between brackets."""

from __future__ import annotations

from functools import cache
from typing import Final

import regex

_WORD: Final = "0-9A-Za-z_"
PERL: Final = {"d": "0-9", "s": r"\t\n\f\r ", "w": _WORD}
r"""What ``\d``, ``\s`` and ``\w`` stand for: ASCII alone."""

POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "word": _WORD,
    "xdigit": "0-9A-Fa-f",
}
"""The classes of ``[[:alpha:]]`` and its like."""

_CATEGORIES: Final = {
    "C": "cfos",
    "L": "lmotu",
    "M": "cen",
    "N": "dlo",
    "P": "cdefios",
    "S": "ckmo",
    "Z": "lps",
}


@cache
def unicode_class(name: str) -> str | None:
    r"""What ``\p{name}`` stands for: a general category, a script, or ``Any``; None where Go knows no such name."""
    if name == "Any":
        return r"\U00000000-\U0010ffff"
    if name in _CATEGORIES:
        return "".join(rf"\p{{gc={name}{kind}}}" for kind in _CATEGORIES[name])
    if name[1:] and name[1:] in _CATEGORIES.get(name[0], ""):
        return rf"\p{{gc={name}}}"
    if not name[:1].isupper() or not name.isascii() or not name.replace("_", "").isalpha():
        return None
    script = rf"\p{{Script={name}}}"
    try:
        regex.compile(script)
    except regex.error:
        return None
    return script
