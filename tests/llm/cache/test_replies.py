"""Replies of models: what is kept, how it comes back, and that equal calls are made once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from support.clients import QUESTION, Calling, Clients, Heard, catalog, choice
from support.provider import Provider
from support.wire import Fault, Script, refused

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import TiloresXError
from tilores_x.llm.cache.replies import KEPT_AS, Replies
from tilores_x.llm.cache.scope import scope
from tilores_x.llm.cache.store import Store
from tilores_x.llm.cache.tiered import TieredCache
from tilores_x.llm.calls import Caller
from tilores_x.llm.health import Health
from tilores_x.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("short_pauses")]


@tool
async def look(email: str) -> str:
    """Look a customer up by e-mail."""
    return ""


def caching(made: Clients, store: Store, **settings: Any) -> Calling:
    health = Health()
    chosen = Settings(cache="off", **settings)
    return Calling(made.fast, health, Caller(catalog(), made.fast, health, chosen, Replies(store)))


@pytest.fixture
def at(made: Clients) -> Calling:
    return caching(made, Store())


async def test_the_second_call_is_not_made(provider: Provider, at: Calling) -> None:
    provider.always(Script("It is 42."))
    first, second = await at.ask("openai"), await at.ask("openai")
    assert provider.counts.requests == 1
    assert second.message.content == first.message.content == "It is 42."
    assert second.message.id != first.message.id, "add_messages would replace the earlier answer"
    assert [attempt["cached"] for attempt in second.attempts] == [True]
    assert second.attempts[0]["cost_usd"] == 0
    assert second.message.response_metadata["cached"] is True
    assert second.message.usage_metadata is not None
    assert second.message.usage_metadata["total_cost"] == 0  # type: ignore[typeddict-item]
    assert second.message.response_metadata["finish_reason"] == "stop"


async def test_a_tool_loop_makes_no_call_on_its_first_repetition(provider: Provider, at: Calling) -> None:
    async def loop() -> list[Any]:
        asked: list[Any] = [HumanMessage("who is a@b.example?")]
        while True:
            called = await at.caller.call(choice("openai"), asked, [look])
            asked.append(called.message)
            if not called.message.tool_calls:
                return asked
            asked += [ToolMessage("found", tool_call_id=call["id"]) for call in called.message.tool_calls]

    provider.then(Script(tool_calls=(("look", {"email": "a@b.example"}),)))
    provider.always(Script("It is Ann."))
    first = await loop()
    assert provider.counts.requests == 2
    second = await loop()
    assert provider.counts.requests == 2
    assert second[-1].content == "It is Ann."
    assert second[1].tool_calls[0]["args"] == {"email": "a@b.example"}
    assert second[1].tool_calls[0]["id"] != first[1].tool_calls[0]["id"], "twice in a conversation it must differ"


@pytest.mark.parametrize(
    "script",
    [
        Script("Half of", finish="length"),
        Script("Half of", finish="content_filter"),
        Script("Half of an answer", fault=Fault.TRUNCATE, after=2),
        Script("Half of an answer", fault=Fault.TRUNCATE_DONE, after=2),
        Script("", tool_calls=(("look", '{"email": "a@'),)),
        refused(500),
    ],
    ids=["length", "filter", "truncated", "done", "broken-call", "error"],
)
async def test_nothing_but_whole_replies_is_kept(provider: Provider, at: Calling, script: Script) -> None:
    provider.always(script)
    for _ in range(2):
        try:
            with deadline_scope(Deadline.after(2)):
                await at.caller.call(choice("openai"), QUESTION, [look])
        except TiloresXError:
            pass
    provider.always(Script("Whole."))
    fresh = caching_like(at)
    called = await fresh.call(choice("openai"), QUESTION, [look])
    assert called.message.content == "Whole."
    assert not called.attempts[-1]["cached"]


def caching_like(at: Calling) -> Caller:
    """Another caller over the same store, that knows nothing of failures."""
    assert at.caller.replies is not None
    return Caller(catalog(), at.chat_models, Health(), Settings(cache="off"), at.caller.replies)


async def test_a_kept_reply_streams_like_any_other(provider: Provider, at: Calling) -> None:
    text = "It is " + " ".join(map(str, range(40))) + "."
    provider.always(Script(text))
    await at.ask("openai")
    heard = Heard()
    called = await at.ask("openai", config={"callbacks": [heard]})
    assert provider.counts.requests == 1
    assert heard.text == called.message.content == text
    assert len([piece for piece in heard.pieces if piece]) > 3


@pytest.mark.parametrize("change", ["tenant", "model", "tools", "conversation", "system", "instance"])
async def test_what_changes_the_reply_changes_the_key(provider: Provider, made: Clients, change: str) -> None:
    store = Store()
    at = caching(made, store)
    provider.always(Script("One."))
    await at.ask("openai")
    provider.always(Script("Two."))
    if change == "tenant":
        with scope("another"):
            called = await at.ask("openai")
    elif change == "model":
        called = await at.ask("groq")
    elif change == "tools":
        called = await at.ask("openai", tools=[look])
    elif change == "instance":
        other = Caller(catalog(), made.fast, Health(), Settings(cache="off"), Replies(store, instance="b"))
        called = await other.call(choice("openai"), QUESTION)
    else:
        more = [SystemMessage("Be brief."), *QUESTION] if change == "system" else [HumanMessage("And now?")]
        called = await at.caller.call(choice("openai"), more)
    assert called.message.content == "Two."


async def test_fresh_passes_over_what_is_kept_and_keeps_what_it_gets(provider: Provider, at: Calling) -> None:
    provider.always(Script("One."))
    await at.ask("openai")
    provider.always(Script("Two."))
    with scope("default", fresh=True):
        assert (await at.ask("openai")).message.content == "Two."
    with scope("default"):
        assert (await at.ask("openai")).message.content == "Two."
    assert provider.counts.requests == 2


async def test_a_reply_found_wanting_is_dropped(provider: Provider, at: Calling) -> None:
    provider.always(Script("One."))
    called = await at.ask("openai")
    assert KEPT_AS in called.message.response_metadata
    assert at.caller.replies is not None
    await at.caller.replies.drop(called.message)
    provider.always(Script("Two."))
    assert (await at.ask("openai")).message.content == "Two."


async def test_a_stand_ins_reply_is_kept_under_its_own_name(provider: Provider, at: Calling) -> None:
    provider.always(refused(401), to="openai")
    provider.always(Script("By groq."), to="groq")
    await at.ask("openai", "groq")
    provider.forget()
    provider.always(Script("By openai."), to="openai")
    fresh = caching_like(at)
    assert (await fresh.call(choice("openai", "groq"), QUESTION)).message.content == "By openai."
    assert (await fresh.call(choice("groq"), QUESTION)).message.content == "By groq."


async def test_a_hundred_at_once_make_one_call(provider: Provider, at: Calling) -> None:
    provider.always(Script("It is 42.", ttft_s=0.1))
    called = await asyncio.gather(*(at.ask("openai") for _ in range(100)))
    assert provider.counts.requests == 1
    assert {one.message.content for one in called} == {"It is 42."}
    assert len({one.message.id for one in called}) == 100
    assert sum(not attempt["cached"] for one in called for attempt in one.attempts) == 1, "it is paid for once"


async def test_the_leader_may_leave(provider: Provider, at: Calling) -> None:
    provider.always(Script("It is 42.", ttft_s=0.2))
    leader = asyncio.create_task(at.ask("openai"))
    await asyncio.sleep(0.05)
    others = [asyncio.create_task(at.ask("openai")) for _ in range(20)]
    await asyncio.sleep(0.05)
    leader.cancel()
    called = await asyncio.gather(*others)
    assert provider.counts.requests == 1
    assert {one.message.content for one in called} == {"It is 42."}
    assert sum(not attempt["cached"] for one in called for attempt in one.attempts) == 1, "somebody must pay for it"
    with pytest.raises(asyncio.CancelledError):
        await leader


async def test_a_leader_without_time_takes_nobody_along(provider: Provider, at: Calling) -> None:
    provider.always(Script("It is 42.", ttft_s=1.5))

    async def hurried() -> Any:
        with deadline_scope(Deadline.after(0.75)):
            return await at.ask("openai")

    leader = asyncio.create_task(hurried())
    while not provider.counts.requests:
        await asyncio.sleep(0.01)
    others = await asyncio.gather(*(at.ask("openai") for _ in range(10)))
    assert {one.message.content for one in others} == {"It is 42."}
    assert provider.counts.requests == 2
    with pytest.raises(TiloresXError):
        await leader


async def test_when_all_leave_the_call_is_broken_off(provider: Provider, at: Calling) -> None:
    provider.always(Script("It is 42.", ttft_s=5))
    asking = [asyncio.create_task(at.ask("openai")) for _ in range(5)]
    await asyncio.sleep(0.1)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    began = time.monotonic()
    while not provider.counts.aborted:
        assert time.monotonic() < began + 4
        await asyncio.sleep(0.02)


async def test_tenants_are_not_coalesced(provider: Provider, at: Calling) -> None:
    provider.always(Script("It is 42.", ttft_s=0.1))

    async def asked(tenant: str) -> Any:
        with scope(tenant):
            return await at.ask("openai")

    await asyncio.gather(*(asked(tenant) for tenant in "ab" for _ in range(10)))
    assert provider.counts.requests == 2


async def test_langchains_global_cache_is_the_same_store(provider: Provider, made: Clients) -> None:
    provider.always(Script("It is 42."))
    model: Any = await made.fast.get(catalog().models["openai:m"])
    before = get_llm_cache()
    set_llm_cache(TieredCache(Store()))
    try:
        first, second = await model.ainvoke("What?"), await model.ainvoke("What?")
        hurried = await model.model_copy(update={"request_timeout": 7, "max_retries": 3}).ainvoke("What?")
        assert provider.counts.requests == 1, "time-outs and retries change no reply"
        assert first.content == second.content == hurried.content
        assert first.id != second.id
        turn = [HumanMessage("What?"), second, HumanMessage("Why?")]
        await model.ainvoke([HumanMessage("What?"), first, HumanMessage("Why?")])
        await model.ainvoke(turn)
        assert provider.counts.requests == 2, "a hit in the history must not miss afterwards"
        with scope("another"):
            await model.ainvoke("What?")
        assert provider.counts.requests == 3
        provider.always(Script("Half", finish="length"))
        for _ in range(2):
            await model.ainvoke("Cut?")
        assert provider.counts.requests == 5, "a truncated reply was kept"
    finally:
        set_llm_cache(before)


async def test_the_sync_side_serves_the_same(provider: Provider) -> None:
    from langchain_core.outputs import ChatGeneration

    cache = TieredCache(Store())
    message = AIMessage("It is 42.", response_metadata={"finish_reason": "stop"})

    def sync() -> Any:
        cache.update("p", "m", [ChatGeneration(message=message)])
        found = cache.lookup("p", "m")
        cache.clear()
        return found, cache.lookup("p", "m")

    found, after = await asyncio.to_thread(sync)
    assert found[0].message.content == "It is 42."
    assert after is None
    cache.close()
