"""How long a call takes, and how many are made in a second."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

Call = Callable[[], Awaitable[object]]


async def micros(call: Call, times: int = 1500, before: Callable[[], object] = lambda: None) -> float:
    """The median, in microseconds."""
    took = []
    for _ in range(times):
        before()
        began = time.perf_counter()
        await call()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


async def per_second(call: Call, rounds: int = 20) -> float:
    """Calls a second, 100 at a time."""
    await asyncio.gather(*(call() for _ in range(100)))
    began = time.perf_counter()
    for _ in range(rounds):
        await asyncio.gather(*(call() for _ in range(100)))
    return rounds * 100 / (time.perf_counter() - began)
