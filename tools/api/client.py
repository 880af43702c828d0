"""The way to Tilores: lookups, documents and changes over one pool of connections, every failure typed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypedDict

import httpx

from tilores_x.deadline import current_deadline
from tilores_x.errors import DeadlineExceeded, QuestionError, TiloresUnavailable
from tilores_x.settings import TIMEOUTS, Profile, Settings, Timeouts
from tilores_x.tools.api import queries
from tilores_x.tools.api.auth import TokenSource
from tilores_x.tools.api.endpoint import Endpoint
from tilores_x.tools.api.limiter import Limiter
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.api.lookups import Lookups
from tilores_x.tools.api.pace import Observed, Pace
from tilores_x.tools.api.pool import open_pool
from tilores_x.tools.api.reading import Reader
from tilores_x.tools.api.requests import Request
from tilores_x.tools.api.results import ResultCache
from tilores_x.tools.api.wire import MAX_BODY_BYTES

#: Tilores ends every request after this many seconds.
LONGEST_REQUEST_S = 30.0

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
        concurrency, batch, timeout_s: pin the requests at once, the lookups in one request, and the seconds of one
            request; each follows what is measured where it is not given.
        hedging: ask a second time when a lookup is much later than most.

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
        concurrency: int | None = None,
        batch: int | None = None,
        timeout_s: float | None = None,
        hedging: bool = True,
    ) -> None:
        self.api_url = api_url
        self.embedded = embedded
        self.timeouts = timeouts
        self.results: ResultCache | None = None
        self._limiter, self._pace = Limiter(concurrency), Pace()
        self._endpoint = Endpoint(
            api_url, http=http, token=token, limiter=self._limiter, pace=self._pace, max_body_bytes=max_body_bytes
        )
        self._reader = Reader(self._endpoint, timeouts.search_s, timeout_s, hedging)
        self._lookups = Lookups(self._reader, batch)
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def from_settings(cls, settings: Settings, *, app: Any = None) -> TiloresClient:
        """The configured instance, or the embedded one: then ``app`` is its ASGI application.

        Raises:
            ConfigError: neither is given.
        """
        pool = open_pool(settings, app)
        return cls(
            pool.api_url,
            http=pool.http,
            token=pool.token,
            timeouts=settings.timeouts,
            embedded=settings.api_url is None,
            concurrency=settings.concurrency,
            batch=settings.batch,
            timeout_s=settings.timeout_s,
            hedging=settings.hedge_reads,
        )

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
        await self._lookups.aclose()
        await self._endpoint.aclose()

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
        request = Request.of(document, variables or {})
        if _MUTATION.search(document):
            return await self._changing(request, timeout_s)

        async def load() -> dict[str, Any]:
            return (await self._reader.read(request, deadline=current_deadline(), timeout_s=timeout_s)).data

        if self.results is None or document in (queries.INTROSPECT, queries.ASSEMBLY_STATUS):
            return await load()
        return await self.results.fetch(document, request.variables, load)

    async def look_up(self, lookup: Lookup, *, timeout_s: float | None = None) -> Any:
        """What the lookup's field returned, the caller's own to change.

        Equal lookups in flight for one tenant are one; lookups asked for at the same time travel together where that
        is sooner. ``timeout_s`` bounds each try, in place of what was measured.

        Raises:
            TiloresXError: as :meth:`execute` raises; what fails one lookup fails no other.
        """
        with self._lookups.coming() as arrived:

            async def load() -> dict[str, Any]:
                arrived()
                return {lookup.field: await self._lookups.ask(lookup, timeout_s)}

            if self.results is None:
                return (await load())[lookup.field]
            return (await self.results.fetch(lookup.text, lookup.variables, load))[lookup.field]

    @property
    def observed(self) -> Observed | None:
        """Seconds that lookups took of late; None until enough were measured."""
        return self._pace.observed()

    def report(self) -> dict[str, Any]:
        """How the client speaks to the instance at present, and what it has measured: plain values."""
        observed = self.observed
        return {
            "requests": self._endpoint.sent,
            "concurrency": self._limiter.limit,
            "concurrency_pinned": self._limiter.pinned,
            "timeout_s": self._reader.timeout_s(),
            "timeout_pinned": self._reader.pinned_s is not None,
            "observed_s": None if observed is None else observed._asdict(),
            "hedging": self._reader.hedging,
            **self._lookups.report(),
        }

    async def _changing(self, request: Request, timeout_s: float | None) -> dict[str, Any]:
        """Whether it succeeded is not always known, and linking goes on afterwards: kept results end either way."""
        try:
            return (await self._endpoint.send(request, timeout_s or self.timeouts.search_s)).data
        finally:
            self._lookups.forget()
            if self.results is not None:
                await self.results.changed()

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
