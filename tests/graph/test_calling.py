from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.errors import GraphInterrupt

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import AccessDenied, TiloresUnavailable, ToolFailed
from tilores_x.graph.calling import MOST_CALLS, broken_calls, run_calls, this_question
from tilores_x.graph.work import Work


def tool(name: str, run: Any) -> BaseTool:
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    return StructuredTool(
        name=name, description=name, args_schema=schema, coroutine=run, response_format="content_and_artifact"
    )


def evidence(x: str) -> dict[str, Any]:
    return {
        "tool": "look",
        "call_id": None,
        "arguments": {"x": x},
        "entities": [],
        "facts": [],
        "figures": [],
        "note": None,
    }


class Bench:
    """Tools that do as they are told, and note what they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.meeting = asyncio.Barrier(3)
        self.tools = {
            name: tool(name, getattr(self, name))
            for name in ("look", "meet", "hang", "fail", "refuse", "deny", "break_", "interrupt")
        }

    async def look(self, x: str = "") -> tuple[str, dict[str, Any]]:
        self.asked.append(x)
        return json.dumps({"ok": True, "x": x}), evidence(x)

    async def meet(self, x: str = "") -> tuple[str, dict[str, Any]]:
        await self.meeting.wait()
        return "met", evidence(x)

    async def hang(self, x: str = "") -> tuple[str, dict[str, Any]]:
        await asyncio.Event().wait()
        raise AssertionError

    async def fail(self, x: str = "") -> tuple[str, dict[str, Any]]:
        raise TiloresUnavailable("Tilores is down.")

    async def refuse(self, x: str = "") -> tuple[str, dict[str, Any]]:
        raise ToolFailed("Ask for EMAIL.")

    async def deny(self, x: str = "") -> tuple[str, dict[str, Any]]:
        raise AccessDenied("Wrong secret.")

    async def break_(self, x: str = "") -> tuple[str, dict[str, Any]]:
        raise KeyError("jane@example.com")

    async def interrupt(self, x: str = "") -> tuple[str, dict[str, Any]]:
        raise GraphInterrupt(())

    async def run(self, *names: str, earlier: Any = ()) -> Any:
        calls = [ToolCall(name=name, args={"x": str(number)}, id=f"call-{number}") for number, name in enumerate(names)]
        return await run_calls(calls, self.tools, self.work, earlier=earlier)

    @property
    def work(self) -> Work:
        self.last = Work("act", "q", time.time())
        return self.last


async def test_calls_run_side_by_side_and_answer_in_order() -> None:
    bench = Bench()
    async with asyncio.timeout(5):
        results = await bench.run("meet", "meet", "meet")  # each waits for the other two
    assert [message.tool_call_id for message in results.messages] == ["call-0", "call-1", "call-2"]
    assert [found["call_id"] for found in results.evidence] == ["call-0", "call-1", "call-2"]
    assert [timing["kind"] for timing in bench.last.timings] == ["tool"] * 3


async def test_one_failure_takes_no_sibling_along() -> None:
    bench = Bench()
    results = await bench.run("fail", "look", "break_", "refuse", "nothing")
    contents = [json.loads(message.text) for message in results.messages]
    assert [content["ok"] for content in contents] == [False, True, False, False, False]
    assert contents[0]["error"] == "Tilores is down."
    assert contents[3]["error"] == "Ask for EMAIL."
    assert "There is no tool nothing" in contents[4]["error"]
    assert "look" in contents[4]["error"]
    assert "jane" not in contents[2]["error"]
    assert [message.status for message in results.messages] == ["error", "success", "error", "error", "error"]
    assert len(results.evidence) == 1
    results.raise_if_all_failed()


@pytest.mark.parametrize(
    ("names", "error"), [(["fail", "fail"], TiloresUnavailable), (["deny"], AccessDenied), (["break_"], KeyError)]
)
async def test_when_nothing_can_be_asked_the_failure_is_raised(names: list[str], error: type[Exception]) -> None:
    results = await Bench().run(*names)
    with pytest.raises(error):
        results.raise_if_all_failed()


async def test_what_the_model_asked_wrong_is_no_failure() -> None:
    results = await Bench().run("refuse", "nothing")
    results.raise_if_all_failed()
    assert results.failures == []


async def test_a_call_that_hangs_is_cut_short_for_the_others() -> None:
    bench = Bench()
    with deadline_scope(Deadline.after(0.3)) as deadline:
        results = await bench.run("look", "hang")
        assert deadline.left_s() > 0  # some time is left for an answer
    assert [message.status for message in results.messages] == ["success", "error"]
    assert "time" in results.messages[1].text


async def test_interrupts_pass() -> None:
    with pytest.raises(GraphInterrupt):
        await Bench().run("look", "interrupt")


async def test_too_many_calls_are_refused_beyond_a_bound() -> None:
    bench = Bench()
    results = await bench.run(*["look"] * (MOST_CALLS + 2))
    assert len(bench.asked) == MOST_CALLS
    assert [message.status for message in results.messages[-3:]] == ["success", "error", "error"]


async def test_what_was_found_before_is_not_asked_again() -> None:
    bench = Bench()
    first = ToolCall(name="look", args={"x": "0", "y": None}, id="seek_1")
    known = ToolMessage('{"ok": true}', tool_call_id="seek_1", name="look", artifact=evidence("0"))
    results = await bench.run("look", earlier=[HumanMessage("?"), AIMessage("", tool_calls=[first]), known])
    assert bench.asked == []
    assert results.messages[0].text == '{"ok": true}'
    assert results.messages[0].tool_call_id == "call-0"
    assert results.evidence == []  # it counts once
    assert bench.last.timings[0]["marks"] == ["found before"]


async def test_what_failed_before_is_asked_again() -> None:
    bench = Bench()
    first = ToolCall(name="look", args={"x": "0"}, id="seek_1")
    known = ToolMessage('{"ok": false}', tool_call_id="seek_1", name="look", status="error")
    await bench.run("look", earlier=[AIMessage("", tool_calls=[first]), known])
    assert bench.asked == ["0"]


def test_calls_that_are_no_json_get_an_answer_each() -> None:
    broken = {"name": "look", "args": "{", "id": "c1", "error": None, "type": "invalid_tool_call"}
    (message,) = broken_calls(AIMessage("", invalid_tool_calls=[broken]))
    assert (message.tool_call_id, message.status) == ("c1", "error")


def test_a_question_begins_at_its_message() -> None:
    messages = [HumanMessage("1"), AIMessage("a"), HumanMessage("2"), AIMessage("b")]
    assert this_question(messages) == messages[2:]
    assert this_question([]) == []
