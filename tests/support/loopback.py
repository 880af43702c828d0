"""HTTP on loopback: a scripted server that misbehaves as told, and any ASGI application behind a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Loopback:
    """Answers each request with the next reply of its script; the last one is kept for all that follow."""

    script: list[Reply]
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                self.requests.append(request)
                reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                await reply(writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the test has ended
        finally:
            writer.close()


@asynccontextmanager
async def loopback(*script: Reply) -> AsyncIterator[Loopback]:
    scripted = Loopback(list(script))
    server = await asyncio.start_server(scripted._serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    scripted.url = f"http://{host}:{port}/"
    try:
        yield scripted
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(first.split(" ")[1], headers, body)


def says(
    body: bytes | str | dict[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    after_s: float = 0,
    kind: str = "application/json",
) -> Reply:
    """A whole answer, ``after_s`` seconds late."""
    content = orjson.dumps(body) if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    lines = {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())

    async def reply(writer: asyncio.StreamWriter) -> None:
        if after_s:
            await asyncio.sleep(after_s)
        writer.write(head.encode() + b"\r\n" + content)

    return reply


def sends(raw: bytes, *, then_close: bool = True) -> Reply:
    """These bytes and no more."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        if then_close:
            writer.close()

    return reply


def resets() -> Reply:
    """Breaks the connection without a word."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    return reply


def hangs() -> Reply:
    """Never answers."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    return reply


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The address of an ASGI application behind a socket."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve([listener]))
    try:
        while not server.started:
            assert not running.done()
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        await running
        listener.close()
