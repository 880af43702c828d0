"""The way to Tilores: GraphQL over one pool of connections, every failure typed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypedDict

import httpx
import orjson
from pydantic import SecretStr

from tilores_x.deadline import current_deadline
from tilores_x.errors import ConfigError, DeadlineExceeded, QuestionError, TiloresUnavailable
from tilores_x.retry import RetryBudget, retrying
from tilores_x.settings import TIMEOUTS, Profile, Settings, Timeouts
from tilores_x.tools.api import queries
from tilores_x.tools.api.auth import ClientCredentials, TokenSource
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.api.replies import data_of
from tilores_x.tools.api.results import ResultCache
from tilores_x.tools.api.wire import MAX_BODY_BYTES, Passing, post

#: Where the embedded sandbox is spoken to; the host is no real one, requests go straight to the ASGI application.
EMBEDDED_URL = "http://sandbox/"
#: Tilores ends every request after this many seconds.
LONGEST_REQUEST_S = 30.0
#: Connections kept open, and the most at once, to one instance.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=30)

_MUTATION = re.compile(r"\bmutation\b")


class AssemblyStatus(TypedDict):
    """How far Tilores is with what was submitted; ``remaining_s`` is its estimate in seconds, or None."""

    ready: bool
    remaining_s: int | None


class TiloresClient:
    """One Tilores instance.

    Reads are tried again after failures that usually pass; what changes data never is. Bound to the event loop
    that it is first used on.

    Args:
        api_url: the GraphQL endpoint.
        http: carries the requests; closed with the client.
        token: bearer tokens, or None where none are needed.
        timeouts: upper bounds in seconds; the question's deadline cuts each of them short.
        max_body_bytes: the largest reply that is read, decompressed.
        embedded: the instance runs in this process, so nothing about it is worth keeping on disk.

    ``results`` may be set to a cache of what queries return.
    """

    def __init__(
        self,
        api_url: str,
        *,
        http: httpx.AsyncClient,
        token: TokenSource | None = None,
        timeouts: Timeouts = TIMEOUTS[Profile.LOCAL],
        max_body_bytes: int = MAX_BODY_BYTES,
        embedded: bool = False,
    ) -> None:
        self.api_url = api_url
        self.embedded = embedded
        self.timeouts = timeouts
        self.results: ResultCache | None = None
        self._http = http
        self._token = token
        self._max_body_bytes = max_body_bytes
        self._budget = RetryBudget()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def from_settings(cls, settings: Settings, *, app: Any = None) -> TiloresClient:
        """The configured instance, or the embedded one: then ``app`` is its ASGI application.

        Raises:
            ConfigError: neither is given.
        """
        if settings.api_url is None and app is None:
            raise ConfigError("No Tilores instance: set TILORES_API_URL, or give the embedded sandbox.")
        if settings.api_url is None:
            http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
            api_url, token_url = EMBEDDED_URL, EMBEDDED_URL + "oauth2/token"
            client_id, secret = "sandbox", SecretStr("sandbox")
        else:
            # Imported here: half a second that the embedded sandbox needs not pay.
            from httpx_aiohttp import HttpxAiohttpClient

            http = HttpxAiohttpClient(limits=LIMITS)
            assert settings.token_url
            assert settings.client_id
            assert settings.client_secret
            api_url, token_url = settings.api_url, settings.token_url
            client_id, secret = settings.client_id, settings.client_secret
        token = ClientCredentials(token_url, client_id, secret, http=http, timeout_s=settings.timeouts.init_s)
        return cls(api_url, http=http, token=token, timeouts=settings.timeouts, embedded=settings.api_url is None)

    def __repr__(self) -> str:
        return f"TiloresClient({self.api_url!r})"

    async def __aenter__(self) -> TiloresClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop what runs in the background and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._token is not None:
            await self._token.aclose()
        await self._http.aclose()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background until it ends or the client is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def execute(
        self, document: str, variables: Mapping[str, Any] | None = None, *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """The ``data`` of a GraphQL request.

        ``timeout_s`` bounds each try (the profile's ``search_s`` by default), the current deadline all of them.

        Raises:
            TiloresRefused: the reply carries ``errors``; ``data`` beside them is kept.
            AccessDenied: credentials or a privilege were refused.
            TiloresUnavailable: Tilores is unreachable, too slow or failing.
            DeadlineExceeded: the question's time ran out.
            ConfigError: the address is no GraphQL endpoint.
            QuestionError: the variables can't be written as JSON.
        """
        variables = variables or {}
        content = _json(document, variables)
        each_s = timeout_s if timeout_s is not None else self.timeouts.search_s

        async def once() -> dict[str, Any]:
            return await self._once(document, variables, content, each_s)

        async def load() -> dict[str, Any]:
            return await self._retried(once)

        if _MUTATION.search(document):
            return await self._changing(once)
        if self.results is None or document in (queries.INTROSPECT, queries.ASSEMBLY_STATUS):
            return await load()
        return await self.results.fetch(document, variables, load)

    async def look_up(self, lookup: Lookup, *, timeout_s: float | None = None) -> Any:
        """What the lookup's field returned; ``timeout_s`` and errors as of :meth:`execute`."""
        each_s = timeout_s if timeout_s is not None else self.timeouts.search_s
        content = _json(lookup.document, lookup.variables)

        async def once() -> dict[str, Any]:
            return await self._once(lookup.document, lookup.variables, content, each_s)

        async def load() -> dict[str, Any]:
            return await self._retried(once)

        data = await (load() if self.results is None else self.results.fetch(lookup.text, lookup.variables, load))
        return data[lookup.field]

    async def _retried(self, once: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        return await retrying(
            once, again=lambda error: isinstance(error, Passing), budget=self._budget, deadline=current_deadline()
        )

    async def _changing(self, change: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Whether it succeeded is not always known, and linking goes on afterwards: kept results end either way."""
        try:
            return await change()
        finally:
            if self.results is not None:
                await self.results.changed()

    async def _once(
        self, document: str, variables: Mapping[str, Any], content: bytes, timeout_s: float
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "gzip"}
        token = None
        if self._token is not None:
            token = await self._token.token()
            headers["Authorization"] = f"Bearer {token}"

        async def send() -> Any:
            return await post(
                self._http,
                self.api_url,
                headers=headers,
                content=content,
                timeout_s=timeout_s,
                setting="TILORES_API_URL",
                max_body_bytes=self._max_body_bytes,
            )

        answer = await send()
        if answer.status == 401 and self._token is not None and token is not None:
            headers["Authorization"] = f"Bearer {await self._token.renewed(token)}"
            answer = await send()
        return data_of(answer, document, variables)

    async def submit(self, records: Sequence[Mapping[str, Any]]) -> int:
        """Send records to be linked; returns how many Tilores took. Linking goes on afterwards: see assembly_status.

        Never tried again: after TiloresUnavailable it is unknown whether they arrived. A record sent twice under the
        same id is a new version of it, so the caller may repeat.

        Raises:
            QuestionError: no records, or an id that Tilores can't take.
        """
        ids = [record.get("id") for record in records]
        if not ids or not all(isinstance(i, str) and i and ":" not in i for i in ids):
            raise QuestionError("Every record needs an `id`: text that is not empty and holds no ':'.")
        data = await self._change(queries.SUBMIT, {"records": list(records)})
        return int(data["submit"]["recordsAdded"])

    async def disassemble(
        self,
        *,
        record_ids: Sequence[str] = (),
        edges: Sequence[tuple[str, str]] = (),
        ban: bool = False,
        user: str,
        reason: str,
    ) -> bool:
        """Take records out of their entity, or cut the links between pairs; ``ban`` keeps the parts apart afterwards.

        ``user`` and ``reason`` are kept by Tilores with the change. Returns whether the change was started.

        Raises:
            QuestionError: neither a record nor a pair is named.
        """
        if not record_ids and not edges:
            raise QuestionError("Name at least one record or one pair of records to take apart.")
        wanted: dict[str, Any] = {"createConnectionBan": ban, "meta": {"user": user, "reason": reason}}
        if record_ids:
            wanted["recordIDs"] = list(record_ids)
        if edges:
            wanted["edges"] = [{"a": a, "b": b} for a, b in edges]
        data = await self._change(queries.DISASSEMBLE, {"input": wanted})
        return bool(data["disassemble"]["triggered"])

    async def _change(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self.execute(document, variables, timeout_s=LONGEST_REQUEST_S)
        except (TiloresUnavailable, DeadlineExceeded) as error:
            kind = DeadlineExceeded if isinstance(error, DeadlineExceeded) else TiloresUnavailable
            raise kind(
                f"{error} It is unknown whether Tilores applied the change.", retry_after_s=error.retry_after_s
            ) from error

    async def assembly_status(self) -> AssemblyStatus:
        """Whether everything submitted is linked. Needs the privilege tilores/query.metrics, and a newer instance."""
        data = await self.execute(queries.ASSEMBLY_STATUS)
        status = data["metrics"]["assemblyStatus"]
        return {"ready": status["state"] == "READY", "remaining_s": status["estimatedTimeRemaining"]}


def _json(document: str, variables: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps({"query": document, "variables": variables})
    except TypeError as error:
        raise QuestionError(
            "The request holds text that is no valid Unicode, or something else that JSON can't hold. Remove it."
        ) from error
