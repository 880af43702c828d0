"""How often streams are read, and how often what came is passed on: the more of them speak at once, the less often.

A provider sends each token in a packet of its own. Reading one costs the event loop about 35 µs, and passing one on
about 150 µs in LangChain and LangGraph. One stream alone is read and passed on as it comes; of many each gets its share
of so many reads and chunks a second, so that a process with hundreds of streams still has time for them.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol

READS_PER_S = 5_000
"""Of all streams of the process together: less than a fifth of a core."""

CHUNKS_PER_S = 1_600
"""Likewise: a quarter of a core."""

LONGEST_GAP_S = 0.05
"""Between two reads of one stream. Its end is seen so much later, at the worst."""

LONGEST_PAUSE_S = 0.1
"""Between two chunks of one stream: more would no longer look like writing. Where nobody sees them it is always so."""

SHORTEST_S = 0.001
"""Timers are no finer; a shorter wait is none."""


class Reading(Protocol):
    """What stops and goes on reading from a connection: aiohttp's protocol."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Pace:
    """Of one stream, from its first chunk on; ``heard`` says that somebody sees its chunks as they come. ::

    with Pace(heard=True) as pace:
        await pace.gap(connection)
    """

    _speaking = 0

    def __init__(self, *, heard: bool) -> None:
        self._heard = heard

    def __enter__(self) -> Pace:
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
        pause_s = min(LONGEST_PAUSE_S, Pace._speaking / CHUNKS_PER_S) if self._heard else LONGEST_PAUSE_S
        return pause_s if pause_s >= SHORTEST_S else 0.0

    async def gap(self, connection: Reading) -> None:
        """Leave what comes in to the system for a while: it wakes nobody until it is read."""
        gap_s = self.gap_s
        if not gap_s:
            return
        connection.pause_reading()
        try:
            await asyncio.sleep(gap_s)
        finally:
            connection.resume_reading()
