"""The tier in Redis: plain GET, SET with an expiry, DEL and SCAN; no modules. Several processes share it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

from tilores_x.llm.cache.connect import connect
from tilores_x.llm.cache.guard import TIMEOUT_S, Guard
from tilores_x.llm.cache.seal import LONGEST_HEAD, Seal, Unverified, tags_of
from tilores_x.llm.cache.tier import Counts, Kept, TierDown

SCANNED = 500
"""Keys per SCAN, an upper bound on what an erasure asks for at once."""

ERASE_TIMEOUT_S = 5.0
"""Per step of an erasure, which nobody waits for in a conversation."""


class RedisTier:
    """``url`` may be a function, where it is not known before the server is up. One client per event loop."""

    name = "L2 redis"

    def __init__(
        self,
        url: str | Callable[[], str],
        seal: Seal | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.counts = Counts()
        self.guard = Guard("Redis", self._ping, timeout_s)
        self._url = url
        self._seal = seal or Seal()
        self._clock = clock
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()

    @property
    def client(self) -> Any:
        """The client of the running event loop; its calls are bare, without the guard."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            url = self._url() if callable(self._url) else self._url
            client = self._clients[loop] = connect(url, self.guard.timeout_s)
        return client

    async def connect(self) -> None:
        """Have a connection before the first question wants one: making it takes longer than a lookup may."""
        with contextlib.suppress(TierDown):
            await self.guard.run(self._ping)

    async def _ping(self) -> object:
        return await self.client.ping()

    async def get(self, key: str) -> Kept | None:
        try:
            data = await self.guard.run(lambda: self.client.get(key))
        except TierDown:
            self.counts.failures += 1
            return None
        if data is None:
            self.counts.misses += 1
            return None
        try:
            kept = self._seal.unpack(key, data)
        except Unverified:
            self.counts.unverified += 1
            self.counts.misses += 1
            return None
        if kept.expires_at <= self._clock():
            self.counts.misses += 1
            return None
        self.counts.hits += 1
        return kept

    async def set(self, key: str, kept: Kept) -> None:
        left_ms = int((kept.expires_at - self._clock()) * 1000)
        if left_ms <= 0:
            return
        data = self._seal.pack(key, kept)
        try:
            await self.guard.run(lambda: self.client.set(key, data, px=left_ms))
        except TierDown:
            self.counts.failures += 1
            return
        self.counts.writes += 1

    async def delete(self, keys: Sequence[str]) -> int:
        # One by one: the keys of one DEL must share a slot in a cluster.
        removed = [await self._erasing(partial(self.client.delete, key)) for key in keys]
        return sum(map(int, removed))

    async def delete_tagged(self, prefix: str, tag: bytes | None = None) -> int:
        found = []
        try:
            async for key in self._scanned(prefix):
                if tag is not None:
                    head = await self._erasing(partial(self.client.getrange, key, 0, LONGEST_HEAD - 1))
                    if tag not in tags_of(head):
                        continue
                found.append(key)
        except TierDown:
            raise
        except Exception as error:
            raise TierDown(f"Redis: {type(error).__name__}.") from error
        return await self.delete(found)

    async def _scanned(self, prefix: str) -> AsyncIterator[str]:
        scan = self.client.scan_iter(match=f"{prefix}*", count=SCANNED)
        while True:
            try:
                key = await self._erasing(lambda: anext(scan))
            except StopAsyncIteration:
                return
            yield key.decode() if isinstance(key, bytes) else key

    async def _erasing(self, call: Callable[[], Awaitable[Any]]) -> Any:
        done: list[Any] = []

        async def step() -> None:
            with contextlib.suppress(StopAsyncIteration):  # it can't pass through a coroutine
                done.append(await call())

        await self.guard.run(step, ERASE_TIMEOUT_S)
        if not done:
            raise StopAsyncIteration
        return done[0]

    async def lease(self, key: str, holder: str, seconds: float) -> bool | None:
        """Take the lease ``key`` for a while; False where another holds it, None where Redis can't say."""
        try:
            taken = await self.guard.run(lambda: self.client.set(key, holder, nx=True, px=int(seconds * 1000)))
        except TierDown:
            return None
        return bool(taken)

    async def renew(self, key: str, seconds: float) -> None:
        await self._quietly(lambda: self.client.pexpire(key, int(seconds * 1000)))

    async def leased(self, key: str) -> bool:
        """Whether anyone holds the lease; nobody does where Redis can't say."""
        try:
            return bool(await self.guard.run(lambda: self.client.exists(key)))
        except TierDown:
            return False

    async def release(self, key: str, holder: str) -> None:
        async def mine() -> None:
            if await self.client.get(key) == holder.encode():
                await self.client.delete(key)

        await self._quietly(mine)

    async def _quietly(self, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            await self.guard.run(call)
        except TierDown:
            self.counts.failures += 1

    async def aclose(self) -> None:
        await self.guard.aclose()
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await cast(Any, client).aclose()
            await asyncio.sleep(0)  # a loop that ends at once would leave its connections half closed
