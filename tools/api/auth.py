"""OAuth2 client credentials: one token for many callers, renewed before it expires."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import logging
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlencode

import httpx
import orjson
from pydantic import SecretStr

from tilores_x.deadline import Deadline, current_deadline
from tilores_x.errors import AccessDenied, ConfigError, DeadlineExceeded, TiloresUnavailable, TiloresXError
from tilores_x.retry import RetryBudget, retrying
from tilores_x.tools.api.failures import Passing
from tilores_x.tools.api.wire import Answer, post

logger = logging.getLogger(__name__)

#: Asked for in this order until one is granted: a token endpoint refuses a whole set for one scope it doesn't know.
#: The second set is the one that the official SDK asks for, the third is what reading needs.
SCOPE_SETS = (
    ("mutation.submit", "mutation.disassemble", "query.search", "query.entity", "query.metrics"),
    ("mutation.submit", "query.search", "query.entity"),
    ("query.search", "query.entity"),
)

#: Lifetime of a token in seconds where the endpoint doesn't say (Tilores' default).
DEFAULT_LIFETIME_S = 3600.0
#: A token is renewed in the background this long before it expires, or a quarter of a shorter lifetime.
RENEWAL_MARGIN_S = 60.0


class TokenSource(Protocol):
    """Where bearer tokens come from."""

    async def token(self) -> str:
        """A token that is valid now."""

    async def renewed(self, stale: str) -> str:
        """A token other than ``stale``, which was refused."""

    async def aclose(self) -> None: ...


class ClientCredentials:
    """Tokens of one OAuth2 client.

    However many callers wait, one request is under way; a caller that gives up doesn't take it from the others.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: SecretStr,
        *,
        http: httpx.AsyncClient,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._http = http
        self._timeout_s = timeout_s
        self._clock = clock
        self._scopes = list(SCOPE_SETS)
        self._budget = RetryBudget()
        self._token: SecretStr | None = None
        self._renew_at = self._expires_at = 0.0
        self._fetch: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"ClientCredentials({self._token_url!r}, {self._client_id!r})"

    async def token(self) -> str:
        """A token that is valid now.

        Raises:
            AccessDenied: the endpoint refuses the client.
            ConfigError: the address is not a token endpoint.
            TiloresUnavailable: the endpoint can't be reached, or fails.
            DeadlineExceeded: the question's time ran out first.
        """
        now = self._clock()
        if self._token is None or now >= self._expires_at:
            await self._fetched()
        elif now >= self._renew_at:
            self._start()
        assert self._token is not None
        return self._token.get_secret_value()

    async def renewed(self, stale: str) -> str:
        """A token other than ``stale``; raises as :meth:`token` does."""
        if self._token is not None and self._token.get_secret_value() == stale:
            self._token = None
        return await self.token()

    async def aclose(self) -> None:
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)

    def _start(self) -> asyncio.Task[None]:
        if self._fetch is None:
            # Its own context: the first caller's deadline must not cut short what all others wait for.
            self._fetch = asyncio.create_task(self._renew(), context=contextvars.Context())
            self._fetch.add_done_callback(self._done)
        return self._fetch

    def _done(self, task: asyncio.Task[None]) -> None:
        self._fetch = None
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whoever waits for the token is told by the error itself; nobody may be waiting.
            logger.info("No new Tilores token: %s", type(error).__name__)

    async def _fetched(self) -> None:
        deadline = current_deadline()
        wait_s = deadline.cap_s(self._timeout_s)
        try:
            async with asyncio.timeout(wait_s):
                await asyncio.shield(self._start())
        except TimeoutError:
            if deadline.left_s() <= 0:
                raise DeadlineExceeded(
                    "The time given to the question ran out while waiting for a Tilores token. "
                    "Give it more: TILORES_DEADLINE_S."
                ) from None
            raise TiloresUnavailable(
                f"The token endpoint did not answer within {wait_s:g} s. Check TILORES_TOKEN_URL, or try again."
            ) from None

    async def _renew(self) -> None:
        answer = await self._ask()
        while answer.status == 400 and _oauth_error(answer) == "invalid_scope" and len(self._scopes) > 1:
            self._scopes.pop(0)
            answer = await self._ask()
        token, lifetime_s = self._read(answer)
        now = self._clock()
        self._token = SecretStr(token)
        self._expires_at = now + lifetime_s
        self._renew_at = self._expires_at - min(RENEWAL_MARGIN_S, lifetime_s / 4)

    async def _ask(self) -> Answer:
        pair = f"{self._client_id}:{self._client_secret.get_secret_value()}"
        headers = {
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        scope = " ".join(f"tilores/{name}" for name in self._scopes[0])
        form = urlencode({"grant_type": "client_credentials", "scope": scope}).encode()

        async def once() -> Answer:
            answer = await post(
                self._http,
                self._token_url,
                headers=headers,
                content=form,
                timeout_s=self._timeout_s,
                setting="TILORES_TOKEN_URL",
                max_body_bytes=256 * 1024,
            )
            if answer.status == 429 or answer.status >= 500:
                raise Passing(f"The token endpoint failed with HTTP status {answer.status}. Try again later.")
            return answer

        return await retrying(
            once,
            again=lambda error: isinstance(error, Passing),
            budget=self._budget,
            deadline=Deadline.after(self._timeout_s),
        )

    def _read(self, answer: Answer) -> tuple[str, float]:
        if answer.status in (400, 401, 403):
            raise self._refused(_oauth_error(answer))
        try:
            reply = orjson.loads(answer.body)
            token = reply["access_token"]
        except (ValueError, KeyError, TypeError):
            token = None
        if answer.status != 200 or not isinstance(token, str):
            raise ConfigError(
                f"TILORES_TOKEN_URL answered with HTTP status {answer.status} and no token: "
                "is it the address of the token endpoint?"
            )
        if not token or not token.isascii() or not token.isprintable():
            raise ConfigError("TILORES_TOKEN_URL sent a token that can't stand in an HTTP header.")
        lifetime = reply.get("expires_in")
        usable = isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and lifetime > 0
        return token, float(lifetime) if usable else DEFAULT_LIFETIME_S

    def _refused(self, code: str | None) -> TiloresXError:
        if code == "invalid_scope":
            return AccessDenied(
                "The token endpoint grants this client neither tilores/query.search nor tilores/query.entity. "
                "Have them granted, or use another TILORES_CLIENT_ID."
            )
        reason = f" ({code})" if code and code.isidentifier() else ""
        return AccessDenied(
            f"The token endpoint refused the client{reason}. Check TILORES_CLIENT_ID and TILORES_CLIENT_SECRET."
        )


def _oauth_error(answer: Answer) -> str | None:
    try:
        code = orjson.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, str) else None
