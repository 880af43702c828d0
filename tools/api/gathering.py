"""Lookups that are asked for at the same time are put together; one that comes alone is sent at once.

Whoever comes in the same turns of the event loop is taken along, which costs microseconds. Only while others are known
to be on their way (they still ask a cache) is there any waiting, and for ``WINDOW_S`` at the most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tilores_x.tools.api.sharing import Shared

#: Seconds that a lookup waits for others that are on their way.
WINDOW_S = 0.003
#: Turns of the event loop without a newcomer after which nobody else is expected.
QUIET_TURNS = 2


class Gathering:
    """``send`` gets all that came together."""

    def __init__(self, send: Callable[[list[Shared]], None]) -> None:
        self._send = send
        self._came: list[Shared] = []
        self._coming = 0
        self._looks = 0
        self._seen = 0
        self._due_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def coming(self) -> Iterator[Callable[[], None]]:
        """A lookup is on its way until what this yields is called, or to the end."""
        self._coming += 1
        here = False

        def arrived() -> None:
            nonlocal here
            if not here:
                here = True
                self._coming -= 1
                if not self._coming and self._timer is not None:
                    self._stop_timer()
                    asyncio.get_running_loop().call_soon(self._look)

        try:
            yield arrived
        finally:
            arrived()

    def add(self, shared: Shared) -> None:
        self._came.append(shared)
        if len(self._came) == 1:
            loop = asyncio.get_running_loop()
            self._due_at = loop.time() + WINDOW_S
            self._looks, self._seen = 0, 1
            loop.call_soon(self._look)

    def take(self) -> list[Shared]:
        """All that have come and were not sent; nothing is left."""
        self._stop_timer()
        came, self._came = self._came, []
        return came

    def _look(self) -> None:
        if not self._came or self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        if len(self._came) > self._seen:
            self._seen, self._looks = len(self._came), 0
        self._looks += 1
        if loop.time() >= self._due_at:
            self._go()
        elif self._looks < QUIET_TURNS:
            loop.call_soon(self._look)
        elif self._coming:
            self._timer = loop.call_at(self._due_at, self._go)
        else:
            self._go()

    def _go(self) -> None:
        if came := self.take():
            self._send(came)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
