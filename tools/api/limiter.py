"""How many requests an instance gets at once: a limit that follows what it can take.

Additive increase, multiplicative decrease (D.-M. Chiu, R. Jain, "Analysis of the Increase and Decrease Algorithms for
Congestion Avoidance in Computer Networks", 1989), driven by failures and, as in TCP Vegas (L. Brakmo, L. Peterson,
1995) and in Netflix' concurrency-limits, by latency: an instance that queues answers later, long before it fails.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from statistics import median

from tilores_x.deadline import cut_off
from tilores_x.errors import DeadlineExceeded

INITIAL = 20.0
LOWEST = 2.0
HIGHEST = 200.0
#: The limit is multiplied by this after a failure, and by the second where answers come late.
AFTER_FAILURE, AFTER_DELAY = 0.7, 0.9
#: Answers come late when the median of the last ``RECENT`` takes this many times as long as when nothing queues. A
#: median, as a few very late ones among quick ones are no queue.
TOLERANCE = 2.0
RECENT = 16


class Limiter:
    """Slots for requests, handed out in order of asking.

    ``pinned`` keeps the limit where it is. A caller that is cancelled while it waits, or at the very moment at which it
    gets its slot, leaves nothing behind.
    """

    def __init__(self, pinned: int | None = None) -> None:
        self.pinned = pinned is not None
        self.busy = 0
        self._limit = float(pinned) if pinned is not None else INITIAL
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._recent_s: deque[float] = deque(maxlen=RECENT)
        self._epoch = 0

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        return int(self._limit)

    @property
    def free(self) -> int:
        """Slots that nobody has or waits for."""
        return max(0, self.limit - self.busy - len(self._waiting))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """One request's place; the outcome is told to what this yields.

        Raises:
            DeadlineExceeded: the question's time ran out while waiting for it.
        """
        await self._taken()
        slot = Slot(self, self._epoch, self.busy)
        try:
            yield slot
        finally:
            self.busy -= 1
            self._hand_out()

    async def _taken(self) -> None:
        if self.busy < self.limit and not self._waiting:
            self.busy += 1
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with cut_off("other requests to Tilores"):
                await future
        except (asyncio.CancelledError, DeadlineExceeded):
            if future.cancelled() or not future.done():
                with suppress(ValueError):
                    self._waiting.remove(future)
            else:  # the slot came, and nobody is left to use it
                self.busy -= 1
            self._hand_out()
            raise

    def _hand_out(self) -> None:
        while self._waiting and self.busy < self.limit:
            future = self._waiting.popleft()
            if not future.done():
                self.busy += 1
                future.set_result(None)

    def _answered(self, slot: Slot, seconds: float, unloaded_s: float | None) -> None:
        if self.pinned:
            return
        self._recent_s.append(seconds)
        if unloaded_s is not None and median(self._recent_s) > TOLERANCE * unloaded_s:
            self._decrease(slot, AFTER_DELAY)
        elif max(slot.beside, self.busy) * 2 >= self._limit:
            self._limit = min(HIGHEST, self._limit + 1 / self._limit)
            self._hand_out()

    def _decrease(self, slot: Slot, factor: float) -> None:
        """Once per round trip: what was under way at the last decrease says nothing of the new limit."""
        if not self.pinned and slot.epoch == self._epoch:
            self._epoch += 1
            self._limit = max(LOWEST, self._limit * factor)


class Slot:
    """``beside`` is how many requests were under way when this one began, itself included."""

    __slots__ = ("_limiter", "beside", "epoch")

    def __init__(self, limiter: Limiter, epoch: int, beside: int) -> None:
        self._limiter, self.epoch, self.beside = limiter, epoch, beside

    def answered(self, seconds: float, unloaded_s: float | None) -> None:
        """An answer came after ``seconds``; ``unloaded_s`` is what one takes when nothing queues, where known."""
        self._limiter._answered(self, seconds, unloaded_s)

    def failed(self) -> None:
        """The instance was busy, late, or broke the connection."""
        self._limiter._decrease(self, AFTER_FAILURE)
