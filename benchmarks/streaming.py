"""What a streamed token costs, and how much of a provider's speed is left at 1, 10 and 100 streams at once.

    python benchmarks/streaming.py [--seconds 3] [--write]

The provider (``tests/support/provider.py``) runs in a process of its own on one core, the client on another. A window
of so many seconds opens when every stream has begun; tokens and CPU time are those inside it. Each case gets a fresh
process, and the same bytes. Raw reading takes the stream apart and does nothing else: where it keeps the offered speed,
the provider is not the limit; the provider's own load stands beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from langchain_core.messages import AIMessageChunk, HumanMessage
from results import write_section

ROOT = Path(__file__).parent.parent
CLIENT_CORE, PROVIDER_CORE = 0, 1
RATES = (500, 1665)
STREAMS = (1, 10, 100)
WORD = "tok "
SETTLE_S = 0.5
"""Streams that began while others still connected catch up; that is not their speed."""
QUESTION = [HumanMessage("Say it.")]

Count = Callable[[int], None]
Read = Callable[[Count], Awaitable[None]]


async def raw(base_url: str) -> Read:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    body = {"model": "m", "messages": [{"role": "user", "content": "Say it."}], "stream": True}

    async def read(count: Count) -> None:
        async with session.post(f"{base_url}/chat/completions", json=body) as response:
            rest = b""
            while piece := await response.content.readany():
                *events, rest = (rest + piece).split(b"\n\n")
                for event in events:
                    if event.startswith(b"data: {"):
                        count(bool(orjson.loads(event[6:])["choices"][0]["delta"].get("content")))

    return read


def _streaming(model: Any) -> Read:
    async def read(count: Count) -> None:
        async for chunk in model.astream(QUESTION):
            count(len(chunk.content) // len(WORD))

    return read


def _ours(base_url: str) -> tuple[Any, Any, Any]:
    from tilores_x.llm.catalog import ModelCatalog, ModelSpec
    from tilores_x.llm.providers import ChatModels
    from tilores_x.settings import Settings

    spec = ModelSpec(provider="openai", id="m", input_usd=1, output_usd=2)
    catalog = ModelCatalog(ModelCatalog.load().providers, {spec.name: spec})
    models = ChatModels(catalog, {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": base_url}, Settings())
    return catalog, models, spec


async def ours(base_url: str) -> Read:
    _, models, spec = _ours(base_url)
    return _streaming(await models.get(spec))


async def ours_in_langgraph(base_url: str) -> Read:
    """As the pipeline does it: a node that calls through the caller with its retries and measurements."""
    from langgraph.graph import START, MessagesState, StateGraph

    from tilores_x.llm.calls import Caller
    from tilores_x.llm.catalog import Priority
    from tilores_x.llm.choice import Candidate, Choice
    from tilores_x.llm.health import Health
    from tilores_x.settings import Settings

    catalog, models, spec = _ours(base_url)
    caller = Caller(catalog, models, Health(), Settings(deadline_s=600))
    choice = Choice((Candidate(spec, "", 1, 0),), "", Priority.SPEED, ())

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [(await caller.call(choice, state["messages"])).message]}

    graph = StateGraph(MessagesState).add_node("think", think).add_edge(START, "think").compile()

    async def read(count: Count) -> None:
        async for message, _ in graph.astream({"messages": QUESTION}, stream_mode="messages"):
            if isinstance(message, AIMessageChunk):
                count(len(message.content) // len(WORD))

    return read


async def stock_openai(base_url: str) -> Read:
    from langchain_openai import ChatOpenAI

    return _streaming(ChatOpenAI(model="m", base_url=base_url, api_key="none", max_retries=0))


async def stock_groq(base_url: str) -> Read:
    from langchain_groq import ChatGroq

    return _streaming(ChatGroq(model="m", base_url=base_url.removesuffix("/v1"), api_key="none", max_retries=0))


WAYS = {
    "raw read": raw,
    "ours": ours,
    "ours through LangGraph": ours_in_langgraph,
    "stock ChatOpenAI": stock_openai,
    "stock ChatGroq": stock_groq,
}


async def _counts(base_url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(base_url.replace("/v1", "/counts")) as response:
        found: dict[str, Any] = await response.json()
        return found


async def _measure(read: Read, base_url: str, streams: int, rate: float | None, seconds: float) -> dict[str, float]:
    """``rate`` in tokens per second and stream; None for as fast as the sockets take them."""
    text = WORD * int((rate or 500_000) * (seconds + 15 if rate else seconds))
    script = {"text": text, "tokens_per_s": rate, "tokens_per_write": 32}
    async with aiohttp.ClientSession() as session:
        await session.post(base_url.replace("/v1", "/script"), json=script)
    counted, silent = [0] * streams, streams
    begun = asyncio.Event()

    def counter(number: int) -> Count:
        def count(tokens: int) -> None:
            nonlocal silent
            if tokens and not counted[number]:
                silent -= 1
                if silent == 0:
                    begun.set()
            counted[number] += tokens

        return count

    reading = [asyncio.ensure_future(read(counter(number))) for number in range(streams)]
    await asyncio.wait_for(begun.wait(), 120)
    gc.collect()
    await asyncio.sleep(SETTLE_S)
    provider_cpu = (await _counts(base_url))["cpu_s"]
    began, cpu, had = time.perf_counter(), time.process_time(), sum(counted)
    await asyncio.sleep(seconds)
    took, cpu, tokens = time.perf_counter() - began, time.process_time() - cpu, sum(counted) - had
    assert not any(task.done() for task in reading), "a stream ended inside the window"
    provider_cpu = (await _counts(base_url))["cpu_s"] - provider_cpu
    return {
        "us_per_token": cpu / max(tokens, 1) * 1e6,
        "per_stream": tokens / took / streams,
        "per_s": tokens / took,
        "load": cpu / took,
        "provider_load": provider_cpu / took,
    }


async def _case(way: str, base_url: str, streams: int, rate: float | None, seconds: float) -> None:
    read = await WAYS[way](base_url)
    measured = await _measure(read, base_url, streams, rate, seconds)
    print(json.dumps({"way": way, "rate": rate, "streams": streams, **measured}), flush=True)
    # LangChain would add up what was read so far before it lets a stream go: minutes, for the stock classes.
    os._exit(0)


def _run(way: str, base_url: str, streams: int, rate: float | None, seconds: float) -> dict[str, Any]:
    options = {"--way": way, "--base-url": base_url, "--streams": streams, "--rate": rate or 0, "--seconds": seconds}
    command = [sys.executable, __file__, *(str(part) for option in options.items() for part in option)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| offered tokens/s | streams | reader | CPU µs per token | tokens/s per stream | of the offered speed "
        "| client's core | provider's core |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (row["rate"] or 1e9, row["streams"])):
        offered = f"{row['rate']:,.0f}" if row["rate"] else "all it can"
        share = f"{row['per_stream'] / row['rate']:.0%}" if row["rate"] else f"{row['per_s']:,.0f} tokens/s in all"
        lines.append(
            f"| {offered} | {row['streams']} | {row['way']} | {row['us_per_token']:.1f} | {row['per_stream']:,.0f} "
            f"| {share} | {row['load']:.0%} | {row['provider_load']:.0%} |"
        )
    return "\n".join(lines)


def _summary(rows: list[dict[str, Any]]) -> str:
    """The aims, with what was reached."""
    found = {(row["way"], row["rate"], row["streams"]): row for row in rows}
    most = found["ours through LangGraph", None, 10]
    busy = found["ours through LangGraph", 500, 100]
    bare = found["raw read", 1665, 100]
    return (
        f"Through LangGraph one core reads {most['per_s']:,.0f} tokens/s (aim: 100,000), and keeps "
        f"{busy['per_stream'] / 500:.0%} of the offered speed at 100 streams of 500 tokens/s (aim: 95 %). "
        f"The provider is not the limit: a raw read of 100 streams at 1,665 tokens/s gets "
        f"{bare['per_stream'] / 1665:.0%} of them, at {bare['provider_load']:.0%} of the provider's core. "
        "A slow stream costs more per token: each is a packet and a wake-up of the event loop, for the raw read too."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each window")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    parser.add_argument("--streams", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        os.sched_setaffinity(0, {CLIENT_CORE})
        asyncio.run(_case(options.way, options.base_url, options.streams, options.rate or None, options.seconds))
    provider = subprocess.Popen(
        [sys.executable, "-m", "support.provider", "--core", str(PROVIDER_CORE)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert provider.stdin is not None
    assert provider.stdout is not None
    try:
        base_url = json.loads(provider.stdout.readline())["base_url"]
        cases = [(streams, rate) for rate in RATES for streams in STREAMS] + [(10, None)]
        rows = [_run(way, base_url, *case, options.seconds) for way in WAYS for case in cases]
    finally:
        provider.stdin.close()
        provider.wait(10)
    table = f"{_summary(rows)}\n\n{_table(rows)}"
    print(table)
    if options.write:
        packages = ("langchain-core", "langchain-openai", "langchain-groq", "langgraph", "aiohttp", "orjson")
        versions = {name: version(name) for name in packages}
        write_section("Streaming", "python benchmarks/streaming.py --write", table, versions)


if __name__ == "__main__":
    main()
