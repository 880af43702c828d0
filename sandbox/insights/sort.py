"""The order of records by sort criteria."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tilores_x.sandbox.insights.columns import column_of, each
from tilores_x.sandbox.insights.values import InsightError, number_of, text_of

Criterion = Mapping[str, Any]
"""A ``SortCriteria`` of the API as plain data: ``field`` and ``direction``, ``ASC`` by default or ``DESC``."""

_Key = float | str | None


def in_order(records: Sequence[dict[str, Any]], criteria: Sequence[Criterion]) -> Sequence[dict[str, Any]]:
    """The records ordered by the criteria, the first one counting most; equal ones keep their order.

    A field is compared by number if all its values are numbers, else by lowercased text. Missing values come last, and
    first where the direction is ``DESC``. Where NaN is among the numbers, which no order can place, the outcome follows
    Tilores' own steps for up to 20 records and is some order beyond.
    """
    columns = [(_column(records, criterion["field"]), criterion.get("direction") == "DESC") for criterion in criteria]
    order = list(range(len(records)))
    if any(isinstance(key, float) and math.isnan(key) for column, _ in columns for key in column):
        _insert_one_by_one(order, columns)
    else:
        for column, descending in reversed(columns):
            keys: list[Any] = column
            if None in column:
                keys = [(key is None, "" if key is None else key) for key in column]
            order.sort(key=keys.__getitem__, reverse=descending)
    return [records[index] for index in order]


def _column(records: Sequence[Mapping[str, Any]], path: str) -> list[_Key]:
    values = column_of(records, path)
    try:
        return each(values, lambda value: number_of(value, path))
    except InsightError:
        return each(values, lambda value: text_of(value, case_sensitive=False))


def _insert_one_by_one(order: list[int], columns: Sequence[tuple[list[_Key], bool]]) -> None:
    for end in range(1, len(order)):
        at = end
        while at > 0 and _before(order[at], order[at - 1], columns):
            order[at], order[at - 1] = order[at - 1], order[at]
            at -= 1


def _before(first: int, second: int, columns: Sequence[tuple[list[_Key], bool]]) -> bool:
    for column, descending in columns:
        a, b = column[first], column[second]
        if a == b:
            continue
        if a is None or b is None:
            return descending if a is None else not descending
        return a > b if descending else a < b  # type: ignore[operator]  # a column holds numbers or texts, never both
    return False
