"""Keeps a tier that is down from costing anything: one short timeout, then it is left alone until it answers again.

A circuit breaker (M. Nygard, "Release It!", 2007) whose trial calls are made in the background: no question ever pays
for finding out whether the tier is back. A call that takes too long while others are answered finds a busy machine and
no outage: only silence opens the breaker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tilores_x.llm.cache.tier import TierDown

T = TypeVar("T")

TIMEOUT_S = 0.1
FIRST_PROBE_S = 0.1
LONGEST_PROBE_S = 2.0

_log = logging.getLogger(__name__)


class Guard:
    """``probe`` asks the tier for a sign of life, and raises where there is none."""

    def __init__(self, name: str, probe: Callable[[], Awaitable[object]], timeout_s: float = TIMEOUT_S) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self.open = False
        self.trips = 0
        self._probe = probe
        self._heard_at = 0.0
        self._probing: asyncio.Task[None] | None = None

    async def run(self, call: Callable[[], Awaitable[T]], timeout_s: float | None = None) -> T:
        """Await ``call()`` within the timeout.

        Raises:
            TierDown: it failed, took too long, or was not tried at all.
        """
        if self.open:
            self._probe_on()
            raise TierDown(f"{self.name} is down.")
        try:
            async with asyncio.timeout(timeout_s or self.timeout_s):
                result = await call()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if not _unreachable(error):
                self._heard_at = time.monotonic()
            elif not _late(error) or time.monotonic() - self._heard_at > self.timeout_s / 2:
                self._trip(error)
            raise TierDown(f"{self.name}: {type(error).__name__}.") from error
        self._heard_at = time.monotonic()
        return result

    def _trip(self, error: Exception) -> None:
        if not self.open:
            self.open = True
            self.trips += 1
            _log.warning("%s is left alone for now: %s.", self.name, type(error).__name__)
        self._probe_on()

    def _probe_on(self) -> None:
        """A loop that ended took its probe along, so any later call may start another."""
        if self._probing is None or self._probing.done() or self._probing.get_loop().is_closed():
            self._probing = asyncio.create_task(self._until_back(), name=f"probing {self.name}")

    async def _until_back(self) -> None:
        wait_s = FIRST_PROBE_S
        while self.open:
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_PROBE_S)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(self.timeout_s):
                    await self._probe()
                self.open = False
                _log.warning("%s is back.", self.name)

    async def aclose(self) -> None:
        probing = self._probing
        if probing is not None and not probing.done() and probing.get_loop() is asyncio.get_running_loop():
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)


def _late(error: Exception) -> bool:
    from redis.exceptions import TimeoutError as RedisTimeoutError

    return isinstance(error, TimeoutError | RedisTimeoutError)


def _unreachable(error: Exception) -> bool:
    """Whether nobody answered; a refusal (read only, out of memory, no permission) is an answer, and a quick one."""
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    return isinstance(error, TimeoutError | OSError | EOFError | RedisConnectionError | RedisTimeoutError)
