"""Health shared between workers: what one of them sees of a model, all of them know within a second.

Every end of a call goes into a capped Redis stream, and every worker applies what the others put there, by the same
rules as its own. A worker that starts reads the last quarter of an hour. Redis may fail at any time: nothing here
raises, nothing waits longer than a tenth of a second, and each worker goes on with what it sees itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tilores_x.llm.health import Event, Health, Outcome

_log = logging.getLogger(__name__)
_event: TypeAdapter[Event] = TypeAdapter(Event)
_Field = bytes | bytearray | memoryview | str | int | float

STREAM = "tilores-x:health:1"
KEPT = 5000
UNTOLD = 1000
MEMORY_S = 900.0
TOO_NEW_S = 60.0
EVERY_S = 0.5
TIMEOUT_S = 0.1
URGENT = (Outcome.FAILED, Outcome.LIMITED, Outcome.DENIED, Outcome.UNKNOWN_MODEL)


def connect(url: str) -> Redis:
    """A client for what must never hold up an answer: short time-outs, no retries. One per event loop.

    Raises:
        ValueError: ``url`` is not the URL of a Redis server.
    """
    return Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0), protocol=2
    )


class SharedHealth:
    """Ties ``health`` to those of other workers. Use it as a context manager, or call ``sync`` yourself."""

    def __init__(self, health: Health, redis: Redis, *, stream: str = STREAM) -> None:
        self._health = health
        self._redis = redis
        self._stream = stream
        self._worker = uuid4().hex
        self._outbox: deque[Event] = deque(maxlen=UNTOLD)
        self._urgent = asyncio.Event()
        self._read_to = f"{max(0, int((health.clock() - MEMORY_S) * 1000))}-0"
        self._reachable = True
        self._task: asyncio.Task[None] | None = None
        health.tell = self._tell

    def _tell(self, event: Event) -> None:
        self._outbox.append(event)
        if event.outcome in URGENT:
            self._urgent.set()

    async def sync(self) -> bool:
        """Tell what is new here and take in what is new elsewhere; False where Redis could not be reached."""
        told, self._outbox = self._outbox, deque(maxlen=UNTOLD)
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for event in told:
                    pipeline.xadd(self._stream, self._fields(event), maxlen=KEPT, approximate=True)
                pipeline.xread({self._stream: self._read_to}, count=KEPT)
                answers = await pipeline.execute()
        except Exception as error:  # whatever Redis does, answers go on
            self._say_once(f"Health is not shared between workers: {type(error).__name__} from Redis.", reachable=False)
            self._outbox.extendleft(reversed(told))
            return False
        self._say_once("Health is shared between workers again.", reachable=True)
        self._take_in(answers[-1])
        return True

    def _fields(self, event: Event) -> dict[_Field, _Field]:
        return {b"worker": self._worker.encode(), b"event": _event.dump_json(event)}

    def _take_in(self, answer: object) -> None:
        if not isinstance(answer, list):
            return
        now = self._health.clock()
        for _, entries in answer:
            for entry_id, fields in entries:
                self._read_to = entry_id
                if fields.get(b"worker") == self._worker.encode():
                    continue
                try:
                    event = _event.validate_json(fields.get(b"event", b""))
                except ValidationError:
                    continue
                if now - MEMORY_S < event.at < now + TOO_NEW_S:
                    self._health.apply(event)

    def _say_once(self, message: str, *, reachable: bool) -> None:
        if reachable != self._reachable:
            _log.warning(message)
            self._reachable = reachable

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), EVERY_S)
            self._urgent.clear()
            await self.sync()

    async def __aenter__(self) -> SharedHealth:
        await self.sync()
        self._task = asyncio.create_task(self._run(), name="shared health")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.sync()
        self._health.tell = None
        with contextlib.suppress(Exception):
            await self._redis.aclose()
