"""How often each of some values is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, TypedDict

from tilores_x.sandbox.insights.columns import differing
from tilores_x.sandbox.insights.values import text_of


class FrequencyEntry(TypedDict):
    """A row of a frequency distribution; ``percentage`` is a fraction from 0 to 1."""

    value: Any
    frequency: int
    percentage: float


def most_frequent(
    values: Iterable[Any], case_sensitive: bool | None, top: int | None, direction: str | None
) -> list[FrequencyEntry]:
    """The frequency distribution of these values, as ``RecordInsights.frequency_distribution`` describes it."""
    entries: dict[str, FrequencyEntry] = {}
    values = list(values)
    count = len(values)
    counted: Iterable[tuple[Any, int]] = ((value, 1) for value in values)
    if differing(values) is not None:
        counted = Counter(values).items()
    for value, times in counted:
        text = text_of(value, case_sensitive=bool(case_sensitive)) or ""
        if text in entries:
            entries[text]["frequency"] += times
        else:
            entries[text] = FrequencyEntry(value=value, frequency=times, percentage=0.0)
    for entry in entries.values():
        entry["percentage"] = entry["frequency"] / count
    rows = sorted(entries.values(), key=lambda entry: entry["frequency"], reverse=direction == "DESC")
    return rows if top is None or top < 0 else rows[:top]
