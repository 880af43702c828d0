"""One request to one instance: a slot, a token, a POST, and what came back."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import httpx

from tilores_x.errors import TiloresRefused
from tilores_x.tools.api.auth import TokenSource
from tilores_x.tools.api.failures import Late, Passing
from tilores_x.tools.api.limiter import Limiter, Slot
from tilores_x.tools.api.pace import Pace
from tilores_x.tools.api.replies import data_of
from tilores_x.tools.api.requests import Request
from tilores_x.tools.api.wire import Answer, post

HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "gzip"}


class Reply(NamedTuple):
    """The ``data`` of a reply, the bytes that it came in, decompressed, and the seconds that it took once sent."""

    data: dict[str, Any]
    size: int
    seconds: float


class Endpoint:
    """Requests wait for a slot of ``limiter``; what lookups take is told to ``pace``."""

    def __init__(
        self,
        api_url: str,
        *,
        http: httpx.AsyncClient,
        token: TokenSource | None,
        limiter: Limiter,
        pace: Pace,
        max_body_bytes: int,
    ) -> None:
        self.api_url = api_url
        self.limiter = limiter
        self.pace = pace
        self.sent = 0
        self._http = http
        self._token = token
        self._max_body_bytes = max_body_bytes

    async def send(self, request: Request, timeout_s: float, *, measured: bool = False) -> Reply:
        """Ask once, again only with a new token where the first is refused. ``measured``: it is a lookup.

        ``timeout_s`` counts from when the request is sent, not from when it waits for its slot.

        Raises:
            TiloresXError: as ``wire.post`` and ``replies.data_of`` raise, and ``TokenSource.token``.
        """
        async with self.limiter.slot() as slot:
            token = await self._token.token() if self._token is not None else None
            start = time.monotonic()
            try:
                answer = await self._posted(request, token, timeout_s)
                if answer.status == 401 and self._token is not None and token is not None:
                    answer = await self._posted(request, await self._token.renewed(token), timeout_s)
                data = data_of(answer, request.document, request.variables)
            except (Passing, Late) as error:
                slot.failed()
                if measured and isinstance(error, Late):
                    self.pace.add(request.lookups, time.monotonic() - start)
                raise
            except TiloresRefused:
                self._measure(slot, request, time.monotonic() - start, measured)
                raise
            seconds = time.monotonic() - start
            self._measure(slot, request, seconds, measured)
            return Reply(data, len(answer.body), seconds)

    def _measure(self, slot: Slot, request: Request, seconds: float, measured: bool) -> None:
        if measured:
            self.pace.add(request.lookups, seconds)
            line = self.pace.line
            extra_s = (request.lookups - 1) * line.lookup_s if line is not None else 0.0
            slot.answered(seconds - extra_s, self.pace.unloaded_s())

    async def _posted(self, request: Request, token: str | None, timeout_s: float) -> Answer:
        self.sent += 1
        return await post(
            self._http,
            self.api_url,
            headers=HEADERS if token is None else {**HEADERS, "Authorization": f"Bearer {token}"},
            content=request.content,
            timeout_s=timeout_s,
            setting="TILORES_API_URL",
            max_body_bytes=self._max_body_bytes,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        if self._token is not None:
            await self._token.aclose()
        await self._http.aclose()
