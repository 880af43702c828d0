"""Figures of the cache: of this process, and summed up over all of them in Redis."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

from tilores_x.llm.cache.keys import PREFIX
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.store import Store
from tilores_x.llm.cache.tier import TierDown

SUMS = f"{PREFIX}:sums"


class Stats:
    """Counts by name, e.g. ``L1 hits``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: dict[str, int] = {}

    def now(self) -> dict[str, int]:
        """Of this process, since it started."""
        store = self._store
        found = {f"L1 {name}": count for name, count in asdict(store.memory.counts).items()}
        if store.shared is not None:
            found |= {f"L2 {name}": count for name, count in asdict(store.shared.counts).items()}
        found["coalesced"] = store.flights.coalesced
        if isinstance(store.shared, RedisTier):
            found["breaker trips"] = store.shared.guard.trips
        return found

    async def tell(self) -> None:
        """Add what is new to the sums in Redis; what can't be told now is told later."""
        tier = self._store.shared
        if not isinstance(tier, RedisTier) or tier.guard.open:
            return
        now = self.now()
        new = {name: count - self._told.get(name, 0) for name, count in now.items()}
        new = {name: count for name, count in new.items() if count}
        if not new:
            return

        async def add() -> None:
            async with tier.client.pipeline(transaction=False) as pipeline:
                for name, count in new.items():
                    pipeline.hincrby(SUMS, name, count)
                await pipeline.execute()

        with contextlib.suppress(TierDown):
            await tier.guard.run(add)
            self._told = now

    async def sums(self) -> dict[str, int] | None:
        """Of all processes that share the Redis, or None where it can't be asked."""
        tier = self._store.shared
        if not isinstance(tier, RedisTier):
            return None
        try:
            found: dict[bytes, bytes] = await tier.guard.run(lambda: tier.client.hgetall(SUMS))
            return {name.decode(): int(count) for name, count in found.items()}
        except (TierDown, ValueError):
            return None

    async def server(self) -> dict[str, Any]:
        """What Redis says of itself: bytes in use and at most, entries evicted, keys; empty where it does not."""
        tier = self._store.shared
        if not isinstance(tier, RedisTier):
            return {}
        try:
            info = await tier.guard.run(lambda: tier.client.info())
            return {name: info.get(name) for name in ("used_memory", "maxmemory", "evicted_keys", "redis_version")}
        except Exception:  # a server may deny INFO
            return {}
