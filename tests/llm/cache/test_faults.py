"""A real redis-server that dies, hangs, refuses and comes back: no question is lost, wrong, or kept waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.redis_server import RedisServer

from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.results import Results
from tilores_x.llm.cache.store import Store
from tilores_x.llm.cache.tier import TierDown

DATA = {"entity": {"entity": {"id": "e-1", "name": "Ann"}}}
PATIENCE_S = 5.0
"""Far more than a question may wait, on however busy a machine: who hangs with Redis hangs until it is thawed. How long
the wait is at the 99th percentile, ``benchmarks/cache.py`` tells."""


class Watched(RedisTier):
    """``asked``: how often Redis was turned to."""

    asked = 0

    @property
    def client(self) -> Any:
        self.asked += 1
        return super().client


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[Store]:
    made = Store(shared=Watched(server.url))
    yield made
    await made.aclose()


@pytest.fixture
async def patient(server: RedisServer) -> AsyncIterator[Store]:
    """For faults that are told at once: a busy machine must not be taken for a hanging Redis."""
    made = Store(shared=RedisTier(server.url, timeout_s=5))
    yield made
    await made.aclose()


def tier_of(store: Store) -> RedisTier:
    assert isinstance(store.shared, RedisTier)
    return store.shared


async def ask(store: Store, number: int) -> float:
    """One question's reads, all of them new to memory; how long it took."""
    results = Results(store)

    async def load() -> dict[str, Any]:
        return {**DATA, "number": number}

    began = time.monotonic()
    found = await results.fetch("query", {"number": number}, load)
    assert found == {**DATA, "number": number}
    return time.monotonic() - began


async def under_load(store: Store, first: int = 0) -> list[float]:
    return await asyncio.gather(*(ask(store, first + number) for number in range(100)))


async def hits_resume(store: Store) -> None:
    """What is set now is found again in Redis, without anything being restarted on our side."""
    until = time.monotonic() + 10
    number = 1_000_000
    while time.monotonic() < until:
        number += 1
        await ask(store, number)
        store.memory.drop_tagged("")
        hits = tier_of(store).counts.hits
        await ask(store, number)
        if tier_of(store).counts.hits > hits:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("no hits any more")


async def test_killed_under_load(server: RedisServer, store: Store) -> None:
    await under_load(store)
    server.stop()
    took = await under_load(store, 1000)
    assert max(took) < PATIENCE_S
    assert tier_of(store).guard.open
    server.start()
    await hits_resume(store)


async def strike(fault: Callable[[], None]) -> None:
    """In the midst of what runs beside it."""
    for _ in range(3):
        await asyncio.sleep(0)
    fault()


async def test_killed_in_the_midst(server: RedisServer, store: Store) -> None:
    took, _ = await asyncio.gather(under_load(store), strike(server.stop))
    assert max(took) < PATIENCE_S
    server.start()
    await hits_resume(store)


async def test_hanging_in_the_midst(server: RedisServer, store: Store) -> None:
    took, _ = await asyncio.gather(under_load(store), strike(server.freeze))
    assert max(took) < PATIENCE_S
    server.thaw()
    await hits_resume(store)


async def test_hanging_under_load(server: RedisServer, store: Store) -> None:
    await under_load(store)
    server.freeze()
    took = await under_load(store, 1000)
    assert max(took) < PATIENCE_S
    tier = tier_of(store)
    assert isinstance(tier, Watched)
    before = tier.asked
    await under_load(store, 2000)
    assert tier.asked - before < 10, "the breaker must spare the next ones the wait: only it looks for a sign of life"
    assert tier.guard.trips == 1
    server.thaw()
    await hits_resume(store)


async def test_restarted_in_between(server: RedisServer, store: Store) -> None:
    await under_load(store)
    server.stop()
    server.start()
    await under_load(store, 1000)
    await hits_resume(store)


async def test_memory_used_up(server: RedisServer, patient: Store) -> None:
    client = tier_of(patient).client
    await client.config_set("maxmemory-policy", "noeviction")
    await client.config_set("maxmemory", "1mb")
    await under_load(patient)
    assert tier_of(patient).counts.failures
    assert not tier_of(patient).guard.open, "a refusal is quick: reads may go on"
    await client.config_set("maxmemory", "0")
    await hits_resume(patient)


async def test_evicting_all_the_time(server: RedisServer, patient: Store) -> None:
    client = tier_of(patient).client
    await client.config_set("maxmemory-policy", "allkeys-random")
    await client.config_set("maxmemory", "1200kb")
    for first in (0, 0, 0):
        await under_load(patient, first)
        patient.memory.drop_tagged("")


async def test_read_only(server: RedisServer, patient: Store) -> None:
    await ask(patient, 1)
    client = tier_of(patient).client
    await client.execute_command("REPLICAOF", "127.0.0.1", "1")
    await under_load(patient, 1000)
    assert tier_of(patient).counts.failures
    patient.memory.drop_tagged("")
    hits = tier_of(patient).counts.hits
    await ask(patient, 1)
    assert tier_of(patient).counts.hits == hits + 1, "what can be read is read"
    await client.execute_command("REPLICAOF", "NO", "ONE")
    await hits_resume(patient)


async def test_permission_denied(server: RedisServer, patient: Store) -> None:
    client = tier_of(patient).client
    await client.execute_command("ACL", "SETUSER", "default", "-@all", "+acl", "+ping")
    await under_load(patient)
    with pytest.raises(TierDown):
        await patient.erase("default")
    await client.execute_command("ACL", "SETUSER", "default", "+@all")
    await hits_resume(patient)


async def test_without_a_redis_from_the_beginning(server: RedisServer) -> None:
    server.stop()
    store = Store(shared=RedisTier(server.url))
    assert max(await under_load(store)) < PATIENCE_S
    server.start()
    await hits_resume(store)
    await store.aclose()


async def test_an_erasure_that_cannot_be_carried_out_is_told(server: RedisServer, store: Store) -> None:
    await ask(store, 1)
    server.stop()
    with pytest.raises(TierDown):
        await store.erase("default")
    assert len(store.memory) == 0


async def test_a_change_while_redis_is_away_still_counts_afterwards(server: RedisServer, store: Store) -> None:
    results = Results(store)
    said = "old"

    async def load() -> dict[str, Any]:
        return {"entity": {"entity": {"id": "e-1", "said": said}}}

    await results.fetch("q", {}, load)
    other = Store(shared=RedisTier(server.url))
    assert await Results(other).fetch("q", {}, load)
    server.freeze()
    await results.changed()
    said = "new"
    assert not store.epochs.told
    server.thaw()
    until = time.monotonic() + 5
    while not store.epochs.told:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
        await store.epochs.sync()
    await other.epochs.sync()
    assert (await Results(other).fetch("q", {}, load))["entity"]["entity"]["said"] == "new"
    assert (await results.fetch("q", {}, load))["entity"]["entity"]["said"] == "new"
    await other.aclose()
