"""How long an entry is kept: its own use, and its tier's."""

from __future__ import annotations

import pytest

from tilores_x.llm.cache.memory import MemoryTier
from tilores_x.llm.cache.store import Store
from tilores_x.llm.cache.tier import Kept
from tilores_x.llm.cache.ttl import Ttl


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def store(clock: Clock, *, by_use: bool = True) -> Store:
    ttl = Ttl(100.0, 10.0, 500.0, by_use)
    return Store(MemoryTier(clock=clock), memory_ttl=ttl, shared_ttl=Ttl(1000.0, 10.0, 5000.0, by_use), clock=clock)


async def test_what_is_used_late_is_kept_longer_up_to_the_longest() -> None:
    clock = Clock()
    kept = store(clock)
    await kept.put("k", b"1", begun_at=clock())
    clock.now += 40
    assert await kept.get("k", by_use=True)
    clock.now += 70
    assert await kept.get("k") is None, "a hit with more than half of the time left earns nothing"
    await kept.put("k", b"1", begun_at=clock())
    written_at = clock.now
    for _ in range(20):
        clock.now += 60
        found = await kept.get("k", by_use=True)
        if found is None:
            break
        assert found.expires_at <= written_at + 500
    assert written_at + 400 < clock.now <= written_at + 560, "used all the time, and yet it ends"


async def test_results_are_never_kept_longer_by_use() -> None:
    clock = Clock()
    kept = store(clock)
    await kept.put("k", b"1", ttl_s=60, begun_at=clock())
    clock.now += 50
    assert await kept.get("k")
    clock.now += 11
    assert await kept.get("k") is None


async def test_it_can_be_switched_off() -> None:
    clock = Clock()
    kept = store(clock, by_use=False)
    await kept.put("k", b"1", begun_at=clock())
    clock.now += 90
    assert await kept.get("k", by_use=True)
    clock.now += 11
    assert await kept.get("k", by_use=True) is None


@pytest.mark.parametrize(("by_use", "shorter"), [(True, True), (False, False)])
def test_a_tier_whose_hit_ratio_falls_gives_new_entries_less_time(by_use: bool, shorter: bool) -> None:
    ttl = Ttl(100.0, 10.0, 500.0, by_use)
    for _ in range(2000):
        ttl.seen(hit=True)
    assert ttl.new_s() == 100
    for _ in range(200):
        ttl.seen(hit=False)
    assert (ttl.new_s() < 60) == shorter
    for _ in range(5000):
        ttl.seen(hit=False)
    assert ttl.new_s() >= 10


def test_an_entry_at_its_longest_is_not_written_again_at_each_hit() -> None:
    ttl = Ttl(100.0, 10.0, 300.0)
    assert ttl.renewed(Kept(b"", 0.0, 100.0, 100.0), 60) is not None
    assert ttl.renewed(Kept(b"", 0.0, 300.0, 200.0), 299) is None
