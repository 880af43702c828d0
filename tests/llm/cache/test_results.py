"""Results of Tilores: what is kept of them, and that processes over one Redis work, change and erase as one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tilores_x.llm.cache.flight import LEASE_S
from tilores_x.llm.cache.keys import Keys, Kind
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.results import Results
from tilores_x.llm.cache.store import Store

DATA = {"entity": {"entity": {"id": "e-1", "name": "Ann"}}}


async def load_data() -> dict[str, Any]:
    return DATA


async def test_two_processes_make_one_call(stores: tuple[Store, Store]) -> None:
    made = 0

    async def load() -> dict[str, Any]:
        nonlocal made
        made += 1
        await asyncio.sleep(0.2)
        return DATA

    found = await asyncio.gather(*(Results(store).fetch("q", {}, load) for store in stores for _ in range(50)))
    assert made == 1
    assert all(one == DATA for one in found)


async def test_a_process_that_died_is_not_waited_for_long(stores: tuple[Store, Store]) -> None:
    store = stores[0]
    results = Results(store)
    key = await results._name("default", "q", {})
    assert key is not None
    assert isinstance(store.shared, RedisTier)
    await store.shared.client.set(f"{key}:lease", "dead", px=int(LEASE_S * 1000 / 6))

    async def load() -> dict[str, Any]:
        return DATA

    assert await asyncio.wait_for(results.fetch("q", {}, load), LEASE_S) == DATA


async def test_when_the_other_process_fails_its_followers_ask_themselves(stores: tuple[Store, Store]) -> None:
    async def failing() -> dict[str, Any]:
        await asyncio.sleep(0.15)
        raise OSError

    async def load() -> dict[str, Any]:
        return DATA

    leader = asyncio.create_task(Results(stores[0]).fetch("q", {}, failing))
    await asyncio.sleep(0.05)
    found = await asyncio.gather(*(Results(stores[1]).fetch("q", {}, load) for _ in range(10)))
    assert all(one == DATA for one in found)
    with pytest.raises(OSError):
        await leader


async def test_erased_in_one_process_is_erased_in_all(stores: tuple[Store, Store]) -> None:
    here, there = stores
    keys = Keys()
    for store in stores:
        await Results(store).fetch("query", {}, load_data)
        await store.put(str(keys.name("other", Kind.REPLY, [1])), b"1", begun_at=time.time() + 1)
    begun_at = time.time()
    removed = await here.erase("default", ["e-1"])
    assert removed == {"L1 memory": 1, "L2 redis": 1}
    await there.epochs.sync()
    assert not [key for key in there.memory._entries if key.startswith(keys.tenant_prefix("default"))]
    assert await there.get(str(keys.name("other", Kind.REPLY, [1]))) is not None, "another tenant's is not touched"
    late = str(keys.name("default", Kind.REPLY, ["late"]))
    assert await there.put(late, b"erased data", begun_at=begun_at) is None, "work begun before it came back"
    assert await there.put(late, b"new", begun_at=time.time() + 1) is not None


async def test_a_change_ends_what_was_kept_in_every_process(stores: tuple[Store, Store]) -> None:
    here, there = (Results(store) for store in stores)
    said = "old"

    async def load() -> dict[str, Any]:
        return {"entity": {"entity": {"id": "e-1", "said": said}}}

    for results in (here, there):
        assert (await results.fetch("q", {}, load))["entity"]["entity"]["said"] == "old"
    said = "new"
    assert (await here.fetch("q", {}, load))["entity"]["entity"]["said"] == "old"
    await here.changed()
    assert (await here.fetch("q", {}, load))["entity"]["entity"]["said"] == "new"
    await stores[1].epochs.sync()
    assert (await there.fetch("q", {}, load))["entity"]["entity"]["said"] == "new"
    said = "newer"  # Tilores is still linking: what it says now is not kept
    assert (await here.fetch("q", {}, load))["entity"]["entity"]["said"] == "newer"


async def test_nobody_found_is_not_held_for_long() -> None:
    store = Store()

    async def load() -> dict[str, Any]:
        return {"s0": {"totalCount": 0, "entities": []}}

    await Results(store).fetch("q", {}, load)
    (kept,) = store.memory._entries.values()
    assert kept.expires_at - kept.written_at <= 5


async def test_errors_are_not_kept_and_nobody_changes_anothers_copy() -> None:
    results = Results(Store())
    answers: list[Any] = [OSError(), DATA]

    async def load() -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    with pytest.raises(OSError):
        await results.fetch("q", {}, load)
    first = await results.fetch("q", {}, load)
    first["entity"]["entity"]["name"] = "changed"
    assert await results.fetch("q", {}, load) == DATA
