"""How much may be fetched in vain: waste is paid for by use, so that when use falls, less is started."""

from __future__ import annotations

from dataclasses import dataclass

MOST_AHEAD = 12
"""Lookups that habits may start for one question."""

MOST_SAVED = 24.0
PER_USED = 0.5
PER_QUESTION = 0.05


@dataclass(slots=True)
class WasteBudget:
    """A wasted lookup costs 1, a used one earns ``PER_USED``, a question ``PER_QUESTION``.

    So in the long run at most a third of what is started ahead is wasted, and one lookup in twenty questions beside;
    ``saved`` is what may be wasted now.
    """

    saved: float = MOST_SAVED / 2

    def most(self) -> int:
        """Lookups that may be started for the next question."""
        return max(0, min(MOST_AHEAD, int(self.saved)))

    def settle(self, *, used: int, wasted: int) -> None:
        """A question is over."""
        self.saved = max(0.0, min(MOST_SAVED, self.saved + PER_QUESTION + PER_USED * used - wasted))
