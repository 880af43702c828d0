"""What befell the work inside: words such as "cached" or "retried", left by whoever did it, read by whoever asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Mark = Literal["batched", "coalesced", "cached", "retried", "hedged", "speculated"]

_collecting: ContextVar[set[str] | None] = ContextVar("tilores_x_marks", default=None)


def mark(word: Mark) -> None:
    """Tell whoever collects marks around this work; nobody may."""
    if (marks := _collecting.get()) is not None:
        marks.add(word)


@contextmanager
def collect_marks() -> Iterator[set[str]]:
    """The marks left inside, in tasks started there too; at the end those of an outer collector as well."""
    outer = _collecting.get()
    marks: set[str] = set()
    token = _collecting.set(marks)
    try:
        yield marks
    finally:
        _collecting.reset(token)
        if outer is not None:
            outer |= marks
