"""Running quantiles: exact ones, over the last measurements that are not too old."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import ceil
from typing import NamedTuple


class Quantiles(NamedTuple):
    """The median and the 95th percentile (nearest rank) of ``of`` measurements."""

    p50: float
    p95: float
    of: int


class Recent:
    """The last ``size`` measurements of the last ``memory_s`` seconds.

    What is older is forgotten, so that what was slow an hour ago is not judged by it now.
    """

    def __init__(self, size: int = 128, memory_s: float = 900.0) -> None:
        self._size = size
        self._memory_s = memory_s
        self._in_time: deque[tuple[float, float]] = deque()
        self._in_order: list[float] = []

    def __len__(self) -> int:
        return len(self._in_order)

    def add(self, at: float, value: float) -> None:
        """Record ``value``, measured at ``at`` (seconds on the caller's clock)."""
        self._in_time.append((at, value))
        insort(self._in_order, value)
        if len(self._in_time) > self._size:
            self._drop()

    def forget(self, now: float) -> bool:
        """Drop what is too old at ``now``; True if anything went."""
        before = len(self._in_time)
        while self._in_time and self._in_time[0][0] <= now - self._memory_s:
            self._drop()
        return len(self._in_time) < before

    def quantile(self, share: float) -> float:
        """The value that ``share`` (0 to 1) of the measurements do not exceed (nearest rank).

        Raises:
            IndexError: there are none.
        """
        return self._in_order[max(0, ceil(share * len(self._in_order)) - 1)]

    def quantiles(self) -> Quantiles | None:
        count = len(self._in_order)
        if not count:
            return None
        return Quantiles(self._in_order[(count - 1) // 2], self._in_order[-(-95 * count // 100) - 1], count)

    def _drop(self) -> None:
        _, value = self._in_time.popleft()
        del self._in_order[bisect_left(self._in_order, value)]
