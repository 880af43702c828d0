"""Health shared between workers through a real Redis, which may die, hang, or hold nonsense."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from support.models import NOW, Clock
from support.redis_server import RedisServer

from tilores_x.llm import sharing
from tilores_x.llm.health import Event, Health, Outcome
from tilores_x.llm.sharing import STREAM, SharedHealth, connect


@pytest.fixture(scope="module")
def server():
    with RedisServer() as running:
        yield running


class Worker:
    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.clock = clock or Clock(time.time())
        self.health = Health(clock=self.clock)
        self.redis = connect(url)
        self.shared = SharedHealth(self.health, self.redis)

    def fail(self, times: int = 3, name: str = "alpha:m") -> None:
        for _ in range(times):
            self.health.finished(name, Outcome.FAILED, seconds=0.1)

    def held(self, name: str = "alpha:m") -> bool:
        known = self.health.snapshot().models.get(name)
        return known is not None and known.held_until > self.clock()


@pytest.fixture
async def workers(server):
    clock = Clock(time.time())
    pair = Worker(server.url, clock), Worker(server.url, clock)
    await pair[0].redis.flushall()
    yield pair
    for worker in pair:
        await worker.redis.aclose()


async def test_a_cooldown_in_one_worker_is_one_in_all(workers):
    one, two = workers
    one.fail()
    assert await one.shared.sync()
    assert not two.held()
    assert await two.shared.sync()
    assert two.held()


async def test_what_is_measured_is_shared(workers):
    one, two = workers
    limits = {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "400",
        "x-ratelimit-reset-tokens": "9s",
    }
    for _ in range(5):
        one.health.finished("alpha:m", Outcome.OK, seconds=2.0, first_token_s=0.5, output_tokens=150, headers=limits)
    await one.shared.sync()
    await two.shared.sync()
    assert two.health.snapshot().models == one.health.snapshot().models
    assert two.health.snapshot().models["alpha:m"].tokens_per_s == (100.0, 100.0, 5)


async def test_a_refused_key_and_the_recovery_are_shared(workers):
    one, two = workers
    one.health.finished("alpha:m", Outcome.DENIED)
    await one.shared.sync()
    await two.shared.sync()
    assert "alpha" in two.health.snapshot().providers
    one.clock.now += 300
    two.health.started("alpha:m")
    two.health.finished("alpha:m", Outcome.OK, seconds=1.0)
    await two.shared.sync()
    await one.shared.sync()
    one.health.started("alpha:m")
    assert one.health.snapshot().providers == {}, "closed for all, so no single call is waited for"


async def test_nothing_is_taken_in_twice_or_from_oneself(workers):
    one, two = workers
    one.health.finished("alpha:m", Outcome.OK, seconds=1.0)
    for _ in range(3):
        await one.shared.sync()
        await two.shared.sync()
    assert one.health.snapshot().models["alpha:m"].calls == 1
    assert two.health.snapshot().models["alpha:m"].calls == 1


async def test_a_new_worker_learns_what_the_others_know(workers, server):
    workers[0].fail()
    await workers[0].shared.sync()
    late = Worker(server.url, workers[0].clock)
    await late.shared.sync()
    assert late.held()
    await late.redis.aclose()


async def test_old_events_and_nonsense_in_redis_are_left_out(workers):
    one, two = workers
    for nonsense in (b"", b"{}", b"[1,2,3]", b'["x"]', b"\xff", b'[1e999,"alpha:m","failed"]'):
        await one.redis.xadd(STREAM, {b"worker": b"w", b"event": nonsense})
    await one.redis.xadd(STREAM, {b"other": b"field"})
    for at in (two.clock() - 1000, two.clock() + 1000):
        for _ in range(3):
            one.shared._tell(Event(at=at, model="alpha:m", outcome=Outcome.FAILED))
    assert await one.shared.sync()
    assert await two.shared.sync()
    assert two.health.snapshot().models == {}


async def test_the_stream_stays_small(workers):
    one, _ = workers
    for _ in range(60):
        for _ in range(200):
            one.health.finished("alpha:m", Outcome.OK, seconds=1.0)
        await one.shared.sync()
    assert await one.redis.xlen(STREAM) < 6000


async def test_a_failure_is_told_at_once(workers, monkeypatch):
    monkeypatch.setattr(sharing, "EVERY_S", 3600)
    one, two = workers
    async with one.shared:
        one.fail()
        async with asyncio.timeout(10):
            while not two.held():
                await asyncio.sleep(0.02)
                await two.shared.sync()


async def test_running_workers_hear_of_a_failure_without_being_asked(server):
    one, two = Worker(server.url), Worker(server.url)
    await one.redis.flushall()
    async with one.shared, two.shared:
        one.fail()
        async with asyncio.timeout(10):
            while not two.held():
                await asyncio.sleep(0.02)
    assert one.health.tell is None


class TestWithoutRedis:
    async def test_a_dead_server_is_said_once_and_survived(self, caplog):
        with RedisServer() as server:
            worker = Worker(server.url)
            assert await worker.shared.sync()
            server.stop()
            worker.fail()
            with caplog.at_level(logging.WARNING):
                assert not await worker.shared.sync()
                assert not await worker.shared.sync()
            assert len(caplog.records) == 1
            assert worker.held(), "what it saw itself still counts"
            server.start()
            assert await worker.shared.sync()
            other = Worker(server.url)
            await other.shared.sync()
            assert other.held(), "what was untold was told when Redis was back"
            await worker.redis.aclose()
            await other.redis.aclose()

    async def test_a_server_that_hangs_holds_nothing_up(self):
        with RedisServer() as server:
            worker = Worker(server.url)
            assert await worker.shared.sync()
            server.freeze()
            try:
                async with asyncio.timeout(5):
                    assert not await worker.shared.sync()
            finally:
                server.thaw()
            await worker.redis.aclose()

    async def test_a_server_that_never_was_is_survived_from_start_to_end(self, tmp_path):
        worker = Worker(f"unix://{tmp_path}/none", Clock(NOW))
        async with worker.shared:
            worker.fail()
            assert worker.held()
