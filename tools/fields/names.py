"""Words in the names of fields, whatever their style: ``FIRST_NAME``, ``firstName`` and ``first-name`` are alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from rapidfuzz import fuzz, process

from tilores_x.tools.fields.paths import Path

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """The words of a name, lower-case, digits apart: ``Days30`` is (days, 30)."""
    return tuple(word.lower() for word in _WORD.findall(name))


@lru_cache(maxsize=4096)
def path_words(path: str) -> tuple[tuple[str, ...], ...]:
    """The words of each name in a path, outermost first."""
    parsed = Path.parse(path)
    return tuple(words(name) for name in parsed.names) if parsed else ()


def nearest(name: str, known: Iterable[str], *, most: int = 4) -> list[str]:
    """The names most like ``name``, best first; whole paths and their last parts count."""
    wanted = " ".join(words(name)) or name.lower()

    def alike(query: str, path: str, **_: object) -> float:
        parts = path_words(path)
        whole = " ".join(word for part in parts for word in part)
        last = " ".join(parts[-1]) if parts else ""
        return max(fuzz.token_sort_ratio(query, whole), fuzz.token_sort_ratio(query, last) - 5)

    found = process.extract(wanted, list(known), scorer=alike, limit=most, score_cutoff=45)
    return [path for path, _, _ in found]
