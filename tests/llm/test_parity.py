"""Our reading of the stream against LangChain's own classes, on the same bytes from the same server."""

from __future__ import annotations

import asyncio
from asyncio.selector_events import _SelectorTransport
from typing import Any

import pytest
from aiohttp.client_proto import ResponseHandler
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from support.clients import PROVIDERS, Clients, catalog
from support.provider import Provider
from support.wire import Fault, Script, html, refused, tool_use_failed

from tilores_x.llm import pace
from tilores_x.llm.faults import fault_of
from tilores_x.llm.pace import Pace
from tilores_x.llm.progress import Progress, current_progress
from tilores_x.llm.straight import answered

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCORES = (("look", {"email": "a@example.com", "fields": ["SCORE", "BALANCE"]}), ("look", {"email": "b@example.com"}))
ANSWERS = {
    "text": Script("Jane Roe's score is 712 — up 9 points.\n\nAs of 2026-01-03."),
    "one-word": Script("712"),
    "nothing": Script(""),
    "unicode": Script('Zoë said: “łódź” 🙂 \\ "quoted"\ttab \u2028 end'),
    "reasoning": Script("It is 712.", reasoning="The user wants the score, so I look."),
    "tool-calls": Script(tool_calls=SCORES),
    "tool-call-after-thought": Script(tool_calls=SCORES[:1], reasoning="I had better look."),
    "tool-call-without-arguments": Script(tool_calls=(("look", {}),)),
    "tool-call-null": Script(tool_calls=(("look", "null"),)),
    "length": Script("As I was about to", finish="length"),
    "filtered": Script("I", finish="content_filter"),
    "cached-tokens": Script("It is 712.", cached_tokens=3),
    "no-usage": Script("It is 712.", usage=False),
}
CONVERSATION = [
    SystemMessage("Answer from the records."),
    HumanMessage("What is the score?"),
    AIMessage("", tool_calls=[{"name": "look", "args": {"email": "ä@x.org"}, "id": "call_0", "type": "tool_call"}]),
    ToolMessage('{"ok": true}', tool_call_id="call_0"),
    HumanMessage([{"type": "text", "text": "And now?"}]),
]


@tool
async def look(email: str, fields: list[str] | None = None) -> str:
    """Look a customer up.

    Args:
        email: an e-mail address
        fields: names of fields
    """
    return ""


def _told(message: AIMessage) -> dict[str, Any]:
    told = message.model_dump(exclude={"id"})
    for call in told["tool_calls"] + told["invalid_tool_calls"]:
        call.pop("index", None)
    return told


async def _models(made: Clients, provider: str) -> tuple[BaseChatModel, BaseChatModel]:
    spec = catalog().models[f"{provider}:m"]
    return await made.fast.get(spec), await made.stock.get(spec)


@pytest.mark.parametrize("provider_name", PROVIDERS)
@pytest.mark.parametrize("cut", [None, 7])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_the_message_is_the_same(
    provider: Provider, made: Clients, provider_name: str, answer: str, cut: int | None
) -> None:
    script = ANSWERS[answer]
    provider.always(Script(**{**vars(script), "cut": cut}))
    fast, stock = await _models(made, provider_name)
    theirs = _told(await stock.ainvoke(CONVERSATION))
    assert _told(await fast.ainvoke(CONVERSATION)) == theirs
    assert _told(await answered(fast, CONVERSATION, {})) == theirs


@pytest.mark.parametrize("provider_name", PROVIDERS)
async def test_the_request_is_the_same(provider: Provider, made: Clients, provider_name: str) -> None:
    models = await _models(made, provider_name)
    fast, stock = (model.bind_tools([look], tool_choice="auto", stop=["END"]) for model in models)
    await stock.ainvoke(CONVERSATION)
    await fast.ainvoke(CONVERSATION)
    await answered(fast, CONVERSATION, {})
    theirs, *ours = provider.received
    assert len(ours) == 2
    for request in ours:
        assert _without_none(request.body) == _without_none(theirs.body)
        for name in ("authorization", "user-agent", "content-type", "accept"):
            assert request.headers[name] == theirs.headers[name]


