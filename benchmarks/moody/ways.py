"""Ways of asking a model that is reached by the first URL, and one by the second where the first one fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

QUESTION = "Is client 4021 cancelled?"

Ask = Callable[[], Awaitable[Any]]


def bare(first: str, _: str) -> Ask:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="m", base_url=first, api_key="none", max_retries=0)
    return lambda: model.ainvoke(QUESTION)


def bare_streaming(first: str, _: str) -> Ask:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="m", base_url=first, api_key="none", max_retries=0, stream_usage=True)

    async def ask() -> None:
        async for _ in model.astream(QUESTION):
            pass

    return ask


def middleware(first: str, second: str) -> Ask:
    from langchain.agents import create_agent
    from langchain.agents.middleware import ModelFallbackMiddleware
    from langchain_openai import ChatOpenAI

    one, two = (ChatOpenAI(model="m", base_url=url, api_key="none", max_retries=0) for url in (first, second))
    agent = create_agent(model=one, tools=[], middleware=[ModelFallbackMiddleware(two)])
    return lambda: agent.ainvoke({"messages": [("user", QUESTION)]})


def _ours(first: str, second: str, *, hedging: bool) -> Ask:
    from langchain_core.messages import HumanMessage

    from tilores_x.llm.calls import Caller
    from tilores_x.llm.catalog import ModelCatalog, ModelSpec, Priority, ProviderSpec
    from tilores_x.llm.health import Health
    from tilores_x.llm.providers import ChatModels
    from tilores_x.llm.routing import choose
    from tilores_x.settings import Settings

    servers = {name: ProviderSpec(name=name, base_url=url) for name, url in (("first", first), ("second", second))}
    specs = [ModelSpec(provider=name, id="m", quality=index) for name, index in (("first", 50), ("second", 40))]
    catalog = ModelCatalog(servers, {spec.name: spec for spec in specs})
    settings, health = Settings(hedging=hedging), Health()
    chat_models = ChatModels(catalog, {}, settings)
    caller = Caller(catalog, chat_models, health, settings)
    messages = [HumanMessage(QUESTION)]

    async def ask() -> None:
        choice = choose(catalog, priority=Priority.QUALITY, configured=chat_models.configured, health=health.snapshot())
        await caller.call(choice, messages)

    return ask


def ours(first: str, second: str) -> Ask:
    return _ours(first, second, hedging=False)


def ours_hedging(first: str, second: str) -> Ask:
    return _ours(first, second, hedging=True)
