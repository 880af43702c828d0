"""Any other LangChain cache as the second tier, e.g. langchain-community's or langchain-redis' RedisCache."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Sequence
from functools import partial

from langchain_core.caches import BaseCache
from langchain_core.outputs import Generation

from tilores_x.llm.cache.guard import TIMEOUT_S, Guard
from tilores_x.llm.cache.seal import Seal, Unverified
from tilores_x.llm.cache.tier import Counts, Kept, TierDown

MODEL = "tilores-x"
"""Stands where LangChain puts the model: all of the name is in the prompt's place."""


class ForeignTier:
    """Keeps entries in ``cache`` as sealed text. LangChain's caches can't look for a tag nor remove one entry: what
    is to be removed is overwritten, and erasing is refused.
    """

    name = "L2 langchain"

    def __init__(
        self,
        cache: BaseCache,
        seal: Seal | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.counts = Counts()
        self.guard = Guard(type(cache).__name__, lambda: cache.alookup("ping", MODEL), timeout_s)
        self._cache = cache
        self._seal = seal or Seal()
        self._clock = clock

    async def get(self, key: str) -> Kept | None:
        try:
            found = await self.guard.run(lambda: self._cache.alookup(key, MODEL))
        except TierDown:
            self.counts.failures += 1
            return None
        if not found or not found[0].text:
            self.counts.misses += 1
            return None
        try:
            kept = self._seal.unpack(key, base64.b64decode(found[0].text, validate=True))
        except (Unverified, binascii.Error, ValueError):
            self.counts.unverified += 1
            self.counts.misses += 1
            return None
        if kept.expires_at <= self._clock():
            self.counts.misses += 1
            return None
        self.counts.hits += 1
        return kept

    async def set(self, key: str, kept: Kept) -> None:
        text = base64.b64encode(self._seal.pack(key, kept)).decode()
        try:
            await self.guard.run(lambda: self._cache.aupdate(key, MODEL, [Generation(text=text)]))
        except TierDown:
            self.counts.failures += 1
            return
        self.counts.writes += 1

    async def delete(self, keys: Sequence[str]) -> int:
        for key in keys:
            await self.guard.run(partial(self._cache.aupdate, key, MODEL, [Generation(text="")]))
        return len(keys)

    async def delete_tagged(self, prefix: str, tag: bytes | None = None) -> int:
        raise TierDown(f"{type(self._cache).__name__} can't look for what to erase: erase it there, or let it expire.")

    async def aclose(self) -> None:
        await self.guard.aclose()
