"""Entries in Redis that are damaged, moved, old or foreign, while a hundred questions at once read them."""

from __future__ import annotations

import asyncio
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tilores_x.llm.cache import seal
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.results import Results
from tilores_x.llm.cache.scope import scope
from tilores_x.llm.cache.seal import Seal, Unverified
from tilores_x.llm.cache.store import Store

COUNT = 100
SEALS = {"plain": Seal(), "encrypted": Seal(b"k" * 32)}
Damage = Callable[[bytes, bytes], bytes]
"""Of an entry's bytes, and those of another tenant's entry for the same question."""


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.place),)


def flipped(mine: bytes, other: bytes) -> bytes:
    at = len(mine) // 2
    return mine[:at] + bytes([mine[at] ^ 4]) + mine[at + 1 :]


DAMAGES: dict[str, Damage] = {
    "truncated": lambda mine, other: mine[:-3],
    "flipped": flipped,
    "another tenant's": lambda mine, other: other,
    "pickled": lambda mine, other: mine,  # see below: it needs a place to go off in
}


async def ask(store: Store, tenant: str, number: int) -> None:
    """The question must be answered with the tenant's own data, whatever lies in Redis."""
    wanted = {"entity": {"entity": {"id": f"e-{number}", "of": tenant, "number": number}}}

    async def load() -> dict[str, Any]:
        return wanted

    with scope(tenant):
        assert await Results(store).fetch("query", {"number": number}, load) == wanted


async def ask_all(store: Store, tenant: str) -> None:
    await asyncio.gather(*(ask(store, tenant, number) for number in range(COUNT)))


async def entries(tier: RedisTier, prefix: str) -> list[bytes]:
    return sorted([key async for key in tier.client.scan_iter(f"{prefix}result*")])


@pytest.mark.parametrize("sealed", SEALS)
@pytest.mark.parametrize("kind", [*DAMAGES, "old version"])
async def test_damage_is_a_miss_under_load_and_is_mended(
    redis_tier: RedisTier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sealed: str
) -> None:
    tier = RedisTier(redis_tier._url, SEALS[sealed], timeout_s=5)
    store = Store(shared=tier)
    place = tmp_path / "run"
    with monkeypatch.context() as old:
        if kind == "old version":  # written whole and right, but by another version
            old.setattr(seal, "VERSION", seal.VERSION - 1)
        await ask_all(store, "mine")
    await ask_all(store, "theirs")
    mine = await entries(tier, store.keys.tenant_prefix("mine"))
    theirs = await entries(tier, store.keys.tenant_prefix("theirs"))
    assert len(mine) == len(theirs) == COUNT
    if kind != "old version":
        for key, other in zip(mine, theirs, strict=True):
            damaged = DAMAGES[kind](await tier.client.get(key), await tier.client.get(other))
            await tier.client.set(key, pickle.dumps(Bomb(place)) if kind == "pickled" else damaged, px=60_000)
    store.memory.drop_tagged("")
    await ask_all(store, "mine")
    assert tier.counts.unverified == COUNT
    assert tier.counts.hits == 0
    assert not place.exists()
    store.memory.drop_tagged("")
    await ask_all(store, "mine")
    assert tier.counts.hits == COUNT, "what was damaged has been written anew"
    await store.aclose()


def test_a_version_that_is_not_ours_is_refused_by_its_number() -> None:
    """And not by luck: all else in it is right."""
    packed = bytearray(Seal().pack("name", seal.Kept(b"1", 1.0, 2e9, 60.0)))
    magic, version = struct.unpack_from(">2sB", packed)
    assert (magic, version) == (seal.MAGIC, seal.VERSION)
    packed[2] = version + 1
    packed[-16:] = seal._digest("name", bytes(packed[: -16 - 1]), b"1")
    with pytest.raises(Unverified):
        Seal().unpack("name", bytes(packed))
