"""How often streams are read, and how often what came is passed on: the more of them speak at once, the less often.

A provider sends each token in a packet of its own. Reading one costs the event loop about 35 µs, and passing one on
about 150 µs in LangChain and LangGraph. One stream alone is read and passed on as it comes; of many each gets its share
of so many reads and chunks a second, so that a process with hundreds of streams still has time for them. All are read
at the same moments: the event loop turns once for many of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self
from weakref import WeakKeyDictionary

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
        self._beat = _beats.setdefault(self._loop, _Beat())
        self._transport: asyncio.Transport | None = None

    def __enter__(self) -> Self:
        Pace._speaking += 1
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        Pace._speaking -= 1

    @classmethod
    def gap_s(cls) -> float:
        """Seconds between two reads."""
        gap_s = min(LONGEST_GAP_S, cls._speaking / READS_PER_S)
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
        if not self._listening:
            self._listening = True
            content.on_eof(self._end)
        pause_s = self.pause_s
        if self._ended or not pause_s:
            return
        self._waiting = self._loop.create_future()
        timer = self._loop.call_later(pause_s, self._wake)
        if transport is not None and self.gap_s():
            self._transport = transport
            self._beat.join(transport)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._leave()

    def _end(self) -> None:
        self._ended = True
        self._leave()  # at once: the connection's next call may be somebody else's
        self._wake()

    def _leave(self) -> None:
        if self._transport is not None:
            self._beat.leave(self._transport)
            self._transport = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class _Beat:
    """Opens the transports of the streams that pause, all at the same moments, for one read each."""

    def __init__(self) -> None:
        self._transports: set[asyncio.Transport] = set()
        self._timed = False

    def join(self, transport: asyncio.Transport) -> None:
        self._transports.add(transport)
        _shut(transport)
        if not self._timed:
            self._time()

    def leave(self, transport: asyncio.Transport) -> None:
        self._transports.discard(transport)
        _open(transport)

    def _time(self) -> None:
        """Until the next read; where the last stream is alone it stays open."""
        gap_s = Pace.gap_s()
        self._timed = bool(self._transports and gap_s)
        if self._timed:
            asyncio.get_running_loop().call_later(gap_s, self._read)
            return
        for transport in self._transports:
            _open(transport)

    def _read(self) -> None:
        for transport in self._transports:
            _open(transport)
        self._after(TURNS_OF_A_READ)

    def _after(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._after, turns - 1)
            return
        for transport in self._transports:
            _shut(transport)
        self._time()


def _open(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.resume_reading()


def _shut(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.pause_reading()


_beats: WeakKeyDictionary[asyncio.AbstractEventLoop, _Beat] = WeakKeyDictionary()
