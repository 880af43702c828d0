"""Columns: the values of one field over many records, each different text worked on once.

Statuses, dates and amounts repeat; reading one as a number or holding it against a pattern costs far more than looking
up what came of it the last time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tilores_x.sandbox.insights.values import extract

T = TypeVar("T")


def column_of(records: Sequence[Mapping[str, Any]], path: str) -> list[Any]:
    """The value at a dotted path of each record, None where there is none. ``*`` finds nothing."""
    if "." not in path:
        return [record.get(path) for record in records]
    parts = path.split(".")
    return [extract(record, parts) for record in records]


def each(column: Sequence[Any], function: Callable[[Any], T]) -> list[T]:
    """``function`` of each value in order; it must be pure. The first value in order that it raises for is raised."""
    different = differing(column)
    if different is None:
        return [function(value) for value in column]
    known = {value: function(value) for value in different}
    return [known[value] for value in column]


def differing(column: Sequence[Any]) -> Sequence[str | None] | None:
    """The different values in order, where all are texts or None; else None: 1, 1.0 and true are one key of a dict."""
    try:
        different = dict.fromkeys(column)
    except TypeError:
        return None
    return list(different) if all(value is None or type(value) is str for value in different) else None
