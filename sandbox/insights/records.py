"""``recordInsights``: filtering, ordering, grouping and aggregates over the records of an entity.

Paths are dotted; in every aggregate ``*`` stands for all elements of a list, in ``filter`` and ``sort`` it
finds nothing. Missing values are left out of aggregates. Text is compared without regard to case unless
``case_sensitive`` is true.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from tilores_x.sandbox.insights.columns import column_of, differing, each
from tilores_x.sandbox.insights.edges import EdgeInsights
from tilores_x.sandbox.insights.filter import Condition, kept
from tilores_x.sandbox.insights.frequency import FrequencyEntry, most_frequent
from tilores_x.sandbox.insights.memory import Memory
from tilores_x.sandbox.insights.sort import Criterion, in_order
from tilores_x.sandbox.insights.times import parse_time
from tilores_x.sandbox.insights.values import InsightError, array_of, go_text, number_of, text_of, visit

__all__ = ["EdgeInsights", "FrequencyEntry", "InsightError", "RecordInsights"]

Record = dict[str, Any]


class RecordInsights:
    """A list of records and the questions that the API answers about it.

    Nothing here changes the records. Methods raise InsightError with the message that the API reports. With a
    ``memory`` what `remembered` is asked for is worked out once; the records must then stay as they are.
    """

    def __init__(self, records: Sequence[Record], memory: Memory | None = None) -> None:
        self.records = records
        self._memory = memory
        self._known: dict[str, Any] = {}

    def remembered(self, attribute: str, given: dict[str, Any]) -> Any:
        """What the method of that name gives for these arguments, or the attribute; nobody may change it."""
        value = getattr(self, attribute)
        if not callable(value):
            return value
        memory = self._memory
        if memory is None:
            return value(**given)
        key = f"{attribute} {given!r}"
        if key in self._known:
            return self._known[key]
        found = value(**given)
        parts = found if isinstance(found, list) else [found]
        weight = 1 + len(parts) + sum(len(part.records) for part in parts if isinstance(part, RecordInsights))
        if weight <= memory.room:
            memory.room -= weight
            for part in parts:
                if isinstance(part, RecordInsights):
                    part._memory = memory
            self._known[key] = found
        return found

    def filter(self, conditions: Sequence[Condition]) -> RecordInsights:
        """The records that meet all conditions."""
        return RecordInsights(kept(self.records, conditions) if conditions else self.records)

    def sort(self, criteria: Sequence[Criterion]) -> RecordInsights:
        """The records in order of the criteria, the first one counting most. Equal ones keep their order."""
        return RecordInsights(in_order(self.records, criteria))

    def group(self, fields: Sequence[str], *, case_sensitive: bool | None = None) -> list[RecordInsights]:
        """Records with equal fields together, groups in order of their first record; no fields give one group of all.

        A wildcard path counts with all its values in a row.
        """
        if not fields:
            return [RecordInsights(self.records)]
        groups: dict[str, list[Record]] = {}
        paths = [field.split(".") for field in fields]
        for record in self.records:
            texts = (_texts(record, path, case_sensitive) for path in paths)
            key = "".join(_key_part(text) for values in texts for text in values)
            groups.setdefault(key, []).append(record)
        return [RecordInsights(group) for group in groups.values()]

    def limit(self, count: int, *, offset: int | None = None) -> RecordInsights:
        """Up to ``count`` records after leaving out ``offset``; none at all if either is out of range."""
        start = offset or 0
        in_range = count > 0 and start >= 0
        return RecordInsights(self.records[start : start + count] if in_range else [])

    def count(self) -> int:
        """How many records there are."""
        return len(self.records)

    def first(self) -> Record | None:
        """The first record, None if there are none."""
        return self.records[0] if self.records else None

    def last(self) -> Record | None:
        """The last record, None if there are none."""
        return self.records[-1] if self.records else None

    def count_distinct(self, fields: Sequence[str], *, case_sensitive: bool | None = None) -> int:
        """How many combinations of the fields' values there are.

        Where a wildcard path gives a record several values, each is combined with each of the other fields'.
        Combinations without any value aren't counted.
        """
        paths = [field.split(".") for field in fields]
        found: set[str] = set()
        for record in self.records:
            keys = {""}
            for path in paths:
                parts = {_key_part(text) for text in _texts(record, path, case_sensitive)}
                if parts:
                    keys = {key + part for key in keys for part in parts}
            found |= keys
        return sum(":s:" in key for key in found)

    def values(self, field: str) -> list[Any]:
        """All values in order of the records."""
        return [value for value in self._visit(field) if value is not None]

    def values_distinct(self, field: str, *, case_sensitive: bool | None = None) -> list[Any]:
        """Each value once, as it stands where it is met first."""
        return _distinct(self.values(field), case_sensitive)

    def frequency_distribution(
        self, field: str, *, case_sensitive: bool | None = None, top: int | None = None, direction: str | None = None
    ) -> list[FrequencyEntry]:
        """How often each value is there, at most ``top`` of them.

        Rarest first unless ``direction`` is ``DESC``, though the API's documentation says otherwise; equally frequent
        ones by where they are met first. A negative ``top`` counts as none given.
        """
        return most_frequent(self.values(field) if top != 0 else (), case_sensitive, top, direction)

    def sum(self, field: str) -> float | None:
        """The sum of all numbers, None if there are none."""
        numbers = self._numbers(field)
        return _total(numbers) if numbers else None

    def average(self, field: str) -> float | None:
        """The arithmetic mean of all numbers, None if there are none."""
        numbers = self._numbers(field)
        return _total(numbers) / len(numbers) if numbers else None

    def max(self, field: str) -> float | None:
        """The greatest number, None if there are none."""
        greatest: float | None = None
        for number in self._numbers(field):
            if greatest is None or number > greatest:
                greatest = number
        return greatest

    def min(self, field: str) -> float | None:
        """The least number, None if there are none."""
        least: float | None = None
        for number in self._numbers(field):
            if least is None or number < least:
                least = number
        return least

    def median(self, field: str) -> float | None:
        """The number in the middle, or the mean of the two there; None if there are none. NaN counts as the least."""
        numbers = sorted(self._numbers(field), key=lambda number: (not math.isnan(number), number))
        if not numbers:
            return None
        middle = len(numbers) // 2
        return numbers[middle] if len(numbers) % 2 else (numbers[middle] + numbers[middle - 1]) / 2

    def standard_deviation(self, field: str) -> float | None:
        """The standard deviation of the numbers as a whole population, None if there are none."""
        numbers = self._numbers(field)
        if not numbers:
            return None
        average = _total(numbers) / len(numbers)
        return math.sqrt(_total((number - average) * (number - average) for number in numbers) / len(numbers))

    def confidence(self, field: str, *, case_sensitive: bool | None = None) -> float | None:
        """The sum of the squared shares of all values: 1 if they agree (a, a, a, b: 0.625). None if there are none."""
        entries = self.frequency_distribution(field, case_sensitive=case_sensitive)
        if not entries:
            return None
        total = sum(entry["frequency"] for entry in entries)
        return _total(entry["percentage"] * entry["frequency"] for entry in entries) / total

    def newest(self, field: str) -> Record | None:
        """The record with the latest point in time, the first such; None if no record has one."""
        return self._extreme(field, 1)

    def oldest(self, field: str) -> Record | None:
        """The record with the earliest point in time, the first such; None if no record has one."""
        return self._extreme(field, -1)

    def flatten(self, field: str) -> list[Any]:
        """The elements of all lists, without nulls."""
        return [element for value in self._visit(field) for element in array_of(value, field) if element is not None]

    def flatten_distinct(self, field: str, *, case_sensitive: bool | None = None) -> list[Any]:
        """Each element of all lists once, as it stands where it is met first."""
        return _distinct(self.flatten(field), case_sensitive)

    def _visit(self, field: str) -> Iterable[Any]:
        path = field.split(".")
        if "*" in path:
            return chain.from_iterable(visit(record, path) for record in self.records)
        return column_of(self.records, field)

    def _numbers(self, field: str) -> list[float]:
        numbers = each(list(self._visit(field)), lambda value: number_of(value, field))
        return [number for number in numbers if number is not None]

    def _extreme(self, field: str, sign: int) -> Record | None:
        best: Record | None = None
        best_time = 0
        path = field.split(".")
        for record in self.records:
            for value in visit(record, path):
                if value is None:
                    continue
                time = sign * parse_time(go_text(value))
                if best is None or time > best_time:
                    best, best_time = record, time
        return best


def _texts(record: Record, path: Sequence[str], case_sensitive: bool | None) -> Iterator[str | None]:
    return (text_of(value, case_sensitive=bool(case_sensitive)) for value in visit(record, path))


def _key_part(text: str | None) -> str:
    # Tilores joins keys like this and so confuses some values that hold ":s:" themselves; we do the same.
    return ":n:" if text is None else f":s:{text}"


def _distinct(values: Iterable[Any], case_sensitive: bool | None) -> list[Any]:
    found: dict[str | None, Any] = {}
    values = list(values)
    for value in differing(values) or values:
        found.setdefault(text_of(value, case_sensitive=bool(case_sensitive)), value)
    return list(found.values())


def _total(numbers: Iterable[float]) -> float:
    # Added one by one from the left: newer Pythons' sum() rounds otherwise.
    total = 0.0
    for number in numbers:
        total += number
    return total