@pytest.mark.parametrize("provider_name", PROVIDERS)
@pytest.mark.parametrize(
    "script",
    [
        *(Script("one two three four", fault=fault, after=after) for fault in Fault for after in (0, 2)
          if fault is not Fault.STALL),
        *(refused(status) for status in (400, 401, 403, 404, 408, 409, 422, 429, 500, 503)),
        tool_use_failed(),
        Script(tool_calls=(("look", '{"email": "a@exam'),)),
        Script(tool_calls=(("look", '["a@example.com"]'),)),
        html(),
        html(502),
    ],
    ids=lambda script: f"{script.fault or script.tool_calls or script.status}-{script.after}",
)  # fmt: skip
async def test_faults_are_of_the_same_kind(
    provider: Provider, made: Clients, provider_name: str, script: Script
) -> None:
    provider.always(script)
    faults = []
    errors = []
    fast, stock = await _models(made, provider_name)
    for ask in (fast.ainvoke, stock.ainvoke, lambda messages: answered(fast, messages, {})):
        reported = current_progress.set(Progress())
        with pytest.raises(Exception) as caught:
            await ask(CONVERSATION)
        current_progress.reset(reported)
        errors.append(type(caught.value))
        faults.append(fault_of(caught.value))
    assert faults[0].outcome == faults[1].outcome == faults[2].outcome
    assert errors[0] is errors[2]
    if script.fault is Fault.RESET:
        # The SDKs' own class for it; over their aiohttp transport they take a reset for a time-out.
        assert errors[0].__name__.endswith("ConnectionError")
    if script.status >= 400:
        assert errors[0] is errors[1]
        assert faults[0].text == faults[1].text


