"""What a tier is: a place that keeps entries by key, and forgets them by age and by tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tilores_x.errors import TryAgain


class TierDown(TryAgain):
    """The tier can't be reached, or refuses: nothing can be said about what it holds."""


class Kept(NamedTuple):
    """An entry: serialised, so that no two callers share an object. Times are in epoch seconds.

    ``tags`` are digests of whose data it holds; ``ttl_s`` is what it was last given.
    """

    payload: bytes
    written_at: float
    expires_at: float
    ttl_s: float
    tags: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class Counts:
    """What a tier has seen. ``unverified``: entries that were damaged, foreign, of an old version, or another's."""

    hits: int = 0
    misses: int = 0
    writes: int = 0
    evictions: int = 0
    failures: int = 0
    unverified: int = 0

    @property
    def hit_ratio(self) -> float | None:
        looked_up = self.hits + self.misses
        return self.hits / looked_up if looked_up else None


class Tier(Protocol):
    """``get`` and ``set`` never raise and never wait long: a tier that is down has nothing and takes nothing.

    Keys begin with the prefix of their tenant, see ``keys.py``.
    """

    name: str
    counts: Counts

    async def get(self, key: str) -> Kept | None:
        """The entry, if it is there, whole, and of age."""
        ...

    async def set(self, key: str, kept: Kept) -> None: ...

    async def delete(self, keys: Sequence[str]) -> int:
        """Remove entries; how many there were.

        Raises:
            TierDown: they may still be there.
        """
        ...

    async def delete_tagged(self, prefix: str, tag: bytes | None = None) -> int:
        """Remove what stands under ``prefix`` and carries ``tag`` (without one: all of it); how many there were.

        Raises:
            TierDown: some of it may still be there.
        """
        ...

    async def aclose(self) -> None:
        """Close what was opened in the running event loop."""
        ...
