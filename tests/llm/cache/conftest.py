"""A real redis-server, and stores over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from support.redis_server import RedisServer

from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.store import Store


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
async def redis_tier(redis_server: RedisServer) -> AsyncIterator[RedisTier]:
    tier = RedisTier(redis_server.url)
    await tier.client.flushall()
    yield tier
    await tier.aclose()


@pytest.fixture
async def stores(redis_server: RedisServer) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' stores over one Redis, as far as they are concerned."""
    pair = Store(shared=RedisTier(redis_server.url)), Store(shared=RedisTier(redis_server.url))
    for store in pair:
        assert isinstance(store.shared, RedisTier)
        await store.shared.client.flushall()
    yield pair
    for store in pair:
        await store.aclose()
