"""One endpoint per provider and event loop: the provider's own SDK client, and the pooled connections to it.

The pools are aiohttp's, through the transports that the SDKs bring for it: httpx 0.28's own pool loses a slot where a
request is cancelled at the wrong moment, until none is left.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import groq
import httpx
import httpx2
import openai

from tilores_x.llm.catalog import ClientKind
from tilores_x.llm.line import CONNECT_S, Line
from tilores_x.llm.progress import current_progress

KEEP_ALIVE_S = 60.0
MOST_CONNECTIONS = 1000
"""To one provider at a time; calls beyond wait for a free one."""

MOST_BUFFERED = 1_048_576
"""Bytes of one stream that may wait between two chunks, before its provider has to."""

NO_KEY = "none"
"""Sent as the key to a server that asks for none: the SDKs insist on one."""


@dataclass(frozen=True)
class Endpoint:
    """``sdk`` is None for what runs in this process; ``line`` is None where LangChain's own clients are wanted."""

    kind: ClientKind
    base_url: str
    key: str = field(repr=False)
    sdk: Any = field(repr=False, default=None)
    line: Line | None = field(repr=False, default=None)

    async def aclose(self) -> None:
        if self.line is not None:
            await self.line.session.close()
        if self.sdk is not None:
            await self.sdk.close()


async def open_endpoint(kind: ClientKind, base_url: str, key: str | None, *, stock: bool) -> Endpoint:
    """Build the clients in a thread, since the SDKs' constructors read certificates for tens of milliseconds."""
    key = key or NO_KEY
    sdk = await asyncio.to_thread(_sdk, kind, base_url, key)
    if stock:
        return Endpoint(kind, base_url, key, sdk)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        read_bufsize=MOST_BUFFERED,
        proxy=await asyncio.to_thread(_proxy_for, base_url),
    )
    return Endpoint(kind, base_url, key, sdk, _line(kind, sdk, session))


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for ``url``.

    aiohttp's ``trust_env`` would look for it in a thread before each request, and lets a .netrc override the key.
    """
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _sdk(kind: ClientKind, base_url: str, key: str) -> Any:
    hooks = {"response": [_note]}
    if kind is ClientKind.GROQ:
        # Groq's SDK adds /openai/v1 itself.
        return groq.AsyncGroq(
            api_key=key,
            base_url=_without(base_url, "/openai/v1"),
            max_retries=0,
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            http_client=groq.DefaultAioHttpClient(
                event_hooks=hooks, limits=httpx.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_S)
            ),
        )
    if kind is ClientKind.FIREWORKS:
        import fireworks

        # Fireworks' SDK adds /v1 itself.
        return fireworks.AsyncFireworks(
            api_key=key,
            base_url=_without(base_url, "/v1"),
            max_retries=0,
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            http_client=fireworks.DefaultAioHttpClient(
                event_hooks=hooks, limits=httpx.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_S)
            ),
        )
    sdk = openai.AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        timeout=httpx2.Timeout(None, connect=CONNECT_S),
        http_client=openai.DefaultAioHttpClient(
            event_hooks=hooks, limits=httpx2.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_S)
        ),
    )
    if kind is not ClientKind.OPENAI:
        # Read from OPENAI_ORG_ID and OPENAI_PROJECT_ID, and nobody else's business.
        sdk.organization = sdk.project = None
    return sdk


def _line(kind: ClientKind, sdk: Any, session: aiohttp.ClientSession) -> Line:
    base = str(sdk.base_url).rstrip("/")
    errors: Any = openai
    http: Any = httpx2
    path = "/chat/completions"
    if kind is ClientKind.GROQ:
        errors, http, path = groq, httpx, "/openai/v1/chat/completions"
    elif kind is ClientKind.FIREWORKS:
        import fireworks

        errors, http, path = fireworks, httpx, "/v1/chat/completions"
    headers = {name: value for name, value in sdk.default_headers.items() if isinstance(value, str)}
    return Line(session, base + path, {**headers, **sdk.auth_headers}, sdk, errors, http)


def _without(url: str, ending: str) -> str:
    return url.rstrip("/").removesuffix(ending)


async def _note(response: Any) -> None:
    progress = current_progress.get()
    if progress is not None:
        progress.headers = response.headers
        progress.close = response.aclose
