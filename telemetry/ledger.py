"""What the finished questions of this process took: percentiles by node, tool and model, without any server."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

KEPT = 1_000
"""Measurements kept per name: the newest count."""

QUESTION = "question"
"""The kind and name under which whole questions stand."""


class Percentiles(NamedTuple):
    """Of ``measured`` times, in seconds: the nearest rank, so that each is a time that was really measured."""

    measured: int
    p50_s: float
    p95_s: float
    p99_s: float
    most_s: float


class Ledger:
    """Keeps durations by kind and name; may be written and read from several threads."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._seconds: dict[tuple[str, str], deque[float]] = {}
        self._failures: dict[str, int] = {}
        self._lock = threading.Lock()

    def finished(self, timings: Iterable[Mapping[str, Any]], seconds: float) -> None:
        """One question was answered in ``seconds``; ``timings`` have ``kind``, ``name`` and ``seconds``."""
        with self._lock:
            self._add(QUESTION, QUESTION, seconds)
            for timing in timings:
                self._add(timing["kind"], timing["name"], timing["seconds"])

    def failed(self, error: str) -> None:
        """One question ended in an error of the class ``error``."""
        with self._lock:
            self._failures[error] = self._failures.get(error, 0) + 1

    def percentiles(self) -> dict[tuple[str, str], Percentiles]:
        """By kind and name: the question as a whole first, then in the order in which they first came up."""
        with self._lock:
            measured = {key: sorted(seconds) for key, seconds in self._seconds.items()}
        return {key: _percentiles(seconds) for key, seconds in measured.items()}

    @property
    def failures(self) -> dict[str, int]:
        """How many questions failed, by the class of the error."""
        with self._lock:
            return dict(self._failures)

    def _add(self, kind: str, name: str, seconds: float) -> None:
        self._seconds.setdefault((kind, name), deque(maxlen=self._kept)).append(seconds)


def _percentiles(seconds: Sequence[float]) -> Percentiles:
    p50, p95, p99 = (_rank(seconds, share) for share in (0.5, 0.95, 0.99))
    return Percentiles(len(seconds), p50, p95, p99, seconds[-1])


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
