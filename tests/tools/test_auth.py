"""Tokens: fetched once for many, renewed in time, never told to anybody."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from httpx_aiohttp import HttpxAiohttpClient
from pydantic import SecretStr
from support.loopback import Reply, loopback, resets, says

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import AccessDenied, ConfigError, DeadlineExceeded, TiloresUnavailable, TiloresXError
from tilores_x.tools.api.auth import ClientCredentials

SECRET = "s3cr3t-canary"


def token(name: str, lifetime_s: float = 3600, **options: float) -> Reply:
    return says({"access_token": name, "expires_in": lifetime_s, "token_type": "Bearer"}, **options)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def source(url: str, clock: Clock | None = None, timeout_s: float = 5) -> AsyncIterator[ClientCredentials]:
    async with HttpxAiohttpClient() as http:
        made = ClientCredentials(
            url, "client", SecretStr(SECRET), http=http, timeout_s=timeout_s, clock=clock or Clock()
        )
        yield made
        await made.aclose()


async def test_fifty_callers_share_one_request() -> None:
    async with loopback(token("t1", after_s=0.1)) as server, source(server.url) as tokens:
        assert set(await asyncio.gather(*(tokens.token() for _ in range(50)))) == {"t1"}
    assert len(server.requests) == 1
    request = server.requests[0]
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == f"client:{SECRET}".encode()
    assert b"grant_type=client_credentials" in request.body
    assert b"tilores%2Fquery.search" in request.body


async def test_a_caller_that_gives_up_does_not_take_the_token_from_others() -> None:
    async with loopback(token("t1", after_s=0.1)) as server, source(server.url) as tokens:
        first = asyncio.create_task(tokens.token())
        second = asyncio.create_task(tokens.token())
        await asyncio.sleep(0.02)
        first.cancel()
        assert await second == "t1"
    assert len(server.requests) == 1


async def test_one_caller_out_of_time_leaves_the_others_theirs() -> None:
    async with loopback(token("t1", after_s=0.2)) as server, source(server.url) as tokens:

        async def hurried() -> str:
            with deadline_scope(Deadline.after(0.05)):
                return await tokens.token()

        hurry, patient = await asyncio.gather(hurried(), tokens.token(), return_exceptions=True)
    assert isinstance(hurry, DeadlineExceeded)
    assert patient == "t1"


async def test_a_token_near_its_end_is_renewed_behind_the_callers_back() -> None:
    clock = Clock()
    async with loopback(token("t1"), token("t2", after_s=0.05)) as server, source(server.url, clock) as tokens:
        assert await tokens.token() == "t1"
        clock.now += 3600 - 61
        assert await tokens.token() == "t1"
        assert len(server.requests) == 1
        clock.now += 2
        assert await tokens.token() == "t1"
        async with asyncio.timeout(10):
            while await tokens.token() == "t1":
                await asyncio.sleep(0.01)
    assert len(server.requests) == 2


async def test_an_expired_token_is_never_handed_out() -> None:
    clock = Clock()
    async with loopback(token("t1"), token("t2")) as server, source(server.url, clock) as tokens:
        await tokens.token()
        clock.now += 3600
        assert await tokens.token() == "t2"


async def test_a_failed_renewal_leaves_the_old_token_in_use() -> None:
    clock = Clock()
    refusal = says({"error": "invalid_client"}, status=401)
    async with loopback(token("t1"), refusal, token("t3")) as server, source(server.url, clock) as tokens:
        await tokens.token()
        clock.now += 3600 - 30
        assert await tokens.token() == "t1"
        async with asyncio.timeout(10):
            while len(server.requests) < 2:
                await asyncio.sleep(0.01)
        assert await tokens.token() == "t1"


async def test_a_refused_token_is_renewed_once_for_all_who_held_it() -> None:
    async with loopback(token("t1"), token("t2", after_s=0.05)) as server, source(server.url) as tokens:
        stale = await tokens.token()
        assert set(await asyncio.gather(*(tokens.renewed(stale) for _ in range(50)))) == {"t2"}
        assert await tokens.renewed(stale) == "t2"
    assert len(server.requests) == 2


async def test_fewer_scopes_are_asked_for_where_not_all_are_granted() -> None:
    no = says({"error": "invalid_scope"}, status=400)
    async with loopback(no, no, token("t1")) as server, source(server.url) as tokens:
        assert await tokens.token() == "t1"
        await tokens.renewed("t1")
    scopes = [request.body.count(b"tilores%2F") for request in server.requests]
    assert scopes == [5, 3, 2, 2]


async def test_busy_endpoints_are_asked_again() -> None:
    async with loopback(says("", status=503), resets(), token("t1")) as server, source(server.url) as tokens:
        assert await tokens.token() == "t1"
    assert len(server.requests) == 3


REFUSALS = {
    "wrong secret": (says({"error": "invalid_client"}, status=401), AccessDenied, "TILORES_CLIENT_SECRET"),
    "wrong secret, as some say it": (says({"error": "invalid_client"}, status=400), AccessDenied, "TILORES_CLIENT_ID"),
    "no scope at all": (says({"error": "invalid_scope"}, status=400), AccessDenied, "query.search"),
    "a web page": (says("<html>", kind="text/html"), ConfigError, "TILORES_TOKEN_URL"),
    "another path": (says({"message": "Not Found"}, status=404), ConfigError, "404"),
    "no token": (says({"token_type": "Bearer"}), ConfigError, "TILORES_TOKEN_URL"),
    "a token with a line break": (token("a\r\nX-Evil: 1"), ConfigError, "header"),
    "JSON that is no object": (says("[1]"), ConfigError, "TILORES_TOKEN_URL"),
    "failing for good": (says("oops", status=500), TiloresUnavailable, "500"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_each_refusal_says_who_must_act_and_tells_no_secret(case: str, caplog: pytest.LogCaptureFixture) -> None:
    reply, kind, said = REFUSALS[case]
    caplog.set_level(logging.DEBUG)
    async with loopback(reply) as server, source(server.url) as tokens:
        with pytest.raises(kind, match=said) as caught:
            await tokens.token()
        told = "".join(traceback.format_exception(caught.value)) + repr(tokens) + repr(vars(tokens)) + caplog.text
    assert SECRET not in told
    assert base64.b64encode(f"client:{SECRET}".encode()).decode() not in told


async def test_the_token_itself_stays_out_of_repr_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with loopback(token("token-canary")) as server, source(server.url) as tokens:
        await tokens.token()
        assert "token-canary" not in repr(tokens) + repr(vars(tokens)) + caplog.text


async def test_an_unreachable_endpoint_is_named() -> None:
    async with source("http://127.0.0.1:1/token") as tokens:
        with pytest.raises(TiloresUnavailable, match="TILORES_TOKEN_URL"):
            await tokens.token()


async def test_a_hanging_endpoint_is_given_up() -> None:
    async with loopback(token("late", after_s=5)) as server, source(server.url, timeout_s=0.1) as tokens:
        with pytest.raises(TiloresUnavailable):
            await tokens.token()


async def test_a_failure_is_not_kept() -> None:
    async with loopback(says({}, status=401), token("t1")) as server, source(server.url) as tokens:
        with pytest.raises(TiloresXError):
            await tokens.token()
        assert await tokens.token() == "t1"


async def test_a_lifetime_that_makes_no_sense_counts_as_an_hour() -> None:
    clock = Clock()
    strange = says({"access_token": "t1", "expires_in": "soon"})
    async with loopback(strange, token("t2")) as server, source(server.url, clock) as tokens:
        await tokens.token()
        clock.now += 3500
        assert await tokens.token() == "t1"
        clock.now += 200
        assert await tokens.token() == "t2"


async def test_works_over_plain_httpx_too() -> None:
    async with loopback(token("t1")) as server, httpx.AsyncClient() as http:
        tokens = ClientCredentials(server.url, "client", SecretStr(SECRET), http=http, timeout_s=5)
        assert await tokens.token() == "t1"
