"""The sandbox as a server: an ASGI application with a token endpoint and a GraphQL endpoint.

Status codes and bodies are those of the hosted service, also for what goes wrong. Requests run on the event loop, one
after the other; one whose answer is large runs on a thread, while the others wait for it and the loop goes on.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tilores_x.errors import ConfigError
from tilores_x.sandbox.api.contents import Contents
from tilores_x.sandbox.api.execution import Answer, Mix, Operation, Operations, Rejected, TooLargeHere, execute
from tilores_x.sandbox.api.resolvers import SETTLING, Call, attach
from tilores_x.sandbox.api.schema import Check, record_check
from tilores_x.sandbox.api.tokens import Tokens
from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.instance import Instance, load_instance
from tilores_x.sandbox.prepare import open_engine

LARGEST_BODY: Final = 6 * 2**20
"""Bytes of a request or an answer."""
LONGEST_S: Final = 30.0
"""Seconds that a request may take."""
CHUNK_S: Final = 0.005
"""Seconds that assembly keeps the event loop at a time."""
VALUES_ON_LOOP: Final = 20_000
"""Records times fields in an answer that is put together on the event loop: some milliseconds."""


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(raw, status, headers, "application/json")


@dataclass(slots=True)
class _Gate:
    """Lets one request at a time at the engine. A lock belongs to the event loop that first waits for it."""

    _lock: asyncio.Lock | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def __call__(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._lock is None or self._loop is not loop:
            self._lock, self._loop = asyncio.Lock(), loop
        return self._lock


@dataclass(slots=True)
class _Assembler:
    """Assembles what was submitted, in the background and in small pieces."""

    engine: Engine
    gate: _Gate
    off_loop: bool = False
    _task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        if not self._running() and (self.off_loop or self.engine.waiting):
            self._task = asyncio.get_running_loop().create_task(self._run())

    def _running(self) -> bool:
        task = self._task
        return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()

    async def _run(self) -> None:
        more = True
        while more:
            async with self.gate():
                if self.off_loop:
                    more = await asyncio.to_thread(self.engine.work, CHUNK_S)
                else:
                    more = self.engine.work(CHUNK_S)
            await asyncio.sleep(0)

    async def settled(self) -> None:
        """Wait until nothing submitted is left."""
        self.wake()
        if self._task is not None and self._running():
            await asyncio.wait([self._task])


@dataclass(slots=True)
class Sandbox:
    """The two endpoints over one engine. Latencies in seconds: per request, and per field at the top."""

    engine: Engine
    instance: Instance
    tokens: Tokens
    latency_s: float = 0.0
    alias_latency_s: float = 0.0
    off_loop: bool = False
    operations: Operations = field(init=False)
    check: Check = field(init=False)
    _contents: Contents = field(init=False)
    _gate: _Gate = field(default_factory=_Gate)
    _assembler: _Assembler = field(init=False)
    _large: set[asyncio.Task[Answer]] = field(default_factory=set)

    def __post_init__(self) -> None:
        attach(self.instance.schema)
        self.operations = Operations(self.instance.schema)
        self.check = record_check(self.instance.schema)
        self._contents = Contents(self.engine)
        self._assembler = _Assembler(self.engine, self._gate, self.off_loop)

    async def token(self, request: Request) -> Response:
        """``POST /oauth2/token``: client credentials as HTTP Basic or in the form."""
        status, body = self.tokens.issue(request.headers.get("authorization"), await request.body())
        challenge = {"WWW-Authenticate": "Basic"} if status == 401 else None
        return _json(status, body, {"Cache-Control": "no-store", **(challenge or {})})

    async def graphql(self, request: Request) -> Response:
        """``POST /``: one GraphQL operation."""
        start = time.monotonic()
        scopes = self.tokens.scopes(request.headers.get("authorization"))
        if scopes is None:
            return _json(401, {"message": "Unauthorized"})
        body = await request.body()
        if len(body) > LARGEST_BODY:
            return _json(413, {"message": "Request Too Long"})
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return _json(400, _refusal(f"json request body could not be decoded: {error}"))
        try:
            operation, variables = self._read(asked)
            await self._wait(len(operation.roots))
            answer = await self._answer(operation, variables, scopes)
        except Rejected as rejected:
            answer = rejected.answer
        except ValueError as error:
            return _json(400, _refusal(str(error)))
        finally:
            self._assembler.wake()
        if time.monotonic() - start > LONGEST_S:
            return _json(504, {"message": "Endpoint request timed out"})
        if len(answer.body) > LARGEST_BODY:
            return _json(400, {"message": f"Response body too large: {len(answer.body)} bytes, at most {LARGEST_BODY}"})
        return _json(answer.status, answer.body)

    def _read(self, asked: Any) -> tuple[Operation | Mix, Mapping[str, Any] | None]:
        if not isinstance(asked, dict):
            raise ValueError("the request body must be a JSON object")
        query, variables, name = asked.get("query"), asked.get("variables"), asked.get("operationName")
        if not isinstance(query, str | None) or not isinstance(name, str | None):
            raise ValueError("query and operationName must be texts")
        if not isinstance(variables, dict | None):
            raise ValueError("variables must be an object")
        return self.operations.get(query or "", name or None), variables

    async def _wait(self, roots: int) -> None:
        # Also with no latency to add, the event loop gets a turn: a caller in this process that polls would starve it.
        await asyncio.sleep(min(self.latency_s + self.alias_latency_s * roots, LONGEST_S + 0.001))

    async def _answer(self, operation: Operation | Mix, variables: Any, scopes: frozenset[str]) -> Answer:
        if not SETTLING.isdisjoint(operation.roots):
            await self._assembler.settled()
        if self.off_loop:
            return await self._apart(operation, variables, scopes)
        try:
            async with self._gate():
                return self._execute(operation, variables, scopes, VALUES_ON_LOOP)
        except TooLargeHere:
            return await self._apart(operation, variables, scopes)

    async def _apart(self, operation: Operation | Mix, variables: Any, scopes: frozenset[str]) -> Answer:
        task = asyncio.get_running_loop().create_task(self._on_thread(operation, variables, scopes))
        self._large.add(task)
        task.add_done_callback(self._large.discard)
        return await asyncio.shield(task)  # the thread has the engine until it is done, whoever stops waiting

    async def _on_thread(self, operation: Operation | Mix, variables: Any, scopes: frozenset[str]) -> Answer:
        async with self._gate():
            return await asyncio.to_thread(self._execute, operation, variables, scopes, None)

    def _execute(
        self, operation: Operation | Mix, variables: Any, scopes: frozenset[str], most_values: int | None
    ) -> Answer:
        call = Call(self.engine, self._contents, self.check, scopes, operation.fields, most_values)
        return execute(self.instance.schema, operation, variables, call)

    def app(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/oauth2/token", self.token, methods=["POST"]),
                Route("/", self.graphql, methods=["POST"]),
            ]
        )
        app.state.sandbox = self
        return app

    def close(self) -> None:
        """Let go of the database; a file is left tidy, though it would also do without."""
        self.engine.store.close()


def _refusal(message: str) -> dict[str, Any]:
    return {"errors": [{"message": message}], "data": None}


async def create_app(
    instance: Instance,
    *,
    file: Path | None = None,
    latency_ms: float = 0,
    alias_latency_ms: float = 0,
    client_id: str = "sandbox",
    client_secret: str = "sandbox",  # noqa: S107  no secret: the sandbox holds made-up people
    people: int | None = None,
    token_ttl_s: float = 3600,
    cache_dir: Path | None = None,
    off_loop: bool = False,
) -> Starlette:
    """The sandbox of an instance, its records loaded.

    ``file`` keeps the records in a SQLite file (made and filled if it does not exist); without it they live in memory.
    ``people`` generates that many in place of the instance's own records (shipped instances only). ``latency_ms`` is
    added to every request, ``alias_latency_ms`` for each field at the top of an operation. ``cache_dir`` keeps loaded
    instances for a quick start (tilores-x's own cache folder by default). ``off_loop`` touches the database on threads
    alone, for an event loop that has other guests; the sandbox's own is quicker without.

    Raises:
        InstanceError: the records or the file can't be used.
    """
    engine = await asyncio.to_thread(open_engine, instance, file=file, people=people, cache_dir=cache_dir)
    tokens = Tokens(client_id, client_secret, ttl_s=token_ttl_s)
    sandbox = Sandbox(engine, instance, tokens, latency_ms / 1000, alias_latency_ms / 1000, off_loop)
    sandbox._assembler.wake()
    return sandbox.app()


async def serve(
    instance: Instance | str | Path,
    *,
    port: int = 0,
    ready: Callable[[dict[str, str]], None],
    client_id: str = "sandbox",
    client_secret: str = "sandbox",  # noqa: S107
    **options: Any,
) -> None:
    """Serve an instance (by name or folder) on 127.0.0.1 until the process is told to stop (SIGINT, SIGTERM).

    ``port`` 0 takes a free one. Once requests are accepted, ``ready`` gets api_url, token_url, client_id and
    client_secret. ``options`` are those of `create_app`.

    Raises:
        ConfigError: the port is taken.
        InstanceError: the instance, its records or the file can't be used.
    """
    import uvicorn  # not needed inside a process

    if not isinstance(instance, Instance):
        instance = load_instance(instance)
    # Named as TCP, or asyncio would not turn Nagle's algorithm off: 40 ms a request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(
            f"Port {port} can't be used ({error}). Name another with --port; 0 takes a free one."
        ) from None
    app = await create_app(instance, client_id=client_id, client_secret=client_secret, **options)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    facts = {
        "api_url": f"{address}/",
        "token_url": f"{address}/oauth2/token",
        "client_id": client_id,
        "client_secret": client_secret,
    }

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready(facts)

    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    try:
        await Server(config).serve(sockets=[listener])
    finally:
        app.state.sandbox.close()
