"""The same question again: as a whole answer, and with only its model calls and searches kept."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from caching.timing import micros
from support.pipeline import pipeline, truth
from support.provider import Provider
from support.redis_server import RedisServer
from support.wire import Script

from tilores_x.llm.cache.redis import RedisTier

QUESTION = "who is client ID 4001"


async def whole_answers(server: RedisServer, provider: Provider, folder: Path) -> list[str]:
    name = next(one for one in truth() if one["client_id"] == "4001")["last_name"]
    provider.forget()
    provider.always(Script(f"It is {name}."))
    rows = []
    async with pipeline(folder, provider, cache=server.url, cache_result_s=600, cache_timeout_s=5) as asker:
        assert asker.resources.cache is not None
        memory = asker.resources.cache.store.memory

        async def ask() -> object:
            return await asker.ask(QUESTION)

        def parts_only() -> None:
            memory.drop([key for key in memory._entries if ":answer:" in key])

        began = time.perf_counter()
        await ask()
        rows.append(f"| cold (a provider that answers at once) | {(time.perf_counter() - began) * 1e3:.2f} |")
        rows.append(f"| whole answer, L1 | {await micros(ask, 500) / 1e3:.2f} |")
        rows.append(f"| whole answer, L2 | {await micros(ask, 300, lambda: memory.drop_tagged('')) / 1e3:.2f} |")
        tier = asker.resources.cache.store.shared
        assert isinstance(tier, RedisTier)
        async for key in tier.client.scan_iter("*answer*"):
            await tier.client.delete(key)
        kept = asker.resources.__dict__
        kept["kept_answers"] = None  # whole answers off: only calls and searches are kept
        await ask()
        calls = provider.counts.requests
        rows.append(f"| model call and search from L1, the graph runs | {await micros(ask, 200) / 1e3:.2f} |")
        del kept["kept_answers"]
        assert provider.counts.requests == calls
        await ask()
        server.stop()
        rows.append(f"| whole answer, L1, Redis stopped | {await micros(ask, 300) / 1e3:.2f} |")
        kept["kept_answers"] = None
        rows.append(f"| model call and search from L1, Redis stopped | {await micros(ask, 100) / 1e3:.2f} |")
        del kept["kept_answers"]
        fresh = await micros(lambda: asker.ask(QUESTION, fresh=True), 30)
        rows.append(f"| fresh, Redis stopped | {fresh / 1e3:.2f} |")
        server.start()
    return ["| the same question | ms |", "|---|---|", *rows]


async def graph_alone() -> list[str]:
    """Our own work on a question whose model call and search are kept in memory: wall clock and CPU."""
    name = next(one for one in truth() if one["client_id"] == "4001")["last_name"]
    with tempfile.TemporaryDirectory() as folder, Provider() as provider:
        provider.always(Script(f"It is {name}."))
        async with pipeline(Path(folder), provider, cache="memory", cache_result_s=600) as asker:
            asker.resources.__dict__["kept_answers"] = None  # whole answers off

            async def ask() -> object:
                return await asker.ask(QUESTION)

            await ask()
            calls = provider.counts.requests
            each = await micros(ask, 300) / 1e3
            began = time.process_time()
            for _ in range(200):
                await ask()
            cpu = (time.process_time() - began) / 200 * 1e3
            assert provider.counts.requests == calls
    return [f"The graph with its model call and search from L1: {each:.2f} ms, of that {cpu:.2f} ms of CPU."]
