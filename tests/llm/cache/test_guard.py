"""The breaker: silence opens it, a busy machine does not, and it closes by itself."""

from __future__ import annotations

import asyncio

import pytest

from tilores_x.llm.cache.guard import Guard
from tilores_x.llm.cache.tier import TierDown


async def slow() -> None:
    await asyncio.sleep(30)


async def quick() -> str:
    return "here"


async def test_silence_opens_it_and_a_sign_of_life_closes_it() -> None:
    alive = asyncio.Event()

    async def probe() -> None:
        if not alive.is_set():
            raise OSError

    guard = Guard("it", probe, 0.02)
    with pytest.raises(TierDown):
        await guard.run(slow)
    assert guard.open
    with pytest.raises(TierDown):
        await guard.run(quick)
    alive.set()
    async with asyncio.timeout(10):
        while guard.open:
            await asyncio.sleep(0.01)
    assert await guard.run(quick) == "here"
    assert guard.trips == 1
    await guard.aclose()


async def test_a_late_answer_among_prompt_ones_is_no_outage() -> None:
    """A call that is slow on a busy machine must not cost all others their second tier."""
    guard = Guard("it", quick, 1.0)

    async def late() -> None:
        await guard.run(slow, 0.05)

    waiting = asyncio.create_task(late())
    await asyncio.sleep(0.01)
    assert await guard.run(quick) == "here"
    with pytest.raises(TierDown):
        await waiting
    assert not guard.open
    await guard.aclose()


async def test_silence_after_an_answer_opens_it() -> None:
    guard = Guard("it", quick, 0.02)
    assert await guard.run(quick) == "here"
    with pytest.raises(TierDown):
        await guard.run(slow)
    assert guard.open
    await guard.aclose()


async def test_a_lost_connection_opens_it_at_once() -> None:
    async def refused() -> None:
        await guard.run(quick)
        raise ConnectionRefusedError

    guard = Guard("it", quick, 5)
    with pytest.raises(TierDown):
        await guard.run(refused)
    assert guard.open
    await guard.aclose()


async def test_a_refusal_is_an_answer() -> None:
    async def denied() -> None:
        raise ValueError("READONLY")

    guard = Guard("it", quick, 5)
    with pytest.raises(TierDown):
        await guard.run(denied)
    assert not guard.open
