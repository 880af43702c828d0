"""No connection is lost to a call that was cancelled or that failed, whenever that happens."""

from __future__ import annotations

import asyncio
import random

import pytest
from support.clients import CLIENTS, Calling, Clients, clients, environ
from support.provider import Provider
from support.wire import Fault, Script

from tilores_x.errors import TiloresXError
from tilores_x.llm import endpoints

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOTS = 4


async def _interrupted(at: Calling, name: str, after_s: float) -> None:
    try:
        async with asyncio.timeout(after_s):
            await at.ask(name)
    except (TimeoutError, TiloresXError):
        pass


@pytest.mark.parametrize("client", CLIENTS)
async def test_cancelled_calls_give_their_connections_back(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    """The pool is made small, so that a few lost connections would stop everything."""
    kind, name = client.split("-")
    monkeypatch.setattr(endpoints, "MOST_CONNECTIONS", SLOTS)
    provider.always(Script("word " * 20, ttft_s=0.01, tokens_per_s=1000))
    async with clients(environ(provider)) as made:
        at = made.calling(stock=kind == "stock")
        await at.ask(name)
        for _ in range(5):
            await asyncio.gather(*(_interrupted(at, name, random.uniform(0, 0.04)) for _ in range(4 * SLOTS)))
        async with asyncio.timeout(5):
            called = await asyncio.gather(*(at.ask(name) for _ in range(SLOTS)))
        assert all(one.message.content == "word " * 20 for one in called)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", [Fault.BROKEN_JSON, Fault.ERROR_EVENT, Fault.TRUNCATE, Fault.RESET])
async def test_failed_calls_give_their_connections_back(
    provider: Provider, made: Clients, client: str, fault: Fault
) -> None:
    kind, name = client.split("-")
    provider.always(Script("word " * 20, fault=fault, after=3))
    at = made.calling(stock=kind == "stock")
    for _ in range(3):
        await _interrupted(at, name, 5)
    while provider.counts.streams:
        await asyncio.sleep(0.01)
    provider.forget()
    assert (await made.calling(stock=kind == "stock").ask(name)).message.content == "It is 42."


async def test_connections_are_used_again(provider: Provider, made: Clients) -> None:
    provider.always(Script("word " * 20))
    at = made.calling()
    for _ in range(10):
        await at.ask("groq")
    assert provider.counts.connections <= 2
