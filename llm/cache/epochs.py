"""Word of changes: a name stands for something that may change (a tenant's data), its token for the state it is in.

Tokens are part of entries' names, so that what was kept before a change is found no more, wherever it lies. Processes
share them through Redis and look every half second; a change here counts at once here. A token that Redis has lost is
replaced by a new one, never by an old one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.tier import TierDown

EVERY_S = 0.5
"""Between two looks, so long as a pipeline is open; see ``opening.py``."""
MOST = 1_000
KEPT_S = 30 * 24 * 3600


class Token(NamedTuple):
    """``at``: when the change was made; ``seen_at``: when this process knew of it (epoch seconds)."""

    id: str
    at: float
    seen_at: float


class Epochs:
    """``on_change`` is called with the name of what has changed; with "" for everything."""

    def __init__(
        self,
        tier: RedisTier | None,
        on_change: Callable[[str], None] = lambda name: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tier = tier
        self._on_change = on_change
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        self._untold: set[str] = set()
        self._reading: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[None]] = {}
        self._own: set[str] = set()

    async def token(self, name: str) -> Token:
        """The state that ``name`` is in; read from Redis the first time."""
        reading = self._reading.get((asyncio.get_running_loop(), name))
        if reading is not None:
            await asyncio.shield(reading)
        token = self._tokens.get(name)
        if token is not None:
            return token
        if len(self._tokens) >= MOST:
            self._tokens.clear()
            self._on_change("")
        # The first state that is seen is no change: work under way needs no suspicion.
        self._tokens[name] = Token(uuid4().hex, 0.0, 0.0)
        if self._tier is not None:
            await asyncio.shield(self._read(name))
        return self._tokens[name]

    def _read(self, name: str) -> asyncio.Task[None]:
        """All who ask for a name at first wait for the same answer: two tokens would make two of everything."""
        at = (asyncio.get_running_loop(), name)
        task = self._reading[at] = asyncio.create_task(self._sync([name], first=True))
        task.add_done_callback(lambda _: self._reading.pop(at, None))
        return task

    async def changed(self, name: str, *, own: bool = False) -> None:
        """Say that what ``name`` stands for has changed. ``own``: only in this process, which goes its own way."""
        now = self._clock()
        self._tokens[name] = Token(uuid4().hex, now, now)
        self._on_change(name)
        if own:
            self._own.add(name)
        else:
            self._untold.add(name)
            await self._sync([name])

    @property
    def told(self) -> bool:
        """Whether all changes made here have reached Redis."""
        return self._tier is None or not self._untold

    async def sync(self) -> None:
        await self._sync(list(self._tokens))

    async def _sync(self, names: list[str], *, first: bool = False) -> None:
        tier = self._tier
        if tier is None:
            return
        wanted = [name for name in names if name not in self._own]
        with contextlib.suppress(TierDown):
            for name in wanted:
                if name in self._untold:
                    token = self._tokens[name]
                    await tier.guard.run(partial(tier.client.set, name, _wire(token), ex=KEPT_S))
                    self._untold.discard(name)
            found = await asyncio.gather(*(tier.guard.run(partial(tier.client.get, name)) for name in wanted))
            for name, wire in zip(wanted, found, strict=True):
                await self._take(tier, name, wire, first=first)

    async def _take(self, tier: RedisTier, name: str, wire: bytes | None, *, first: bool) -> None:
        mine = self._tokens[name]
        if name in self._untold or name in self._own:
            return
        if wire is None:
            # Lost, or never there. Ours is as new as any, and whoever is first to write it is right.
            if await tier.guard.run(lambda: tier.client.set(name, _wire(mine), ex=KEPT_S, nx=True)):
                return
            wire = await tier.guard.run(lambda: tier.client.get(name))
            if wire is None:
                return
        id_, _, at = wire.decode("utf-8", "replace").partition(":")
        if id_ == mine.id:
            return
        try:
            changed_at = float(at)
        except ValueError:
            changed_at = self._clock()
        self._tokens[name] = Token(id_, changed_at, changed_at if first else self._clock())
        if not first:
            self._on_change(name)

    async def aclose(self) -> None:
        """End what is being read in the running event loop."""
        loop = asyncio.get_running_loop()
        reading = [task for (at, _), task in self._reading.items() if at is loop]
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


def _wire(token: Token) -> bytes:
    return f"{token.id}:{token.at:.3f}".encode()
