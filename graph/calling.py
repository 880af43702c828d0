"""Runs the tool calls of one turn side by side: each with its own timeout, none taking its siblings along."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp

from tilores_x.deadline import current_deadline
from tilores_x.errors import TiloresXError, ToolFailed
from tilores_x.graph.work import Work
from tilores_x.tools.records import Evidence

MOST_CALLS = 64
"""Tool calls that one turn may hold; those beyond are refused, with word to the model."""

ANSWER_SHARE = 0.15
"""The share of the time left that tool calls leave to the model, for its answer."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Results:
    """One message per call, in the order of the calls, and the evidence of those that worked.

    ``failures`` are what stopped calls from outside (Tilores, the deadline), not what the model asked wrong.
    """

    messages: list[ToolMessage]
    evidence: list[Evidence]
    failures: list[Exception]

    def raise_if_all_failed(self) -> None:
        """Where nothing could be asked at all there is nothing to answer with: the first failure is raised."""
        if self.failures and len(self.failures) == len(self.messages):
            raise self.failures[0]


async def run_calls(
    calls: Sequence[ToolCall], tools: Mapping[str, BaseTool], work: Work, *, earlier: Sequence[AnyMessage] = ()
) -> Results:
    """Run ``calls`` at once. One that ``earlier`` messages of this question hold already gets the result from there."""
    known = results_by_call(earlier)
    outcomes = await asyncio.gather(*(_guarded(number, call, tools, known, work) for number, call in enumerate(calls)))
    messages = [message for message, _ in outcomes]
    return Results(
        messages,
        [message.artifact for message in messages if message.artifact is not None],
        [failure for _, failure in outcomes if failure is not None],
    )


async def _guarded(
    number: int, call: ToolCall, tools: Mapping[str, BaseTool], known: Mapping[str, ToolMessage], work: Work
) -> tuple[ToolMessage, Exception | None]:
    tool = tools.get(call["name"])
    if tool is None:
        return _refused(call, f"There is no tool {call['name']}. There are: {', '.join(sorted(tools))}."), None
    if number >= MOST_CALLS:
        return _refused(call, f"Too many calls at once: {MOST_CALLS} is the most. Ask for the rest afterwards."), None
    began = time.time()
    if (found := known.get(_key(call))) is not None:
        work.took(call["name"], "tool", began, ["found before"])
        return found.model_copy(update={"tool_call_id": call["id"], "id": None, "artifact": None}), None
    left = current_deadline().left_s()
    try:
        async with asyncio.timeout(left * (1 - ANSWER_SHARE)):
            message = await tool.ainvoke({**call, "type": "tool_call"})
    except GraphBubbleUp:
        raise
    except ToolFailed as error:
        work.took(call["name"], "tool", began, ["refused"])
        return _refused(call, str(error)), None
    except Exception as error:
        work.took(call["name"], "tool", began, ["failed"])
        return _refused(call, _in_words(error)), error
    assert isinstance(message, ToolMessage)
    if isinstance(message.artifact, dict):
        message.artifact["call_id"] = call["id"]
    work.took(call["name"], "tool", began, ["refused"] if message.status == "error" else [])
    return message, None


def _in_words(error: Exception) -> str:
    if isinstance(error, TiloresXError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "No answer within the time left."
    _log.error("A tool failed unexpectedly: %s", type(error).__name__)
    return f"The tool failed ({type(error).__name__})."


def _refused(call: ToolCall, why: str) -> ToolMessage:
    content = json.dumps({"ok": False, "error": why}, ensure_ascii=False)
    return ToolMessage(content, tool_call_id=call["id"] or "", name=call["name"], status="error")


def broken_calls(message: AIMessage) -> list[ToolMessage]:
    """Answers to the calls of ``message`` whose arguments are no JSON: a provider wants one for each."""
    return [
        _refused(
            ToolCall(name=call["name"] or "", args={}, id=call["id"]),
            "The arguments are not valid JSON. Call it again.",
        )
        for call in message.invalid_tool_calls
    ]


def this_question(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The messages from the newest question on."""
    for at in range(len(messages) - 1, -1, -1):
        if isinstance(messages[at], HumanMessage):
            return list(messages[at:])
    return []


def results_by_call(messages: Sequence[AnyMessage]) -> dict[str, ToolMessage]:
    """What was called already and came back well, by what was asked."""
    answers = {message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)}
    return {
        _key(call): answers[call["id"] or ""]
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["id"] in answers and answers[call["id"] or ""].status != "error"
    }


def _key(call: ToolCall) -> str:
    """What a call asks, however it is spelled: order of names and unset arguments don't matter."""
    given = {name: value for name, value in call["args"].items() if value not in (None, [], {})}
    return f"{call['name']} {json.dumps(given, sort_keys=True, default=str)}"
