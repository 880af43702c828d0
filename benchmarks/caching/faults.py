"""What a question pays for a Redis at fault: the latency added at the 99th percentile, in units of the timeout."""

from __future__ import annotations

import asyncio
import gc
import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from support.redis_server import RedisServer

from tilores_x.llm.cache.guard import TIMEOUT_S
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.results import Results
from tilores_x.llm.cache.store import Store

ROUNDS = 10
Fault = Callable[[RedisServer, Any], Awaitable[object]]


async def hundred(store: Store, first: int) -> list[float]:
    """Seconds for each of 100 questions at once, all of them new."""
    results = Results(store)

    async def load() -> dict[str, Any]:
        return {"entity": {"entity": {"id": "e-1"}}}

    async def ask(number: int) -> float:
        began = time.perf_counter()
        await results.fetch("query", {"number": number}, load)
        return time.perf_counter() - began

    return await asyncio.gather(*(ask(first + number) for number in range(100)))


def p99(took: list[float]) -> float:
    """Seconds: the median of the rounds' 99th percentiles (of a hundred, the slowest but one)."""
    rounds = [sorted(took[at : at + 100])[98] for at in range(0, len(took), 100)]
    return statistics.median(rounds)


async def _none(server: RedisServer, client: Any) -> None:
    pass


async def _killed(server: RedisServer, client: Any) -> None:
    server.stop()


async def _frozen(server: RedisServer, client: Any) -> None:
    server.freeze()


async def _restarted(server: RedisServer, client: Any) -> None:
    server.stop()
    await asyncio.to_thread(server.start)


async def _full(server: RedisServer, client: Any) -> None:
    await client.config_set("maxmemory", "1mb")


async def _read_only(server: RedisServer, client: Any) -> None:
    await client.execute_command("REPLICAOF", "127.0.0.1", "1")


async def _denied(server: RedisServer, client: Any) -> None:
    await client.execute_command("ACL", "SETUSER", "default", "-@all", "+ping")


FAULTS: dict[str, Fault] = {
    "well": _none,
    "killed": _killed,
    "frozen (SIGSTOP)": _frozen,
    "restarted": _restarted,
    "its memory used up": _full,
    "read only": _read_only,
    "permission denied": _denied,
}


async def measured(fault: Fault) -> tuple[list[float], list[float]]:
    """In the rounds in which the fault strikes in the midst of the questions, and in the rounds after these."""
    struck, after = [], []
    for _ in range(ROUNDS):
        with RedisServer() as server:
            store, other = Store(shared=RedisTier(server.url)), RedisTier(server.url, timeout_s=5)
            await hundred(store, 0)
            await other.client.ping()

            async def strike(server: RedisServer = server, client: Any = other.client) -> None:
                await asyncio.sleep(0.002)
                await fault(server, client)

            took, _ = await asyncio.gather(hundred(store, 1000), strike())
            struck += took
            after += await hundred(store, 2000)
            server.thaw() if fault is _frozen else None  # or it could not end
            await store.aclose()
            await other.aclose()
    return struck, after


async def faults() -> list[str]:
    """A table. The yardstick of each row is the same hundred questions without any Redis, in the same run."""
    without: list[float] = []
    with RedisServer() as server:  # the first use imports and compiles a good deal
        store = Store(shared=RedisTier(server.url))
        await hundred(store, 0)
        await store.aclose()
    gc.collect()
    gc.freeze()  # or its walks through all that this process has loaded would be the 99th percentile
    for number in range(ROUNDS):
        without += await hundred(Store(), number)
    base = p99(without)
    logging.getLogger("tilores_x").setLevel(logging.ERROR)
    rows = []
    for name, fault in FAULTS.items():
        struck, after = await measured(fault)
        shares = [f"{(p99(took) - base) / TIMEOUT_S:.2f}" for took in (struck, after)]
        rows.append(f"| {name} | {shares[0]} | {shares[1]} |")
    return [
        f"Latency added at the 99th percentile of 100 questions at once, in units of the cache's timeout "
        f"({TIMEOUT_S * 1e3:.0f} ms; aim: at most 2; the median of {ROUNDS} rounds):",
        "",
        "| Redis is | struck in their midst | the next hundred |",
        "|---|---|---|",
        *rows,
        "",
        f"(Without any Redis the 99th percentile is {base * 1e3:.1f} ms.)",
    ]