class _Listener(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self.heard.append("start")

    async def on_llm_end(self, *_: Any, **__: Any) -> None:
        self.heard.append("end")


async def test_whoever_follows_runs_sees_one(provider: Provider, made: Clients) -> None:
    fast, _ = await _models(made, "openai")
    listener = _Listener()
    await answered(fast, CONVERSATION, {"callbacks": [listener]})
    assert listener.heard == ["start", "end"]


async def test_where_nobody_follows_there_is_no_run(
    provider: Provider, made: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, _ = await _models(made, "openai")
    monkeypatch.delattr(BaseChatModel, "agenerate")
    assert (await answered(fast, CONVERSATION, {})).content
    assert (await answered(fast.bind_tools([look]), CONVERSATION, {"callbacks": []})).content


async def test_a_cache_of_somebody_elses_is_asked(provider: Provider, made: Clients) -> None:
    fast, _ = await _models(made, "openai")
    set_llm_cache(InMemoryCache())
    try:
        first, second = [await answered(fast, CONVERSATION, {}) for _ in range(2)]
    finally:
        set_llm_cache(None)
    assert first.content == second.content
    assert provider.counts.requests == 1


async def test_a_lone_stream_is_passed_on_as_it_comes_and_one_of_many_in_larger_pieces(
    provider: Provider, made: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.always(Script("word " * 300, tokens_per_s=300))
    fast, stock = await _models(made, "openai")
    alone = [chunk.text async for chunk in fast.astream("?") if chunk.text]
    theirs = [chunk.text async for chunk in stock.astream("?") if chunk.text]
    monkeypatch.setattr(Pace, "_speaking", 500)
    among_many = [chunk.text async for chunk in fast.astream("?") if chunk.text]
    assert "".join(alone) == "".join(among_many) == "".join(theirs)
    assert len(among_many) < 25 < 150 < len(alone)


async def test_where_nobody_listens_a_stream_is_put_together_in_few_pieces(
    provider: Provider, made: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.always(Script("word " * 150, tokens_per_s=300))
    fast, _ = await _models(made, "openai")
    passed_on = []
    received = Progress.received
    monkeypatch.setattr(Progress, "received", lambda self, piece: (passed_on.append(piece), received(self, piece)))
    reported = current_progress.set(Progress(heard=False))
    said = await fast.ainvoke("?")
    current_progress.reset(reported)
    assert said.text == "word " * 150
    assert len(passed_on) < 15


async def test_of_many_streams_that_nobody_hears_each_is_read_once_a_gap(
    provider: Provider, made: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.always(Script("word " * 200, tokens_per_s=200))
    fast, _ = await _models(made, "openai")
    reads = []
    received = ResponseHandler.data_received
    monkeypatch.setattr(
        ResponseHandler,
        "data_received",
        lambda self, data: (reads.extend([data] if data else []), received(self, data)),
    )
    monkeypatch.setattr(Pace, "_speaking", 500)
    reported = current_progress.set(Progress(heard=False))
    said = await fast.ainvoke("?")
    current_progress.reset(reported)
    assert said.text == "word " * 200
    assert len(reads) < 50


async def test_a_stream_that_ended_or_was_given_up_holds_back_no_connection(
    provider: Provider, made: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.always(Script("word " * 100, tokens_per_s=200))
    fast, _ = await _models(made, "openai")
    paused: set[Any] = set()
    for name, note in (("pause_reading", paused.add), ("resume_reading", paused.discard)):
        stock = getattr(_SelectorTransport, name)
        monkeypatch.setattr(_SelectorTransport, name, lambda self, stock=stock, note=note: (note(self), stock(self)))
    monkeypatch.setattr(Pace, "_speaking", 500)
    reported = current_progress.set(Progress(heard=False))
    await fast.ainvoke("?")
    assert not paused
    given_up = asyncio.create_task(fast.ainvoke("?"))
    while not paused:
        await asyncio.sleep(0.01)
    given_up.cancel()
    await asyncio.wait([given_up])
    current_progress.reset(reported)
    assert not paused


async def test_the_first_word_after_long_reasoning_is_noticed_though_nobody_listens(
    provider: Provider, made: Clients
) -> None:
    provider.always(Script("word " * 20, reasoning="hm " * 20, tokens_per_s=40))
    fast, _ = await _models(made, "groq")
    over: list[bool] = []
    progress = Progress(heard=False)
    progress.on_first_token = lambda: over.append(provider.received[-1].finished)
    reported = current_progress.set(progress)
    said = await fast.ainvoke("?")
    current_progress.reset(reported)
    assert said.text == "word " * 20
    assert over == [False]


async def test_what_came_while_nobody_read_is_counted_when_a_call_is_given_up(
    provider: Provider, made: Clients
) -> None:
    provider.always(Script("word " * 300, tokens_per_s=200))
    fast, _ = await _models(made, "openai")
    progress = Progress(heard=False)
    reported = current_progress.set(progress)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fast.ainvoke("?"), 0.8)
    current_progress.reset(reported)
    assert progress.characters > 300


async def test_what_came_before_a_stall_is_not_held_back(
    provider: Provider, made: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "_speaking", 500)
    provider.always(Script("one two three four five", fault=Fault.STALL, after=4))
    fast, _ = await _models(made, "openai")
    said: list[str] = []

    async def read() -> None:
        async for chunk in fast.astream("?"):
            said.append(chunk.text)  # noqa: PERF401  what came before the time is up counts

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 3)
    assert "".join(said).split() == ["one", "two", "three", "four"]


async def test_an_end_within_a_pause_is_seen(
    provider: Provider, made: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "LONGEST_PAUSE_S", 30)
    monkeypatch.setattr(Pace, "_speaking", 1_000_000)
    provider.always(Script("one two three four", tokens_per_s=50))
    fast, _ = await _models(made, "openai")
    async with asyncio.timeout(5):
        assert "".join([chunk.text async for chunk in fast.astream("?")]) == "one two three four"


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(part) for name, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if isinstance(value, list) else value
