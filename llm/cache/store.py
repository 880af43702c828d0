"""Both tiers as one: look in memory, then in the shared tier; write to both."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence

from tilores_x.llm.cache.epochs import Epochs, Token
from tilores_x.llm.cache.flight import Flights
from tilores_x.llm.cache.keys import PREFIX, Keys
from tilores_x.llm.cache.memory import MemoryTier
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.seal import MOST_TAGS
from tilores_x.llm.cache.tier import Kept, Tier
from tilores_x.llm.cache.ttl import Ttl

ERASED = f"{PREFIX}:erased:"
"""Before the part of a key that names its tenant: the epoch of what was erased of that tenant."""

SWEEPS_APART_S = 1.0
"""Between the two sweeps of an erasure: what another process was about to write is there by then."""

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


class Store:
    """Entries of all kinds. Nothing here raises because of a tier, except an erasure that could not be carried out."""

    def __init__(
        self,
        memory: MemoryTier | None = None,
        shared: Tier | None = None,
        keys: Keys | None = None,
        *,
        memory_ttl: Ttl | None = None,
        shared_ttl: Ttl | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.memory = MemoryTier(clock=clock) if memory is None else memory  # an empty one is false
        self.shared = shared
        self.keys = keys or Keys()
        self.memory_ttl = memory_ttl or Ttl(HOUR_S, 60.0, DAY_S)
        self.shared_ttl = shared_ttl or Ttl(DAY_S, HOUR_S, 7 * DAY_S)
        self.clock = clock
        redis = shared if isinstance(shared, RedisTier) else None
        self.epochs = Epochs(redis, self._changed, clock)
        self.flights = Flights(redis)

    def look(self, key: str) -> Kept | None:
        """What is in memory, without an event loop."""
        kept = self.memory.look(key)
        self.memory_ttl.seen(hit=kept is not None)
        return kept

    async def get(self, key: str, *, by_use: bool = False) -> Kept | None:
        """The entry under ``key``. ``by_use``: the hit may have it kept longer."""
        kept = self.look(key)
        now = self.clock()
        if kept is not None:
            if by_use and (longer := self.memory_ttl.renewed(kept, now)):
                self.memory.put(key, longer)
            return kept
        if self.shared is None:
            return None
        before = await self._erasures(key)
        kept = await self.shared.get(key)
        self.shared_ttl.seen(hit=kept is not None)
        if kept is None or await self._erasures(key) is not before:
            return None
        if by_use and (longer := self.shared_ttl.renewed(kept, now)):
            kept = longer
            await self.shared.set(key, kept)
        self.memory.put(key, self._in_memory(kept, now, by_use=by_use))
        return kept

    async def put(
        self,
        key: str,
        payload: bytes,
        *,
        ttl_s: float | None = None,
        tags: frozenset[bytes] = frozenset(),
        begun_at: float,
    ) -> Kept | None:
        """Keep ``payload`` in both tiers, for ``ttl_s`` seconds or for what each tier gives by use.

        ``begun_at``: when the work on it began. Where the tenant's data has been erased since, it is not kept.
        """
        if len(tags) > MOST_TAGS or (ttl_s is not None and ttl_s <= 0):
            return None
        erased = await self._erasures(key)
        if erased.seen_at >= begun_at:
            return None
        now = self.clock()
        shared_s = self.shared_ttl.new_s() if ttl_s is None else ttl_s
        kept = Kept(payload, now, now + shared_s, shared_s, tags)
        self.memory.put(key, self._in_memory(kept, now, by_use=ttl_s is None))
        if self.shared is not None:
            await self.shared.set(key, kept)
        return kept

    async def drop(self, keys: Sequence[str]) -> None:
        """Remove entries, so far as the shared tier can be reached."""
        self.memory.drop(keys)
        if self.shared is not None:
            with contextlib.suppress(Exception):
                await self.shared.delete(keys)

    async def erase(self, tenant: str, entities: Iterable[str] | None = None) -> dict[str, int]:
        """Remove all entries of ``tenant``, or those that hold data of ``entities``; how many, by tier.

        Other processes empty their memory of the tenant within a second.

        Raises:
            TierDown: the shared tier could not be swept; some entries may still be there.
        """
        prefix = self.keys.tenant_prefix(tenant)
        tags = [None] if entities is None else [self.keys.tag(entity) for entity in entities]
        memory = sum(self.memory.drop_tagged(prefix, tag) for tag in tags)
        removed = {self.memory.name: memory}
        await self._erasures(prefix)
        await self.epochs.changed(_erased(prefix))
        if self.shared is None:
            return removed
        removed[self.shared.name] = 0
        for sweep in range(2):
            if sweep:
                await asyncio.sleep(SWEEPS_APART_S)
            for tag in tags:
                removed[self.shared.name] += await self.shared.delete_tagged(prefix, tag)
        return removed

    async def aclose(self) -> None:
        """Let go of what belongs to the running event loop; nothing may use the store there any more."""
        await self.flights.aclose()
        await self.epochs.aclose()
        if self.shared is not None:
            with contextlib.suppress(Exception):
                await self.shared.aclose()

    def _in_memory(self, kept: Kept, now: float, *, by_use: bool) -> Kept:
        ttl_s = self.memory_ttl.new_s() if by_use else kept.ttl_s
        return kept._replace(expires_at=min(kept.expires_at, now + ttl_s), ttl_s=min(kept.ttl_s, ttl_s))

    async def _erasures(self, key: str) -> Token:
        return await self.epochs.token(_erased(key))

    def _changed(self, name: str) -> None:
        """Another process, or this one, has erased: which entries it was about is not told, so all of them go."""
        if not name:
            self.memory.drop_tagged(PREFIX)
        elif name.startswith(ERASED):
            self.memory.drop_tagged(f"{PREFIX}:{name.removeprefix(ERASED)}:")


def _erased(key: str) -> str:
    return ERASED + key.removeprefix(f"{PREFIX}:").partition(":")[0]
