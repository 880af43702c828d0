"""Leaves something alone for a while, then lets one call try it: a circuit breaker (M. Nygard, "Release It!", 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tilores_x.llm.limits import LONGEST_WAIT_S

LONGEST_COOLDOWN_S = LONGEST_WAIT_S
PROBE_S = 30.0
"""A trial that is not back after this many seconds no longer keeps others away."""


class Outage(NamedTuple):
    """Until when (epoch seconds) something is left alone, and why."""

    until: float
    why: str


@dataclass(slots=True)
class Breaker:
    """Of one model or one provider. Times are in epoch seconds; all zero means that nothing is the matter."""

    until: float = 0.0
    why: str = ""
    trips: int = 0
    probe_until: float = 0.0

    def trip(self, at: float, seconds: float, why: str, *, asked: bool = False) -> None:
        """Open for ``seconds``, doubled with each trip in a row unless that was the provider's own wish.

        Calls that were under way together fail together: what comes back while it is open is no further trip.
        """
        if at >= self.until:
            doubled = 1.0 if asked else 2.0 ** min(self.trips, 16)
            self.trips += 1
        else:
            doubled = 1.0
        self.until = max(self.until, at + min(seconds * doubled, LONGEST_COOLDOWN_S))
        self.why = why

    def half_open(self, now: float) -> bool:
        return self.trips > 0 and now >= self.until

    def try_one(self, now: float) -> None:
        """One call begins to try whether all is well again: others stay away until it is back."""
        self.probe_until = now + PROBE_S

    def tried(self) -> None:
        self.probe_until = 0.0

    def close(self) -> None:
        self.until = self.probe_until = 0.0
        self.trips, self.why = 0, ""

    def outage(self) -> Outage:
        if self.probe_until > self.until:
            return Outage(self.probe_until, f"{self.why}; one call is trying it")
        return Outage(self.until, self.why)
