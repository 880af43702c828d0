"""A TCP proxy that misbehaves as told: it delays, slices, resets, stalls and cuts what passes through."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Do = Literal["reset", "stall", "cut", "swallow"]


@dataclass(frozen=True)
class Fate:
    """What becomes of one exchange (a request, and the reply to it).

    ``delay_s`` passes before the reply does; ``slice_bytes`` is the most that passes at a time. ``then`` says how it
    ends: ``reset`` breaks both connections in place of a reply, ``swallow`` never passes the request on, ``stall`` goes
    silent and ``cut`` closes after ``after_bytes`` of the reply.
    """

    delay_s: float = 0.0
    slice_bytes: int = 65536
    then: Do | None = None
    after_bytes: int = 0


PASSES = Fate()


@dataclass
class Proxy:
    """``fate`` is asked with the number of the exchange, from 0, and its request's first bytes."""

    port: int
    fate: Callable[[int, bytes], Fate] = lambda number, request: PASSES
    url: str = ""
    exchanges: int = 0
    #: When each connection was closed by the client, on the monotonic clock.
    left: list[float] = field(default_factory=list)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionError:
            writer.transport.abort()
            return
        passing = asyncio.Queue[Fate]()
        down = asyncio.create_task(self._down(upstream_reader, writer, passing))
        try:
            while request := await reader.read(65536):
                if request.startswith(b"POST "):
                    fate = self.fate(self.exchanges, request)
                    self.exchanges += 1
                    if fate.then == "reset":
                        writer.transport.abort()
                        return
                    passing.put_nowait(fate)
                else:
                    fate = PASSES
                if fate.then != "swallow":
                    upstream_writer.write(request)
            self.left.append(time.monotonic())
        except ConnectionError:
            self.left.append(time.monotonic())
        except asyncio.CancelledError:
            pass  # the test has ended
        finally:
            down.cancel()
            for one in (writer, upstream_writer):
                one.close()
            self.open.discard(writer)

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: asyncio.Queue[Fate]
    ) -> None:
        fate, passed = PASSES, 0
        with suppress(ConnectionError, asyncio.CancelledError):
            while content := await reader.read(65536):
                if not passing.empty():
                    fate, passed = passing.get_nowait(), 0
                    await asyncio.sleep(fate.delay_s)
                ends = fate.then in ("stall", "cut")
                if ends:
                    content = content[: max(0, fate.after_bytes - passed)]
                for at in range(0, len(content), fate.slice_bytes):
                    writer.write(content[at : at + fate.slice_bytes])
                    await writer.drain()
                    await asyncio.sleep(0)
                passed += len(content)
                if ends and passed >= fate.after_bytes:
                    if fate.then == "cut":
                        writer.close()
                    return
            writer.close()


@asynccontextmanager
async def proxy(port: int) -> AsyncIterator[Proxy]:
    """A proxy on loopback before the server at ``port``."""
    between = Proxy(port)
    server = await asyncio.start_server(between._serve, "127.0.0.1", 0)
    between.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield between
    finally:
        server.close()
        for writer in list(between.open):
            writer.transport.abort()
        await asyncio.sleep(0)
