"""The one retry loop: exponential back-off with full jitter, inside the deadline, under a budget.

Full jitter draws each wait uniformly between zero and the exponential bound (M. Brooker, "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015). The budget keeps retries from multiplying the load of a service that is down.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tilores_x.deadline import Deadline
from tilores_x.errors import TryAgain

T = TypeVar("T")

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 4.0
TRIES = 3


@dataclass(slots=True)
class RetryBudget:
    """Retries as a share of calls: each call earns ``share``, each retry costs 1.

    ``reserve`` is what may be spent before anything is earned, and the most that is kept.
    """

    share: float = 0.2
    reserve: float = 3.0
    calls: int = 0
    retries: int = 0
    _credit: float = field(init=False)

    def __post_init__(self) -> None:
        self._credit = self.reserve

    def earn(self) -> None:
        self.calls += 1
        self._credit = min(self.reserve, self._credit + self.share)

    def spend(self, *, leaving: float = 0.0) -> bool:
        """Take one retry out of the budget; False when there is none left, or fewer than ``leaving`` would be."""
        if self._credit < 1 + leaving:
            return False
        self._credit -= 1
        self.retries += 1
        return True


async def retrying(
    call: Callable[[], Awaitable[T]],
    *,
    again: Callable[[Exception], bool],
    budget: RetryBudget,
    deadline: Deadline,
    tries: int = TRIES,
) -> T:
    """Await ``call()`` up to ``tries`` times, while ``again(error)`` holds, the budget lasts and the deadline is ahead.

    A ``TryAgain`` that names ``retry_after_s`` is waited for; where that reaches past the deadline it is raised
    at once. The last error is raised unchanged.
    """
    budget.earn()
    for attempt in range(1, tries + 1):
        try:
            return await call()
        except Exception as error:
            if attempt >= tries or not again(error):
                raise
            wait_s = _wait_s(error, attempt)
            if wait_s >= deadline.left_s() or not budget.spend():
                raise
        await asyncio.sleep(wait_s)
    raise AssertionError("unreachable: the last try returns or raises")


def _wait_s(error: Exception, attempt: int) -> float:
    """Seconds before the try after number ``attempt``."""
    asked = error.retry_after_s if isinstance(error, TryAgain) else None
    bound = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (attempt - 1))
    return max(asked or 0.0, random.uniform(0, bound))
