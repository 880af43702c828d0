"""One HTTP/1.1 connection of the scripted provider: reads requests, plays scripts."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from support.wire import Dialect, Encoder, Fault, Script

if TYPE_CHECKING:
    from support.provider import Provider

STALL_S = 60.0
READ_S = 0.05
"""What was written has been read by then: a broken connection would overtake it."""


@dataclass
class Request:
    """What a client sent. ``finished`` is False while the reply goes out, and where the client left before its end."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    finished: bool = False


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, kept alive between requests; pipelined requests are not served."""

    def __init__(self, provider: Provider, connections: set[Connection]) -> None:
        self.provider = provider
        self.task: asyncio.Task[None] | None = None
        self._connections = connections
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        self.provider.counts.connections += 1
        if (connected := transport.get_extra_info("socket")) is not None:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._writable.set()
        if self.task is not None and not self.task.done():
            self.task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, path, _ = lines[0].split(" ", 2)
        self.task = asyncio.ensure_future(self._answer(method, path.partition("?")[0], headers, rest[:length]))

    async def _answer(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        if path.endswith("/chat/completions") and method == "POST":
            try:
                body = json.loads(raw)
            except ValueError:
                self._send(400, {}, _json({"error": {"message": "not JSON", "type": "invalid_request_error"}}))
                return
            request = Request(path, headers, body)
            self.provider.received.append(request)
            self.provider.counts.requests += 1
            await self._complete(request, self.provider.script_for(request))
        elif path.endswith("/models"):
            listed = [{"id": name, "object": "model", "owned_by": "tests"} for name in self.provider.models]
            self._send(200, {}, _json({"object": "list", "data": listed}))
        elif path == "/script" and method == "POST":
            self.provider.default = Script(**json.loads(raw))
            self._send(200, {}, b"{}")
        elif path == "/counts":
            self._send(200, {}, _json(asdict(self.provider.counts) | {"cpu_s": time.process_time()}))
        else:
            self._send(404, {}, _json({"error": {"message": f"no {path} here", "type": "not_found"}}))

    async def _complete(self, request: Request, script: Script) -> None:
        counts = self.provider.counts
        counts.streams += 1
        counts.most_streams = max(counts.most_streams, counts.streams)
        try:
            await self._play(request, script)
        finally:
            counts.streams -= 1
            if not request.finished:
                counts.aborted += 1

    async def _play(self, request: Request, script: Script) -> None:
        dialect = Dialect.GROQ if "/openai/v1/" in request.path else Dialect.OPENAI
        encoder = Encoder(script, request.body, dialect)
        if script.ttft_s:
            await asyncio.sleep(script.ttft_s)
        if script.fault is Fault.STALL and script.after == 0 and not script.headers_first:
            await asyncio.sleep(STALL_S)
        if script.fault is Fault.RESET and script.after == 0 and not script.headers_first:
            self._reset()
            return
        if script.status != 200 or script.body is not None:
            kind = script.content_type or "application/json"
            self._send(script.status, {"content-type": kind, **script.headers}, encoder.error_body())
            request.finished = True
            return
        if not request.body.get("stream"):
            self._send(200, script.headers, _json(encoder.whole()))
            request.finished = True
            return
        await self._stream(request, script, encoder)

    async def _stream(self, request: Request, script: Script, encoder: Encoder) -> None:
        assert self._transport is not None
        write = self._transport.write
        fields = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **script.headers}
        write(b"HTTP/1.1 200 OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()).encode() + b"\r\n")
        write(_chunk(encoder.opening()))
        tokens = encoder.tokens()
        end = len(tokens) if script.fault is None else min(script.after, len(tokens))
        if script.tokens_per_s is None:
            for begin in range(0, end, script.tokens_per_write):
                write(_chunk(b"".join(tokens[begin : min(begin + script.tokens_per_write, end)]), script.cut))
                if not self._writable.is_set():
                    await self._writable.wait()
        else:
            await self._at_pace(tokens[:end], script.tokens_per_s)
        self.provider.counts.tokens += end
        match script.fault:
            case Fault.STALL:
                await asyncio.sleep(STALL_S)
            case Fault.RESET:
                await asyncio.sleep(READ_S)
                self._reset()
                return
            case Fault.CLOSE:
                await asyncio.sleep(READ_S)
                self._transport.close()
                return
            case Fault.TRUNCATE:
                write(b"0\r\n\r\n")
            case Fault.TRUNCATE_DONE:
                write(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            case Fault.ERROR_EVENT:
                write(_chunk(encoder.error_event()) + b"0\r\n\r\n")
            case Fault.BROKEN_JSON:
                write(_chunk(b'data: {"choices": [{"del\n\n'))
                await asyncio.sleep(READ_S)
                write(_chunk(encoder.closing()) + b"0\r\n\r\n")
            case None:
                write(_chunk(encoder.closing(), script.cut) + b"0\r\n\r\n")
        request.finished = True

    async def _at_pace(self, tokens: list[bytes], tokens_per_s: float) -> None:
        """Each token at its time; those that are due together go out in one write, as from a busy provider."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while sent < len(tokens):
            due = min(len(tokens), int((loop.time() - began) * tokens_per_s) + 1)
            if due > sent:
                self._transport.write(_chunk(b"".join(tokens[sent:due])))
                sent = due
                if not self._writable.is_set():
                    await self._writable.wait()
            # Timers are no finer than a millisecond: a shorter sleep would only spin.
            await asyncio.sleep(max(0.001, began + sent / tokens_per_s - loop.time()))

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        assert self._transport is not None
        fields = {"content-type": "application/json", **headers, "content-length": str(len(body))}
        head = f"HTTP/1.1 {status} {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._transport.write(head.encode("latin-1") + b"\r\n" + body)

    def _reset(self) -> None:
        """End with a TCP reset and not in the orderly way."""
        assert self._transport is not None
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._transport.abort()


def _chunk(data: bytes, cut: int | None = None) -> bytes:
    """HTTP chunks out of ``data``: one, or one for every ``cut`` bytes."""
    if not data:
        return b""
    parts = [data] if cut is None else [data[at : at + cut] for at in range(0, len(data), cut)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
