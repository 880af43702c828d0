"""Equal lookups in flight are one request, and each who waits keeps what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx_aiohttp import HttpxAiohttpClient
from support.loopback import Loopback, hangs, loopback, says

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import DeadlineExceeded, TiloresRefused
from tilores_x.tenant import tenant_scope
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.lookup import Lookup

LOOKUP = Lookup("entity(input: $input) { entity { id } }", {"input": {"id": "e1"}}, {"input": "EntityInput!"})
FOUND = says({"data": {"entity": {"entity": {"id": "e1"}}}}, after_s=0.1)
ENTITY = {"entity": {"id": "e1"}}


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback(FOUND) as server:
        yield server


@pytest.fixture
async def client(server: Loopback) -> AsyncIterator[TiloresClient]:
    async with TiloresClient(server.url, http=HttpxAiohttpClient()) as client:
        yield client


async def asked(server: Loopback) -> None:
    while not server.requests:
        await asyncio.sleep(0.001)


async def test_equal_lookups_are_one_request_whenever_they_come(client: TiloresClient, server: Loopback) -> None:
    first = asyncio.create_task(client.look_up(LOOKUP))
    await asked(server)
    found = await asyncio.gather(first, *(client.look_up(LOOKUP) for _ in range(20)))
    assert found == [ENTITY] * 21
    assert len(server.requests) == 1
    assert client.report()["coalesced"] == 20
    assert await client.look_up(LOOKUP) == ENTITY
    assert len(server.requests) == 2


async def test_what_each_gets_is_its_own(client: TiloresClient) -> None:
    first, second = await asyncio.gather(client.look_up(LOOKUP), client.look_up(LOOKUP))
    first["entity"]["id"] = "changed"
    assert second == ENTITY


async def test_one_who_began_and_leaves_takes_it_from_nobody(client: TiloresClient, server: Loopback) -> None:
    first = asyncio.create_task(client.look_up(LOOKUP))
    await asked(server)
    second = asyncio.create_task(client.look_up(LOOKUP))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ENTITY
    assert first.cancelled()
    assert len(server.requests) == 1


async def test_each_keeps_its_own_deadline(client: TiloresClient, server: Loopback) -> None:
    async def within(seconds: float) -> Any:
        with deadline_scope(Deadline.after(seconds)):
            return await client.look_up(LOOKUP)

    hurried, patient = await asyncio.gather(within(0.03), within(5), return_exceptions=True)
    assert isinstance(hurried, DeadlineExceeded)
    assert patient == ENTITY
    assert len(server.requests) == 1


async def test_tenants_share_nothing(client: TiloresClient, server: Loopback) -> None:
    async def of(tenant: str) -> Any:
        with tenant_scope(tenant):
            return await client.look_up(LOOKUP)

    assert await asyncio.gather(of("a"), of("b"), of("a")) == [ENTITY] * 3
    assert len(server.requests) == 2
    assert not any("x0:" in request.json["query"] for request in server.requests)


async def test_after_a_change_nothing_that_began_before_is_joined(client: TiloresClient, server: Loopback) -> None:
    before = asyncio.create_task(client.look_up(LOOKUP))
    await asked(server)
    with pytest.raises(KeyError):  # the scripted server knows no changes
        await client.submit([{"id": "r1"}])
    asks = [before, asyncio.create_task(client.look_up(LOOKUP))]
    assert await asyncio.gather(*asks) == [ENTITY] * 2
    assert len(server.requests) == 3


async def test_a_failure_is_told_to_all_and_kept_for_none() -> None:
    refusal = says({"errors": [{"message": "no", "path": ["entity"]}], "data": None}, after_s=0.02)
    async with (
        loopback(refusal, FOUND) as server,
        TiloresClient(server.url, http=HttpxAiohttpClient()) as client,
    ):
        found = await asyncio.gather(*(client.look_up(LOOKUP) for _ in range(5)), return_exceptions=True)
        assert {type(one) for one in found} == {TiloresRefused}
        assert len({id(one) for one in found}) == 5
        assert all(one.errors for one in found if isinstance(one, TiloresRefused))
        assert await client.look_up(LOOKUP) == ENTITY


async def test_closing_tells_those_who_wait() -> None:
    async with loopback(hangs()) as server:
        async with TiloresClient(server.url, http=HttpxAiohttpClient()) as client:
            waiting = asyncio.create_task(client.look_up(LOOKUP))
            await asked(server)
        with pytest.raises(Exception, match="closed"):
            await waiting
