"""The planner behind LangChain's interface of a chat model."""

from __future__ import annotations

from functools import reduce
from operator import add

from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.tools import tool

from tilores_x.llm.planner import RulePlanner

SYSTEM = SystemMessage("## Search parameters\n- email: EMAIL\n- client_id: CLIENT_ID\n\n## Fields\n- email: EMAIL\n")


@tool
def tilores_search(EMAIL: str | None = None) -> str:  # noqa: N803
    """Search."""
    return ""


async def test_calls_come_whole_with_their_reason_and_usage() -> None:
    model = RulePlanner().bind_tools([tilores_search])
    question = [SYSTEM, HumanMessage("who is a@example.com and who is client 4021?")]
    message = await model.ainvoke(question)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [
        ("tilores_search", {"EMAIL": "a@example.com"}),
        ("tilores_search", {"CLIENT_ID": "4021"}),
    ]
    assert len({call["id"] for call in message.tool_calls}) == 2
    assert message.response_metadata == {"finish_reason": "tool_calls", "model_name": "planner"}
    assert message.usage_metadata is not None
    assert message.usage_metadata["input_tokens"] > message.usage_metadata["output_tokens"] > 0


async def test_chunks_add_up_to_the_message() -> None:
    model = RulePlanner()
    chunks = [chunk async for chunk in model.astream([SYSTEM, HumanMessage("hello there")])]
    whole = reduce(add, chunks)
    message = await model.ainvoke([SYSTEM, HumanMessage("hello there")])
    assert isinstance(whole, AIMessageChunk)
    assert len(chunks) > 3
    assert whole.content == message.content == model.invoke([SYSTEM, HumanMessage("hello there")]).content
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.usage_metadata == message.usage_metadata


async def test_streamed_calls_add_up_too() -> None:
    model = RulePlanner().bind_tools([tilores_search])
    whole = reduce(add, [chunk async for chunk in model.astream([SYSTEM, HumanMessage("who is a@example.com")])])
    assert isinstance(whole, AIMessage)
    assert [call["args"] for call in whole.tool_calls] == [{"EMAIL": "a@example.com"}]


async def test_told_not_to_call_it_answers() -> None:
    model = RulePlanner().bind_tools([tilores_search], tool_choice="none")
    message = await model.ainvoke([SYSTEM, HumanMessage("who is a@example.com")])
    assert not message.tool_calls
    assert message.text
