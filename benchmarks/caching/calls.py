"""Hits of model calls: ours in each tier, beside LangChain's and LangGraph's own caches."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

import orjson
from caching.timing import micros, per_second
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache as GraphMemory
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy
from redis.asyncio import Redis
from support.clients import catalog, choice, environ
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


@tool
async def look(email: str) -> str:
    """Look a customer up by e-mail."""
    return ""


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
        "ours, L2 (Redis)": Store(shared=RedisTier(server.url, timeout_s=5)),
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
            store.memory.drop_tagged("")
            many = await per_second(ours)
            store.memory.most_entries = 50_000
        assert provider.counts.requests == 1

        async def say(asked: list[Any], caller: Caller = caller) -> AIMessage:
            return (await caller.call(CHOICE, asked, [look])).message

        rows.append(f"| {label} | {each:.0f} | {many:,.0f} | {await loop_calls(provider, say)} |")
        await store.aclose()
    model: Any = await models.get(known.models["openai:m"])
    client: Any = Redis.from_url(server.url)  # as its makers have it: with as many connections as it wants
    for label, cache in {
        "LangChain InMemoryCache": InMemoryCache(),
        "langchain-community AsyncRedisCache": community()(client, ttl=600),
    }.items():
        provider.forget()
        provider.always(Script(ANSWER))
        set_llm_cache(cache)

        async def theirs() -> object:
            return await model.ainvoke(TALK)

        await theirs()
        each, many = await micros(theirs, 600), await per_second(theirs)
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
    each, many = await micros(hit, 300), await per_second(hit, 11)

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
