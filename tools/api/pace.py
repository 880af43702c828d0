"""How quickly an instance answers: measured, and split into what a request costs and what each lookup in it adds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tilores_x.quantiles import Recent

#: What a lookup adds to a request, as a share of the request, until it is measured.
PRIOR_SHARE = 0.01
#: How much that guess weighs, in squared lookups: as much as two requests that differ by three.
PRIOR_WEIGHT = 4.0
#: What was compared before counts so much less with each comparison: half after 17.
FORGETTING = 0.96
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


class Pace:
    """What a lookup adds is learned from requests of different sizes that were sent at the same moment.

    They meet the same load, so that their difference is one of size: a regression over all requests would take a busy
    minute with large ones for a slope. Within each such group the deviations from the group's mean are summed, older
    ones forgotten exponentially; a ridge pulls the slope to ``PRIOR_SHARE`` of a request. What a request costs is the
    median of the latest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent = Recent(size=512)
        self._latest = Recent(size=64)
        self._together = 0.0
        self.spread = 0.0
        """What the slope rests on, in squared lookups: below ``PRIOR_WEIGHT`` it is a guess."""

    def add(self, lookups: int, seconds: float) -> None:
        """A request for so many lookups was answered after ``seconds``."""
        now = self._clock()
        alone_s = max(0.0, seconds - (lookups - 1) * self._slope())
        self._recent.add(now, alone_s)
        self._latest.add(now, alone_s)

    def compare(self, group: Sequence[tuple[int, float]]) -> None:
        """Requests that were sent at the same moment: the lookups in each, and the seconds that it took."""
        line = self.line
        if line is None or len({lookups for lookups, _ in group}) < 2:
            return
        clipped = [(n, min(seconds, LARGEST_SURPRISE * line.seconds(n))) for n, seconds in group]
        mean_n = sum(n for n, _ in clipped) / len(clipped)
        mean_s = sum(seconds for _, seconds in clipped) / len(clipped)
        self.spread = FORGETTING * self.spread + sum((n - mean_n) ** 2 for n, _ in clipped)
        self._together = FORGETTING * self._together + sum((n - mean_n) * (s - mean_s) for n, s in clipped)

    def rested(self) -> None:
        """Lookups were sent with nothing to compare: what is known of the slope ages all the same."""
        self.spread *= FORGETTING
        self._together *= FORGETTING

    @property
    def line(self) -> Line | None:
        """What is expected of the next request; None before the first answer."""
        if not len(self._latest):
            return None
        slope = self._slope()
        return Line(max(0.0, self._latest.quantile(0.5) - slope), slope)

    def observed(self) -> Observed | None:
        """Percentiles; None before there are enough measurements to speak of any."""
        self._recent.forget(self._clock())
        if len(self._recent) < ENOUGH:
            return None
        at = self._recent.quantile
        return Observed(at(0.5), at(0.9), at(0.95), at(0.99), len(self._recent))

    def unloaded_s(self) -> float | None:
        """About what a lookup takes when nothing queues: the tenth percentile; None before enough are measured."""
        return self._recent.quantile(0.1) if len(self._recent) >= ENOUGH else None

    def _slope(self) -> float:
        alone_s = self._latest.quantile(0.5) if len(self._latest) else 0.0
        slope = (self._together + PRIOR_WEIGHT * PRIOR_SHARE * alone_s) / (self.spread + PRIOR_WEIGHT)
        return min(max(slope, 0.0), alone_s)
