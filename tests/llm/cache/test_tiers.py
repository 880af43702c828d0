"""What every tier must do, over each of them; the shared ones over a real redis-server."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.caches import BaseCache, InMemoryCache
from support.redis_server import RedisServer

from tilores_x.errors import ConfigError
from tilores_x.llm.cache.connect import connect, is_redis
from tilores_x.llm.cache.foreign import ForeignTier
from tilores_x.llm.cache.keys import Keys, Kind
from tilores_x.llm.cache.memory import OVERHEAD_BYTES, MemoryTier
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.results import Results
from tilores_x.llm.cache.scope import scope
from tilores_x.llm.cache.seal import Seal
from tilores_x.llm.cache.store import Store
from tilores_x.llm.cache.tier import Kept, Tier, TierDown

# langchain-community announces changes of its own at each hit
pytestmark = pytest.mark.filterwarnings("ignore:The default value of `allowed_objects`")

KINDS = ["memory", "redis", "encrypted", "foreign", "community"]
KEYS = Keys()


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def kept(
    payload: bytes = b'"42"', ttl_s: float = 60.0, *, clock: Clock | None = None, tags: tuple[str, ...] = ()
) -> Kept:
    now = clock() if clock else time.time()
    return Kept(payload, now, now + ttl_s, ttl_s, KEYS.tags(tags))


def name(what: str, tenant: str = "a") -> str:
    found = KEYS.name(tenant, Kind.REPLY, [what])
    assert found is not None
    return found


def _community(client: Any) -> BaseCache:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its own end
        module = pytest.importorskip("langchain_community.cache")
    cache: BaseCache = module.AsyncRedisCache(client, ttl=60)
    return cache


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
async def tier(request: pytest.FixtureRequest, redis_server: RedisServer, clock: Clock) -> AsyncIterator[Tier]:
    client: Any = connect(redis_server.url, 5)
    await client.flushall()
    caches: dict[str, Tier] = {
        "memory": MemoryTier(clock=clock),
        "redis": RedisTier(redis_server.url, timeout_s=5, clock=clock),
        "encrypted": RedisTier(redis_server.url, Seal(b"k" * 32), timeout_s=5, clock=clock),
        "foreign": ForeignTier(InMemoryCache(), timeout_s=5, clock=clock),
    }
    if request.param == "community":
        caches["community"] = ForeignTier(_community(client), clock=clock, timeout_s=5)
    chosen = caches[request.param]
    yield chosen
    await chosen.aclose()
    await client.aclose()


async def test_what_is_set_comes_back_as_it_was(tier: Tier) -> None:
    entry = kept(b"\x00\xff" * 3000, tags=("e-1", "e-2"))
    await tier.set(name("one"), entry)
    found = await tier.get(name("one"))
    assert found is not None
    assert found == entry
    assert await tier.get(name("two")) is None
    assert (tier.counts.hits, tier.counts.misses, tier.counts.writes) == (1, 1, 1)
    assert tier.counts.hit_ratio == 0.5


async def test_what_is_too_old_is_not_there(tier: Tier, clock: Clock) -> None:
    await tier.set(name("one"), kept(ttl_s=10, clock=clock))
    clock.now += 9.9
    assert await tier.get(name("one")) is not None
    clock.now += 0.2
    assert await tier.get(name("one")) is None


async def test_what_is_set_again_is_the_new_one(tier: Tier) -> None:
    await tier.set(name("one"), kept(b"old"))
    await tier.set(name("one"), kept(b"new"))
    found = await tier.get(name("one"))
    assert found is not None
    assert found.payload == b"new"


async def test_what_is_deleted_is_gone(tier: Tier) -> None:
    await tier.set(name("one"), kept())
    await tier.set(name("two"), kept())
    assert await tier.delete([name("one")]) == 1
    assert await tier.get(name("one")) is None
    assert await tier.get(name("two")) is not None


async def test_tags_take_only_what_carries_them(tier: Tier) -> None:
    await tier.set(name("one"), kept(tags=("e-1",)))
    await tier.set(name("both"), kept(tags=("e-1", "e-2")))
    await tier.set(name("none"), kept())
    await tier.set(name("one", tenant="b"), kept(tags=("e-1",)))
    if isinstance(tier, ForeignTier):
        with pytest.raises(TierDown, match="can't look for"):
            await tier.delete_tagged(KEYS.tenant_prefix("a"), KEYS.tag("e-1"))
        return
    assert await tier.delete_tagged(KEYS.tenant_prefix("a"), KEYS.tag("e-1")) == 2
    assert await tier.get(name("one")) is None
    assert await tier.get(name("both")) is None
    assert await tier.get(name("none")) is not None
    assert await tier.get(name("one", tenant="b")) is not None
    assert await tier.delete_tagged(KEYS.tenant_prefix("a")) == 1
    assert await tier.get(name("one", tenant="b")) is not None


async def test_many_at_once_each_get_their_own(tier: Tier) -> None:
    await asyncio.gather(*(tier.set(name(str(n)), kept(str(n).encode())) for n in range(100)))
    found = await asyncio.gather(*(tier.get(name(str(n))) for n in range(100)))
    assert [entry.payload for entry in found if entry] == [str(n).encode() for n in range(100)]


async def test_no_tenant_sees_anothers(tier: Tier) -> None:
    """The same question of two tenants, a hundred at once, from cold to kept: each gets its own canary."""
    store = Store(shared=tier, clock=tier._clock)  # type: ignore[attr-defined]

    async def asked(tenant: str) -> Any:
        async def load() -> dict[str, Any]:
            await asyncio.sleep(0.02)
            return {"entity": {"entity": {"id": "e-1", "canary": tenant}}}

        with scope(tenant):
            return await Results(store).fetch("query", {"input": {"id": "e-1"}}, load)

    for _ in range(3):
        tenants = ["ash", "oak"] * 50
        found = await asyncio.gather(*map(asked, tenants))
        assert [one["entity"]["entity"]["canary"] for one in found] == tenants
        store.memory.drop_tagged("")
    assert tier.counts.writes == 2, "each tenant's question was asked once"
    await store.flights.aclose()


def test_memory_stays_within_its_bytes_and_its_entries() -> None:
    memory = MemoryTier(most_bytes=50_000)
    for n in range(200):
        memory.put(name(str(n)), kept(b"x" * 1000))
        assert memory.bytes <= 50_000
    assert len(memory) == 50_000 // (1000 + OVERHEAD_BYTES + len(name("0")))
    assert memory.counts.evictions == 200 - len(memory)
    few = MemoryTier(most_entries=3)
    for n in range(4):
        few.look(name("0"))
        few.put(name(str(n)), kept())
    assert few.look(name("0")) is not None, "the one used last must stay"
    assert few.look(name("1")) is None
    memory.put(name("huge"), kept(b"x" * 40_000))
    assert memory.look(name("huge")) is None, "one entry must not drive out all others"
    memory.drop_tagged("")
    assert memory.bytes == 0


async def test_keys_in_redis_end_by_themselves(redis_tier: RedisTier) -> None:
    await redis_tier.set(name("one"), kept(ttl_s=30))
    assert 29_000 < await redis_tier.client.pttl(name("one")) <= 30_000


@pytest.mark.parametrize(
    "url",
    ["redis://h:1/2", "rediss://u:p@h", "unix:///s", "redis+sentinel://h:1,i:2/main/3", "rediss+cluster://h:7"],
)
async def test_every_kind_of_redis_has_its_client(url: str) -> None:
    assert is_redis(url)
    client: Any = connect(url)
    await client.aclose()


async def test_a_url_that_is_none_is_the_operators_to_mend() -> None:
    assert not is_redis("memory")
    assert not is_redis(None)
    with pytest.raises(ConfigError, match="TILORES_CACHE"):
        connect("redis://h:port")
    with pytest.raises(ConfigError, match="service"):
        connect("redis+sentinel://h:1")


async def test_a_langchain_cache_that_raises_or_hangs_is_left_alone() -> None:
    class Broken(BaseCache):
        calls = 0

        def lookup(self, prompt: str, llm_string: str) -> Any: ...
        def update(self, prompt: str, llm_string: str, return_val: Any) -> None: ...
        def clear(self, **kwargs: Any) -> None: ...

        async def alookup(self, prompt: str, llm_string: str) -> Any:
            self.calls += 1
            await asyncio.sleep(30)

        async def aupdate(self, prompt: str, llm_string: str, return_val: Any) -> None:
            raise OSError

    cache = Broken()
    tier = ForeignTier(cache, timeout_s=0.02)
    assert await tier.get("one") is None
    assert await tier.get("one") is None
    assert cache.calls == 1, "a tier that hung must not be asked again by the next question"
    await tier.set("one", kept())
    await tier.aclose()


def test_a_store_keeps_to_the_memory_it_is_given() -> None:
    memory = MemoryTier(most_bytes=1000)
    assert Store(memory).memory is memory
