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


async def per_second(call: Call, rounds: int = 41) -> float:
    """Calls a second, 100 at a time: the median of the rounds. A mean over so short a time would tell whether Python's
    garbage collector happened to walk through all that a benchmark keeps in memory (a tenth of a second), not what
    the call costs."""
    took = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(100)))
        took.append(time.perf_counter() - began)
    return 100 / statistics.median(took[1:])
