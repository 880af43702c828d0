"""Timeouts that follow what is measured, inside the profile's bounds, and reads that are asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from httpx_aiohttp import HttpxAiohttpClient
from support.loopback import Loopback, Reply, hangs, loopback, says

from tilores_x.errors import TiloresUnavailable
from tilores_x.marks import collect_marks
from tilores_x.settings import Timeouts
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.lookup import Lookup

BODY = {"data": {"entity": {"entity": {"id": "e1"}}}}
FOUND = says(BODY)
PROFILE = Timeouts(init_s=5, field_discovery_s=5, search_s=2.0, question_s=15)


def entity(number: int) -> Lookup:
    return Lookup("entity(input: $input) { entity { id } }", {"input": {"id": f"e{number}"}}, {"input": "EntityInput!"})


@asynccontextmanager
async def known(answers: Reply = FOUND, **options: Any) -> AsyncIterator[tuple[TiloresClient, Loopback]]:
    """A client that has measured its server."""
    async with loopback(answers) as server:
        options = {"timeouts": PROFILE, "batch": 1, "hedging": False} | options
        async with TiloresClient(server.url, http=HttpxAiohttpClient(), **options) as client:
            for first in range(0, 30, 10):
                await asyncio.gather(*(client.look_up(entity(first + at)) for at in range(10)))
            server.requests.clear()
            yield client, server


def then(server: Loopback, *script: Reply) -> None:
    server.script[:] = script


async def test_nothing_is_guessed_before_enough_is_measured() -> None:
    async with loopback(FOUND) as server, TiloresClient(server.url, http=HttpxAiohttpClient(), batch=1) as client:
        assert client.observed is None
        assert client.report()["timeout_s"] == client.timeouts.search_s
        for number in range(19):
            await client.look_up(entity(number))
        assert client.observed is None
        await client.look_up(entity(19))
        assert client.observed is not None
        assert client.report()["timeout_s"] < client.timeouts.search_s


async def test_a_timeout_of_our_own_guessing_is_tried_again_with_the_whole_time() -> None:
    async with known() as (client, server):
        assert client.report()["timeout_s"] == pytest.approx(0.4)  # a fifth of the profile's 2 s, the least
        then(server, says(BODY, after_s=0.8))
        with collect_marks() as marks:
            assert await client.look_up(entity(1)) == BODY["data"]["entity"]
        assert marks == {"retried"}
        assert len(server.requests) == 2


async def test_what_times_out_widens_the_next_timeout_and_never_beyond_the_profile() -> None:
    async with known() as (client, server):
        then(server, hangs())
        with pytest.raises(TiloresUnavailable, match="within 2 s"):
            await client.look_up(entity(1))
        assert client.report()["timeout_s"] == PROFILE.search_s
        assert len(server.requests) == 2


async def test_a_pinned_timeout_and_a_callers_own_are_kept_to() -> None:
    async with known(timeout_s=0.3) as (client, server):
        assert client.report()["timeout_pinned"]
        then(server, hangs())
        with pytest.raises(TiloresUnavailable, match=r"within 0\.3 s"):
            await client.look_up(entity(1))
        with pytest.raises(TiloresUnavailable, match=r"within 0\.1 s"):
            await client.look_up(entity(1), timeout_s=0.1)
        assert len(server.requests) == 2


async def late(client: TiloresClient, server: Loopback) -> None:
    """One in 30 answers is late: there is a tail."""
    then(server, says(BODY, after_s=0.3), FOUND)
    await client.look_up(entity(1))
    server.requests.clear()


async def test_a_late_read_is_asked_twice_and_the_first_answer_counts() -> None:
    async with known() as (client, server):
        await late(client, server)
        client._reader.hedging = True
        then(server, hangs(), FOUND)
        with collect_marks() as marks:
            assert await client.look_up(entity(1)) == BODY["data"]["entity"]
        assert marks == {"hedged"}
        assert client.report()["hedged"] == 1
        assert client._limiter.busy == 0


async def test_without_a_tail_nothing_is_asked_twice() -> None:
    async with known(says(BODY, after_s=0.1), hedging=True) as (client, server):
        then(server, says(BODY, after_s=0.3))
        await client.look_up(entity(1))
        assert len(server.requests) == 1


async def test_what_may_be_asked_twice_is_bounded() -> None:
    async with known() as (client, server):
        await late(client, server)
        client._reader.hedging = True
        then(server, says(BODY, after_s=0.3))
        await asyncio.gather(*(client.look_up(entity(number)) for number in range(10)))
        assert client.report()["hedged"] <= 2
