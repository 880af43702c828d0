"""How quickly an instance answers: measured, and split into what a request costs and what each lookup in it adds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tilores_x.quantiles import Recent

#: What a lookup adds to a request, as a share of the request, until it is measured.
PRIOR_SHARE = 0.01
#: How much that guess weighs, in squared lookups: as much as one request two lookups longer than the mean.
PRIOR_WEIGHT = 4.0
#: Requests of one size after which the newest weighs as much as all before it did, relative to this number.
MEMORY = 16
#: Seconds after which a measurement counts half.
HALF_LIFE_S = 600.0
#: One answer counts as at most this many times what was expected: a single hiccup says little of the slope.
LARGEST_SURPRISE = 2.0
#: Fewer measurements say nothing of percentiles.
ENOUGH = 20


class Line(NamedTuple):
    """``seconds = base_s + lookups * lookup_s`` for one request."""

    base_s: float
    lookup_s: float

    def seconds(self, lookups: int) -> float:
        return self.base_s + lookups * self.lookup_s


class Observed(NamedTuple):
    """Seconds that requests took (batches reduced to one lookup); ``of`` measurements."""

    p50: float
    p90: float
    p95: float
    p99: float
    of: int


@dataclass(slots=True)
class _Size:
    seconds: float = 0.0
    count: int = 0
    at: float = 0.0


class Pace:
    """The line is a weighted least-squares fit through the mean seconds of each size of request.

    Means are exponentially weighted, sizes weigh by their measurements (at most ``MEMORY``) and their age, and a ridge
    pulls the slope to ``PRIOR_SHARE`` of the mean: with requests of one size alone nothing else is known of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sizes: dict[int, _Size] = {}
        self._recent = Recent(size=512)
        self._lowest = Recent(size=64)
        self._line: Line | None = None
        self.spread = 0.0
        """How much the sizes differ, in weighted squared lookups: below ``PRIOR_WEIGHT`` the slope is a guess."""

    def add(self, lookups: int, seconds: float) -> None:
        """A request for so many lookups was answered after ``seconds``."""
        now = self._clock()
        if (line := self.line) is not None:
            self._recent.add(now, max(0.0, seconds - (lookups - 1) * line.lookup_s))
            self._lowest.add(now, max(0.0, seconds - (lookups - 1) * line.lookup_s))
            seconds = min(seconds, LARGEST_SURPRISE * line.seconds(lookups))
        else:
            self._recent.add(now, seconds)
            self._lowest.add(now, seconds)
        size = self._sizes.setdefault(lookups, _Size())
        size.count = min(MEMORY, size.count + 1)
        size.seconds += (seconds - size.seconds) / size.count
        size.at = now
        self._line = None

    @property
    def line(self) -> Line | None:
        """The fit; None before the first answer."""
        if self._line is None and self._sizes:
            self._line = self._fit()
        return self._line

    def observed(self) -> Observed | None:
        """Percentiles; None before there are enough measurements to speak of any."""
        self._recent.forget(self._clock())
        if len(self._recent) < ENOUGH:
            return None
        at = self._recent.quantile
        return Observed(at(0.5), at(0.9), at(0.95), at(0.99), len(self._recent))

    def unloaded_s(self) -> float | None:
        """About what a lookup takes when nothing queues: the tenth percentile; None before enough are measured."""
        return self._lowest.quantile(0.1) if len(self._lowest) >= ENOUGH else None

    def _fit(self) -> Line:
        now = self._clock()
        weighed = [
            (lookups, size.seconds, size.count * 0.5 ** ((now - size.at) / HALF_LIFE_S))
            for lookups, size in self._sizes.items()
        ]
        total = sum(weight for _, _, weight in weighed)
        if total <= 0:
            weighed, total = [(n, s, 1.0) for n, s, _ in weighed], float(len(weighed))
        mean_n = sum(n * w for n, _, w in weighed) / total
        mean_s = sum(s * w for _, s, w in weighed) / total
        self.spread = sum(w * (n - mean_n) ** 2 for n, _, w in weighed)
        together = sum(w * (n - mean_n) * (s - mean_s) for n, s, w in weighed)
        slope = (together + PRIOR_WEIGHT * PRIOR_SHARE * mean_s) / (self.spread + PRIOR_WEIGHT)
        slope = min(max(slope, 0.0), mean_s / mean_n)
        return Line(mean_s - slope * mean_n, slope)
