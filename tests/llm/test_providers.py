"""How chat models are made: once, off the loop, with the right key for the right provider, and none in sight."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langgraph.graph import START, MessagesState, StateGraph
from support.clients import CLIENTS, KEY, PROVIDERS, QUESTION, Clients, catalog, choice, environ
from support.provider import Provider
from support.wire import Script

from tilores_x.errors import ConfigError
from tilores_x.llm import endpoints, providers
from tilores_x.llm.catalog import ModelCatalog, ModelSpec
from tilores_x.llm.providers import ChatModels
from tilores_x.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("client", CLIENTS)
async def test_the_key_is_sent_and_not_shown(provider: Provider, made: Clients, client: str) -> None:
    kind, name = client.split("-")
    models = made.stock if kind == "stock" else made.fast
    model: Any = await models.get(catalog().models[f"{name}:m"])
    await model.ainvoke(QUESTION)
    assert provider.received[0].headers["authorization"] == f"Bearer {KEY}"
    shown = [
        repr(model),
        str(model.asdict()),
        model._get_llm_string(),
        str(model._get_ls_params()),
        str(model.to_json()),
    ]
    shown += [repr(getattr(model, "_line", None)), repr(models), str(vars(models)["_made"])]
    assert not any(KEY in text for text in shown)


async def test_what_langchain_keys_its_cache_by_is_the_same_in_every_process(made: Clients) -> None:
    """An object's address in it would keep workers from finding each other's entries."""
    for models in (made.fast, made.stock):
        for name in PROVIDERS:
            assert " at 0x" not in (await models.get(catalog().models[f"{name}:m"]))._get_llm_string()


async def test_a_model_is_made_once_and_off_the_loop(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    for module, name in ((endpoints, "_sdk"), (providers, "chat_model")):
        real = getattr(module, name)

        def noted(*args: Any, real: Any = real) -> Any:
            threads.append(threading.current_thread())
            return real(*args)

        monkeypatch.setattr(module, name, noted)
    models = ChatModels(catalog(), environ(provider), Settings())
    spec = catalog().models["groq:m"]
    first, *others = await asyncio.gather(*(models.get(spec) for _ in range(10)))
    assert all(other is first for other in others)
    assert len(threads) == 2
    assert threading.main_thread() not in threads
    await models.aclose()


async def test_models_of_one_provider_share_its_connections(provider: Provider) -> None:
    known = catalog()
    other = ModelSpec(provider="groq", id="other")
    models = ChatModels(known, environ(provider), Settings())
    first, second = [await models.get(spec) for spec in (known.models["groq:m"], other)]
    assert first._line is second._line
    await models.aclose()


async def test_each_event_loop_gets_connections_of_its_own(server: Provider) -> None:
    models = ChatModels(catalog(), environ(server), Settings())

    async def ask() -> str:
        model = await models.get(catalog().models["openai:m"])
        try:
            return str((await model.ainvoke(QUESTION)).content)
        finally:
            await models.aclose()

    assert [await asyncio.to_thread(asyncio.run, ask()) for _ in range(2)] == ["It is 42."] * 2


async def test_a_missing_key_is_named(provider: Provider) -> None:
    models = ChatModels(catalog(), {}, Settings())
    assert models.configured == {"local"}
    with pytest.raises(ConfigError, match="GROQ_API_KEY"):
        await models.get(catalog().models["groq:m"])


async def test_a_failed_making_can_be_tried_again(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    models = ChatModels(catalog(), environ(provider), Settings())
    bad = ModelSpec(provider="openai", id="m", parameters={"temperature": "hot"})
    with pytest.raises(ConfigError, match="openai:m: its parameters can't be used"):
        await models.get(bad)
    assert await models.get(catalog().models["openai:m"])
    await models.aclose()


async def test_parameters_of_the_catalogue_are_sent(provider: Provider) -> None:
    for name in (*PROVIDERS, "cerebras"):
        for stock in (False, True):
            provider.forget()
            models = ChatModels(catalog(), environ(provider), Settings(stock_clients=stock))
            spec = ModelSpec(provider=name, id="m", parameters={"reasoning_effort": "low", "enable_thinking": False})
            await (await models.get(spec)).ainvoke(QUESTION)
            body = provider.received[0].body
            assert (body["reasoning_effort"], body["enable_thinking"]) == ("low", False)
            assert "extra_body" not in body
            await models.aclose()


async def test_openais_variables_do_not_reach_other_providers(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_PROXY", "http://127.0.0.1:9")
    own = ModelCatalog(
        {"own": ModelCatalog.load().providers["cerebras"].model_copy(update={"name": "own", "key_variable": None})},
        {},
    )
    models = ChatModels(own, {"CEREBRAS_BASE_URL": provider.base_url()}, Settings())
    await (await models.get(ModelSpec(provider="own", id="m"))).ainvoke(QUESTION)
    headers = provider.received[0].headers
    assert "openai-organization" not in headers
    assert headers["authorization"] == "Bearer none"
    await models.aclose()


async def test_without_its_extra_a_provider_is_called_as_a_compatible_server(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    providers._available.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    models = ChatModels(catalog(), environ(provider), Settings())
    for name in ("deepseek", "fireworks"):
        model = await models.get(catalog().models[f"{name}:m"])
        assert type(model).__name__ == "WiredOpenAI"
        assert (await model.ainvoke(QUESTION)).content == "It is 42."
    await models.aclose()
    providers._available.cache_clear()


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_graph_streams_the_tokens_of_a_node_that_calls_the_caller(
    provider: Provider, made: Clients, client: str
) -> None:
    kind, name = client.split("-")
    at = made.calling(stock=kind == "stock")
    provider.always(Script("one two three", tokens_per_s=12))

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [(await at.caller.call(choice(name), state["messages"])).message]}

    graph = StateGraph(MessagesState).add_node("think", think).add_edge(START, "think").compile()
    pieces = [
        message
        async for message, _ in graph.astream({"messages": QUESTION}, stream_mode="messages")
        if isinstance(message, AIMessageChunk) and message.content
    ]
    assert [piece.content for piece in pieces] == ["one", " two", " three"]
    assert len({piece.id for piece in pieces}) == 1
