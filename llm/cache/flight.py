"""Equal work at the same time is done once: within this process, and by a short lease in Redis across processes.

The work runs in a task of its own, so that it goes on when the one who began it leaves. When it fails, those who waited
for it try once more together, and then each alone: nobody fails by another's failure.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from tilores_x.deadline import current_deadline
from tilores_x.llm.cache.redis import RedisTier

T = TypeVar("T")

LEASE_S = 3.0
"""How long others wait for a process that died. Who is alive renews its lease."""

TOGETHER = 2
WAIT_SHARE = 0.5
"""The share of the time left that is waited for another process."""

POLL_S = (0.005, 0.05)
"""The first and the longest pause between looks for what another process is working on."""


@dataclass(slots=True, eq=False)
class _Flight:
    task: asyncio.Task[Any]
    waiting: int = 0
    claimed: bool = False


class Flights:
    """``leases``: the Redis that other processes share."""

    def __init__(self, leases: RedisTier | None = None) -> None:
        self.coalesced = 0
        self._leases = leases
        self._flights: dict[tuple[asyncio.AbstractEventLoop, str], _Flight] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._releasing: set[asyncio.Task[None]] = set()

    async def run(
        self, key: str, work: Callable[[], Awaitable[T]], look: Callable[[], Awaitable[T | None]] | None = None
    ) -> tuple[T, bool]:
        """What ``work()`` gives, and whether it is the caller's own: true for exactly one of those who share it.

        ``look()`` finds what another process has made of the same work; without it other processes don't count.

        Raises:
            Exception: what ``work`` raised for this caller.
        """
        at = (asyncio.get_running_loop(), key)
        for _ in range(TOGETHER):
            flight = self._flights.get(at)
            leads = flight is None
            if flight is None:
                flight = self._flights[at] = _Flight(asyncio.create_task(self._led(key, work, look)))
                self._tasks.add(flight.task)
                flight.task.add_done_callback(partial(self._ended, at, flight))
            else:
                self.coalesced += 1
            flight.waiting += 1
            try:
                result: T = await asyncio.shield(flight.task)
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if leads or not flight.task.cancelled() or (current is not None and current.cancelling()):
                    raise
            except Exception:
                if leads:
                    raise
            else:
                own, flight.claimed = not flight.claimed, True
                return result, own
            finally:
                flight.waiting -= 1
                if not flight.waiting and not flight.task.done():
                    self._landed(at, flight)
                    flight.task.cancel()
        return await work(), True

    def _ended(self, at: tuple[asyncio.AbstractEventLoop, str], flight: _Flight, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._landed(at, flight)

    async def aclose(self) -> None:
        """Break off what is under way in the running event loop: it may still hold a lease, and a connection."""
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is loop]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        releasing = [task for task in self._releasing if task.get_loop() is loop]
        await asyncio.gather(*releasing, return_exceptions=True)

    def _landed(self, at: tuple[asyncio.AbstractEventLoop, str], flight: _Flight) -> None:
        if self._flights.get(at) is flight:
            del self._flights[at]
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # told to those who waited; asyncio need not warn of it

    async def _led(
        self, key: str, work: Callable[[], Awaitable[T]], look: Callable[[], Awaitable[T | None]] | None
    ) -> T:
        leases = self._leases
        if leases is None or look is None:
            return await work()
        name, holder = f"{key}:lease", uuid4().hex
        taken = await leases.lease(name, holder, LEASE_S)
        if taken is False:
            found, taken = await self._others(leases, name, holder, look)
            if found is not None:
                return found
        if not taken:
            return await work()
        renewing = asyncio.create_task(_renewed(leases, name))
        try:
            return await work()
        finally:
            renewing.cancel()
            releasing = asyncio.create_task(_released(leases, name, holder, renewing))
            self._releasing.add(releasing)
            releasing.add_done_callback(self._releasing.discard)
            await asyncio.shield(releasing)

    async def _others(
        self, leases: RedisTier, name: str, holder: str, look: Callable[[], Awaitable[T | None]]
    ) -> tuple[T | None, bool]:
        """What another process makes, or the lease, once that one is done or dead; neither where patience ends."""
        self.coalesced += 1
        loop = asyncio.get_running_loop()
        until = loop.time() + min(current_deadline().left_s() * WAIT_SHARE, 60.0)
        pause_s, longest_s = POLL_S
        while loop.time() < until:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, longest_s)
            if (found := await look()) is not None:
                return found, False
            if not await leases.leased(name):
                taken = await leases.lease(name, holder, LEASE_S)
                if taken is None:
                    break
                if taken:
                    return await look(), True
        return None, False


async def _renewed(leases: RedisTier, name: str) -> None:
    while True:
        await asyncio.sleep(LEASE_S / 3)
        await leases.renew(name, LEASE_S)


async def _released(leases: RedisTier, name: str, holder: str, renewing: asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await renewing
    await leases.release(name, holder)
