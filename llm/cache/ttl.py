"""How long entries are kept, by use."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilores_x.llm.cache.tier import Kept

RULE = """\
A model's reply is kept for its tier's base time. When an entry is hit with less than half of its time left, it gets
twice the time that it had, but never more than the longest time since it was written. A tier compares its hit ratio
over about the last 200 lookups with that over about the last 2,000: where it has fallen, new entries get the base time
in the same proportion, down to the shortest time. Results of Tilores and whole answers are never kept longer than their
data is held to be true."""

FAST = 1 / 200
SLOW = 1 / 2_000


@dataclass(slots=True)
class Ttl:
    """Of one tier; all times in seconds. Without ``by_use`` every entry gets the base time and keeps it."""

    base_s: float
    shortest_s: float
    longest_s: float
    by_use: bool = True
    _recent: float = field(default=0.0, init=False)
    _usual: float = field(default=0.0, init=False)
    _seen: int = field(default=0, init=False)

    def seen(self, *, hit: bool) -> None:
        """One lookup. The first ones weigh as in a plain mean, so that neither ratio starts out wrong."""
        self._seen += 1
        value = 1.0 if hit else 0.0
        self._recent += (value - self._recent) * max(FAST, 1 / self._seen)
        self._usual += (value - self._usual) * max(SLOW, 1 / self._seen)

    def new_s(self) -> float:
        """The time for a new entry."""
        if not self.by_use or self._usual <= 0 or self._recent >= self._usual:
            return self.base_s
        return max(self.shortest_s, self.base_s * self._recent / self._usual)

    def renewed(self, kept: Kept, now: float) -> Kept | None:
        """The entry with more time, where a hit earns it any."""
        if not self.by_use or kept.expires_at - now >= kept.ttl_s / 2:
            return None
        ttl_s = min(self.longest_s, max(kept.ttl_s, self.base_s) * 2)
        expires_at = min(now + ttl_s, kept.written_at + self.longest_s)
        if expires_at <= kept.expires_at + 1:
            return None
        return kept._replace(expires_at=expires_at, ttl_s=ttl_s)
