"""The line to a provider: one POST, its event stream read piece by piece, errors as the provider's SDK raises them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import aiohttp
import orjson

from tilores_x.llm.deltas import Chunk, characters, merged, says, speaks
from tilores_x.llm.faults import CutShort
from tilores_x.llm.pace import Pace
from tilores_x.llm.progress import Progress, current_progress
from tilores_x.llm.sse import EventReader
from tilores_x.llm.textruns import TextRuns

CONNECT_S = 5.0
"""Seconds for a connection to come about. Everything after it is under the question's deadline alone."""

DRAIN_S = 0.02
MUCH = 16_384
"""Bytes in one read, or in the last few, that show that it was none too early."""

MANY = 100
"""Chunks that are held; beyond it they are put together."""

LONGEST_ERROR = 65_536
_OPTIONS = ("extra_headers", "extra_query", "extra_body", "timeout")


@dataclass(frozen=True)
class Line:
    """``sdk`` is the provider's own asynchronous client, for its errors; ``errors`` and ``http`` are the modules of its
    exceptions and of its HTTP types. ``headers`` hold the key, and so stay out of the representation.
    """

    session: aiohttp.ClientSession = field(repr=False)
    url: str
    headers: Mapping[str, str] = field(repr=False)
    sdk: Any = field(repr=False)
    errors: ModuleType = field(repr=False)
    http: ModuleType = field(repr=False)

    async def chunks(self, payload: dict[str, Any]) -> AsyncGenerator[list[Chunk]]:
        """Send ``payload``; yield the chunks of each network read, at the pace of ``pace.py``.

        Raises:
            The SDK's ``APIStatusError``, ``APIConnectionError``, ``APITimeoutError`` or ``APIError``; ``ValueError``
            for events that are no JSON; ``CutShort`` for a reply that is no event stream.
        """
        payload = dict(payload)
        options = {name: payload.pop(name, None) for name in _OPTIONS}
        payload.update(options["extra_body"] or {})
        try:
            async with self.session.post(
                self.url,
                data=_encoded(payload),
                headers={**self.headers, **(options["extra_headers"] or {})},
                params=options["extra_query"],
            ) as response:
                progress = current_progress.get()
                if progress is not None:
                    progress.headers = response.headers
                if response.status >= 400:
                    raise await self._status_error(response)
                if response.content_type in ("text/html", "application/json"):
                    raise CutShort(f"the reply is {response.content_type}, not an event stream")
                async with aclosing(self._read(response, progress)) as reads:
                    async for chunks in reads:
                        yield chunks
        except TimeoutError as error:
            raise self.errors.APITimeoutError(request=self._request()) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self.errors.APIConnectionError(request=self._request()) from error

    async def _read(self, response: aiohttp.ClientResponse, progress: Progress | None) -> AsyncGenerator[list[Chunk]]:
        """Where nobody hears the pieces, all of them at the end: only the first is told to ``progress`` at once."""
        heard = progress is None or progress.heard
        reader, runs, content = EventReader(), TextRuns(), response.content
        connection = response.connection
        held: list[Chunk] = []
        with ExitStack() as speaking:
            pace: Pace | None = None
            much = 0.0
            try:
                while not (reader.done or content.at_eof()):
                    if pace is not None and much < MUCH:
                        await pace.pause(content, connection.transport if connection is not None else None)
                    piece = await content.readany()
                    much = max(much / 2, len(piece))
                    events = reader.feed(piece)
                    if not events:
                        continue
                    chunks, broken = runs.chunks(events)
                    fault = next((place for place, chunk in enumerate(chunks) if _is_fault(chunk)), None)
                    good = chunks[:fault]
                    if good and pace is None:
                        pace = speaking.enter_context(Pace())
                    if progress is not None and pace is not None and pace.heard and not heard:
                        spoken = next((chunk for chunk in good if speaks(chunk)), None)
                        if spoken is not None:
                            progress.begun(text=says(spoken))
                            pace.heard = False
                    held = held + good if len(held) < MANY else merged(held) + good
                    if held and (heard or fault is not None or broken is not None):
                        passed_on, held = held, []
                        yield passed_on
                    if fault is not None:
                        raise self._stream_error(chunks[fault])
                    if broken is not None:
                        raise broken
            except BaseException:
                if progress is not None:
                    progress.characters += _unread(held, content, reader, runs)
                raise
        if held:
            yield held
        if not content.at_eof():
            # What follows [DONE] is the end of the body: once it is read, the connection can be used again.
            try:
                async with asyncio.timeout(DRAIN_S):
                    await content.readany()
            except TimeoutError:
                response.close()

    def _request(self) -> Any:
        return self.http.Request("POST", self.url)

    async def _status_error(self, response: aiohttp.ClientResponse) -> Exception:
        try:
            body = await response.content.readexactly(LONGEST_ERROR)
        except asyncio.IncompleteReadError as short:
            body = short.partial
        headers = {
            name: value
            for name, value in response.headers.items()
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
        }
        received = self.http.Response(response.status, headers=headers, content=body, request=self._request())
        error: Exception = self.sdk._make_status_error_from_response(received)
        return error

    def _stream_error(self, chunk: Any) -> Exception:
        if not isinstance(chunk, dict):
            return CutShort("an event of the stream is no chat completion")
        body = chunk["error"]
        message = body.get("message") if isinstance(body, dict) else None
        if not isinstance(message, str) or not message:
            message = "An error occurred during streaming"
        error: Exception = self.errors.APIError(message, request=self._request(), body=body)
        return error


def _unread(held: list[Chunk], content: aiohttp.StreamReader, reader: EventReader, runs: TextRuns) -> int:
    """Characters of what came and nobody will read: it is billed."""
    with suppress(Exception):  # a stream that broke off has nothing more
        chunks, _ = runs.chunks(reader.feed(content.read_nowait(-1)))
        held = held + chunks
    return sum(map(characters, held))


def _is_fault(chunk: Any) -> bool:
    return not isinstance(chunk, dict) or bool(chunk.get("error"))


def _encoded(payload: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(payload)
    except TypeError:
        # What only the standard library knows to write: integers beyond 64 bits, lone surrogates (as escapes).
        return json.dumps(payload).encode("ascii")
