"""``likeRegex``: whether a regular expression of RE2's syntax matches somewhere in a text.

Matching backtracks where RE2 does not, so the time that it may take is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import Final

import regex

from tilores_x.sandbox.insights.re2 import translate
from tilores_x.sandbox.insights.values import InsightError

LONGEST_S: Final = 2.0
"""Seconds that one filter condition may spend on its regular expression."""


def matcher(pattern: str, longest_s: float = LONGEST_S) -> Callable[[str], bool]:
    """A test that says whether the pattern matches somewhere in a text.

    InsightError if RE2 refuses the pattern, and from the test once all its matching has taken ``longest_s`` seconds.
    """
    compiled = _compile(pattern)
    left_s = longest_s

    def matches(text: str) -> bool:
        nonlocal left_s
        start = perf_counter()
        try:
            return compiled.search(text, timeout=max(left_s, 1e-6)) is not None
        except TimeoutError:
            raise InsightError(f"the regular expression takes longer than {longest_s:g} s: `{pattern}`") from None
        finally:
            left_s -= perf_counter() - start

    return matches


@lru_cache(maxsize=512)
def _compile(pattern: str) -> regex.Pattern[str]:
    try:
        return regex.compile(translate(pattern))
    except (RecursionError, OverflowError):
        raise InsightError(f"error parsing regexp: expression nests too deeply: `{pattern}`") from None
