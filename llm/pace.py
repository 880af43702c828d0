"""How often streams are read, and how often what came is passed on: the more of them speak at once, the less often.

A provider sends each token in a packet of its own. Reading one costs the event loop about 35 µs, and passing one on
about 150 µs in LangChain and LangGraph. One stream alone is read and passed on as it comes; of many each gets its share
of so many reads and chunks a second, so that a process with hundreds of streams still has time for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

READS_PER_S = 2_500
"""Of all streams of the process together: less than a tenth of a core."""

CHUNKS_PER_S = 1_600
"""Likewise: a quarter of a core."""

LONGEST_GAP_S = 0.08
"""Between two reads of one stream. Its end is seen so much later, at the worst."""

LONGEST_PAUSE_S = 0.1
"""Between two chunks of one stream: more would no longer look like writing."""

UNHEARD_PAUSE_S = 1.5
"""Where nobody sees the chunks. Arguments of a tool call that come in pieces would be parsed over and over."""

SHORTEST_S = 0.001
"""Timers are no finer; a shorter wait is none."""

TURNS_OF_A_READ = 2
"""Of the event loop, until what has come in is read: one to notice it, one to read it."""


class Content(Protocol):
    """What holds the bytes that were read: aiohttp's stream."""

    def on_eof(self, callback: Callable[[], None], /) -> None: ...


class Pace:
    """Of one stream, from its first chunk on; ``heard`` says that somebody cares when its chunks come. ::

    with Pace() as pace:
        await pace.pause(response.content, response.connection.transport)
    """

    _speaking = 0

    def __init__(self) -> None:
        self.heard = True
        self._loop = asyncio.get_running_loop()
        self._listening = self._ended = False
        self._waiting: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        Pace._speaking += 1
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        Pace._speaking -= 1

    @property
    def gap_s(self) -> float:
        """Seconds between two reads."""
        gap_s = min(LONGEST_GAP_S, Pace._speaking / READS_PER_S)
        return gap_s if gap_s >= SHORTEST_S else 0.0

    @property
    def pause_s(self) -> float:
        """Seconds between two chunks."""
        pause_s = min(LONGEST_PAUSE_S, Pace._speaking / CHUNKS_PER_S) if self.heard else UNHEARD_PAUSE_S
        return pause_s if pause_s >= SHORTEST_S else 0.0

    async def pause(self, content: Content, transport: asyncio.Transport | None) -> None:
        """Wait before the next chunk; not where the stream has ended.

        From read to read what comes in is left to the system, and wakes nobody; then it gathers in ``content``.
        """
        until = self._loop.time() + self.pause_s
        if not self._listening:
            self._listening = True
            content.on_eof(self._end)
        while not self._ended and (left_s := until - self._loop.time()) > 0:
            gap_s = min(self.gap_s, left_s)
            if gap_s < SHORTEST_S or transport is None or transport.is_closing():
                await self._woken(until)
                return
            transport.pause_reading()
            try:
                await asyncio.sleep(gap_s)
            finally:
                if not transport.is_closing():
                    transport.resume_reading()
            for _ in range(TURNS_OF_A_READ):
                await asyncio.sleep(0)

    async def _woken(self, until: float) -> None:
        self._waiting = self._loop.create_future()
        timer = self._loop.call_at(until, self._wake)
        try:
            await self._waiting
        finally:
            timer.cancel()

    def _end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
