"""A provider of chat completions on loopback that behaves, and misbehaves, as told: request by request.

It speaks the wire protocol of OpenAI (also DeepSeek's, Fireworks' and that of compatible servers) and of Groq, and is
called over a real socket by real clients. In a test::

    with Provider() as provider:
        provider.then(Script("Hello."), Script(fault=Fault.RESET, after=3))
        provider.base_url("groq")                       # for GROQ_BASE_URL

In a process of its own, with what it does from then on set by options, or by a POST of a script's JSON to ``/script``::

    PYTHONPATH=tests python -m support.provider --tokens-per-s 500 --tokens 400
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from support.connection import Connection, Request
from support.wire import Script

Brain = Callable[[list[dict[str, Any]], list[dict[str, Any]]], Script]
"""Makes the reply out of a request's messages and tools: an agent's loop can be played with it."""


@dataclass
class Counts:
    connections: int = 0
    requests: int = 0
    streams: int = 0
    most_streams: int = 0
    tokens: int = 0
    aborted: int = 0


@dataclass
class Provider:
    """``default`` answers where nothing else was set; ``models`` is what ``/models`` lists."""

    default: Script = field(default_factory=Script)
    brain: Brain | None = None
    models: tuple[str, ...] = ("openai/gpt-oss-120b", "gpt-6-luna")
    port: int = 0
    received: list[Request] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    _next: deque[Script] = field(default_factory=deque)
    _by_model: dict[str, Script] = field(default_factory=dict)
    _by_path: dict[str, Script] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _stop: asyncio.Event | None = None

    def then(self, *scripts: Script) -> None:
        """Answer the next requests so, one each; after them as before."""
        self._next.extend(scripts)

    def always(self, script: Script, *, model: str | None = None, to: str | None = None) -> None:
        """Answer every request so, or every one for ``model``, or every one that came to ``base_url(to)``."""
        if model is not None:
            self._by_model[model] = script
        elif to is not None:
            self._by_path[self._path(to)] = script
        else:
            self.default = script

    def forget(self) -> None:
        """Back to the state after the start."""
        self.default, self.brain = Script(), None
        self._next.clear()
        self._by_model.clear()
        self._by_path.clear()
        self.received.clear()
        self.counts = Counts()

    def base_url(self, dialect: str = "openai") -> str:
        """What to set as ``<DIALECT>_BASE_URL``: the path tells the server which protocol is spoken."""
        return f"http://127.0.0.1:{self.port}{self._path(dialect)}"

    @staticmethod
    def _path(dialect: str) -> str:
        return {"groq": "/groq/openai/v1", "openai": "/v1"}.get(dialect, f"/{dialect}/v1")

    def __enter__(self) -> Provider:
        ready = threading.Event()
        failed: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self._run_until_stopped(ready))
            except BaseException as error:
                failed.append(error)
                ready.set()

        self._thread = threading.Thread(target=run, name="provider", daemon=True)
        self._thread.start()
        ready.wait(10)
        if failed:
            raise failed[0]
        return self

    def __exit__(self, *exc: object) -> None:
        if self._loop is not None and self._stop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    async def _run_until_stopped(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self.serving():
            ready.set()
            await self._stop.wait()

    @contextlib.asynccontextmanager
    async def serving(self) -> Any:
        """Serve in the running loop, on ``port`` or a free one."""
        connections: set[Connection] = set()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self, connections), "127.0.0.1", self.port, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            tasks = [connection.task for connection in connections if connection.task is not None]
            for connection in list(connections):
                connection.close()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._loop = None

    def script_for(self, request: Request) -> Script:
        if self._next:
            return self._next.popleft()
        script = self._by_model.get(str(request.body.get("model")))
        script = script or self._by_path.get(request.path.removesuffix("/chat/completions"))
        if script is not None:
            return script
        if self.brain is not None:
            return self.brain(request.body.get("messages", []), request.body.get("tools", []))
        return self.default


def _run(serving: Coroutine[Any, Any, None]) -> None:
    """On uvloop where there is one: a benchmark's provider must not be the limit."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


async def _serve(port: int, script: Script) -> None:
    async with Provider(default=script, port=port).serving() as provider:
        print(json.dumps({"port": provider.port, "base_url": provider.base_url()}), flush=True)  # noqa: T201
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until standard input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--tokens-per-s", type=float)
    parser.add_argument("--ttft-s", type=float, default=0.0)
    parser.add_argument("--core", type=int, help="run on this core only")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    script = Script("tok " * options.tokens, ttft_s=options.ttft_s, tokens_per_s=options.tokens_per_s)
    with contextlib.suppress(KeyboardInterrupt):
        _run(_serve(options.port, script))


if __name__ == "__main__":
    main()
