"""What routing costs, and what it saves: choose(), a question's overhead, and the slowest answers of a moody provider.

    python benchmarks/routing.py [--questions 1500] [--write]

Providers run in a process of their own (``tests/support/provider.py``), with the same seed for each way of calling
them. The slow tails are a log-normal one, and one with two humps where 2 % of the requests wait ten times as long; in
both the 99th percentile of the time to the first token is ten times the median of 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from moody.providers import providers  # noqa: E402
from moody.ways import Ask, bare, bare_streaming, middleware, ours, ours_hedging  # noqa: E402

AT_ONCE = 10
WARM_UP = 60


def choosing() -> str:
    """Microseconds for ``choose()`` over 50 models, all of them measured."""
    from tilores_x.llm.catalog import ModelCatalog, Priority
    from tilores_x.llm.health import Health, Outcome
    from tilores_x.llm.routing import choose

    shipped = ModelCatalog.load()
    live = [model for model in shipped if not model.local and not model.shutdown and model.tools]
    models = [live[number % len(live)].model_copy(update={"id": f"m{number}"}) for number in range(50)]
    catalog = ModelCatalog(shipped.providers, {model.name: model for model in models})
    health = Health()
    for model in models:
        for step in range(100):
            health.finished(
                model.name, Outcome.OK, seconds=1 + step / 50, first_token_s=0.2 + step / 500, output_tokens=200
            )
    rows = ["| priority | median µs | fastest µs |", "|---|---|---|"]
    for priority in Priority:
        if priority is Priority.AUTO:
            continue
        took = []
        for _ in range(3000):
            snapshot = health.snapshot()
            began = time.perf_counter()
            choice = choose(catalog, priority=priority, configured=frozenset(shipped.providers), health=snapshot)
            took.append((time.perf_counter() - began) * 1e6)
            assert len(choice.ordered) == 50
        rows.append(f"| {priority} | {statistics.median(took):.0f} | {min(took):.0f} |")
    return "\n".join(rows)


async def overhead(questions: int) -> str:
    """Milliseconds per question, one at a time, the ways taking turns: a busy machine is busy for all of them."""
    ways = {
        "bare ChatOpenAI.ainvoke": bare,
        "bare ChatOpenAI.astream": bare_streaming,
        "ModelFallbackMiddleware (agent)": middleware,
        "choose() and Caller.call": ours,
    }
    with providers("instant") as (first, second):
        asks = {name: way(first, second) for name, way in ways.items()}
        took: dict[str, list[float]] = {name: [] for name in asks}
        for turn in range(questions + WARM_UP):
            for name, ask in asks.items():
                began = time.perf_counter()
                await ask()
                if turn >= WARM_UP:
                    took[name].append((time.perf_counter() - began) * 1e3)
    base = statistics.median(took["bare ChatOpenAI.ainvoke"])
    rows = ["| way | median ms | p95 ms | more than bare ainvoke |", "|---|---|---|---|"]
    for name, times in took.items():
        middle = statistics.median(times)
        rows.append(f"| {name} | {middle:.2f} | {_percentile(times, 95):.2f} | {middle - base:+.2f} ms |")
    return "\n".join(rows)


async def tail(mood: str, way: Callable[[str, str], Ask], questions: int) -> list[str]:
    """p50, p95, p99 and the slowest in ms, failures and upstream calls per question, ten questions at once."""
    import aiohttp

    with providers(mood) as (first, second):
        ask = way(first, second)
        took: list[float] = []
        failed = 0
        waiting = iter(range(questions))

        async def one() -> None:
            nonlocal failed
            began = time.perf_counter()
            try:
                await ask()
            except Exception:
                failed += 1
            took.append((time.perf_counter() - began) * 1e3)

        async def asker() -> None:
            for _ in waiting:
                await one()

        for _ in range(WARM_UP):
            await one()
        took.clear()
        failed = 0
        async with aiohttp.ClientSession() as session:
            before = await (await session.get(first.replace("/first/v1", "/counts"))).json()
            await asyncio.gather(*(asker() for _ in range(AT_ONCE)))
            after = await (await session.get(first.replace("/first/v1", "/counts"))).json()
    calls = (after["requests"] - before["requests"]) / questions
    figures = [f"{_percentile(took, share):,.0f}" for share in (50, 95, 99)]
    return [*figures, f"{max(took):,.0f}", str(failed), f"{calls:.3f}"]


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)]


async def tails(questions: int) -> str:
    ways: dict[str, Callable[[str, str], Ask]] = {
        "bare ChatOpenAI": bare,
        "ModelFallbackMiddleware": middleware,
        "tilores-x": ours,
        "tilores-x, hedging": ours_hedging,
    }
    rows = ["| provider | way | p50 ms | p95 ms | p99 ms | slowest ms | failed | calls per question |"]
    rows.append("|" + "---|" * 8)
    for mood in ("log-normal", "two humps", "outage"):
        for name, way in ways.items():
            cells = [mood if mood != "outage" else "the first one answers 503", name, *await tail(mood, way, questions)]
            rows.append("| " + " | ".join(cells) + " |")
            print(rows[-1], flush=True)
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=1500, help="for each way and mood")
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("TILORES_")]:
        del os.environ[name]
    warnings.simplefilter("ignore", ResourceWarning)  # clients are left to the end of the process
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    body = "\n\n".join(
        [
            "### choose() over 50 measured models",
            choosing(),
            "### A question to a provider that answers at once",
            asyncio.run(overhead(options.questions // 3)),
            f"### The slowest of {options.questions:,} questions, {AT_ONCE} at once",
            asyncio.run(tails(options.questions)),
        ]
    )
    print(body)
    if options.write:
        packages = ("langchain", "langchain-openai", "openai", "aiohttp")
        from results import write_section

        write_section(
            "Routing", "python benchmarks/routing.py --write", body, {name: version(name) for name in packages}
        )


if __name__ == "__main__":
    main()
