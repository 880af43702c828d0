"""One POST to Tilores: bounded in time and in bytes, its failures named by what may be done about them."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from tilores_x.deadline import current_deadline
from tilores_x.errors import ConfigError, DeadlineExceeded, TiloresUnavailable
from tilores_x.tools.api.failures import Late, Passing, TooLarge

#: Tilores itself sends at most 6 MiB (its documented limit); the rest is room for other installations.
MAX_BODY_BYTES = 16 * 1024 * 1024

_READ = httpx.ByteStream(b"")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end; ``body`` is decompressed."""

    status: int
    headers: httpx.Headers
    body: bytes


async def post(
    http: httpx.AsyncClient,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes,
    timeout_s: float,
    setting: str,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Answer:
    """POST ``content`` and read the whole answer, within ``timeout_s`` and the current deadline.

    ``setting`` is the variable that holds ``url``: errors name it as the thing to check.

    Raises:
        DeadlineExceeded: the question's time ran out.
        Passing: the other side can't be reached, or the connection broke.
        Late: no answer within ``timeout_s``.
        TooLarge: the answer is larger than ``max_body_bytes``.
        ConfigError: the address can't be used, or its certificate isn't trusted.
    """
    deadline = current_deadline()
    timeout_s = deadline.cap_s(timeout_s)
    host = _host(url)
    try:
        async with asyncio.timeout(timeout_s):
            async with http.stream("POST", url, headers=dict(headers), content=content, timeout=None) as response:
                body = await _read(response, max_body_bytes, host)
            response.stream = _READ  # the stream holds the response in turn: a ring, which would wait for the collector
            return Answer(response.status_code, response.headers, body)
    except TimeoutError:
        if deadline.left_s() <= 0:
            raise DeadlineExceeded(
                f"The time given to the question ran out while waiting for Tilores ({host}). "
                "Give it more: TILORES_DEADLINE_S."
            ) from None
        raise Late(
            f"Tilores ({host}) did not answer within {timeout_s:g} s. Try again; if it stays slow, set "
            "TILORES_PROFILE=production, which waits longer."
        ) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ConfigError(f"{setting} is no address that can be called: {error}") from error
    except (httpx.HTTPError, OSError) as error:
        raise _broken(error, host, setting) from error
    except Exception as error:
        # The aiohttp transport lets errors through that it has no httpx name for.
        if type(error).__module__.partition(".")[0] != "aiohttp":
            raise
        raise _broken(error, host, setting) from error


async def _read(response: httpx.Response, limit: int, host: str) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip"):
        raise TiloresUnavailable(f"Tilores ({host}) sent a body encoded as {encoding!r}, which was not asked for.")
    inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    parts: list[bytes] = []
    size = 0
    async for chunk in response.aiter_raw():
        try:
            part = inflate.decompress(chunk, limit - size + 1) if inflate else chunk
        except zlib.error as error:
            raise Passing(f"Tilores ({host}) sent a body that can't be decompressed.") from error
        size += len(part)
        if size > limit:
            raise TooLarge(
                f"The reply of Tilores is larger than {limit:,} bytes and was not read. "
                "Ask for fewer fields or records."
            )
        parts.append(part)
    if inflate and size and not inflate.eof:
        raise Passing(f"Tilores ({host}) sent a body that ends too early.")
    return b"".join(parts)


def _broken(error: Exception, host: str, setting: str) -> TiloresUnavailable | ConfigError:
    causes = (error, error.__cause__, getattr(error.__cause__, "certificate_error", None))
    if any(isinstance(cause, ssl.SSLError | ssl.CertificateError) for cause in causes):
        return ConfigError(
            f"The TLS certificate of {host} isn't trusted. Check {setting}, or the machine's certificates."
        )
    # The aiohttp transport calls a connection that never came about a timeout; only its cause has an `os_error`.
    if isinstance(error, httpx.ConnectError) or hasattr(error.__cause__, "os_error"):
        return Passing(f"Tilores can't be reached at {host}. Check {setting} and the network.")
    return Passing(f"The connection to Tilores ({host}) broke before its answer was complete. Try again.")


def _host(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "an address that can't be read"
    return f"{parsed.host}:{parsed.port}" if parsed.port else parsed.host
