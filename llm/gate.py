"""Keeps a crowd from falling on a stand-in that may be down as well.

When a model fails, all questions under way turn to the next one at once. Until that one has shown that it answers, a
few go first and the others wait for their word: so an outage of all providers costs each of them a few calls, and not
one per question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tilores_x.deadline import Deadline

PIONEERS = 3
PROVEN_S = 60.0


class Gate:
    """The way to one model, for calls that come because another model failed."""

    def __init__(self) -> None:
        self._proven_until = 0.0
        self._trying = 0
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def turn(self, deadline: Deadline) -> AsyncIterator[None]:
        """Wait for a turn, at the longest until ``deadline``, and hold it."""
        while self._trying >= PIONEERS and time.monotonic() >= self._proven_until and deadline.left_s() > 0:
            word = asyncio.get_running_loop().create_future()
            self._waiting.append(word)
            await asyncio.wait([word], timeout=min(deadline.left_s(), PROVEN_S))
        self._trying += 1
        try:
            yield
        finally:
            self._trying -= 1
            self._wake()

    def spoke(self) -> None:
        """The model gave a first token."""
        self._proven_until = time.monotonic() + PROVEN_S
        self._wake()

    def failed(self) -> None:
        self._proven_until = 0.0

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for word in waiting:
            if not word.done():
                word.set_result(None)
