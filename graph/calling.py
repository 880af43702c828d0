"""Runs the tool calls of one turn side by side: each with its own timeout, none taking its siblings along."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool

from tilores_x.graph.toolrun import Outcome, make, refused, stopped
from tilores_x.graph.work import Work
from tilores_x.tools.records import Evidence

if TYPE_CHECKING:
    from tilores_x.graph.ahead.running import Running

MOST_CALLS = 64
"""Tool calls that one turn may hold; those beyond are refused, with word to the model."""


@dataclass(frozen=True, slots=True)
class Results:
    """One message per call, in the order of the calls, and the evidence of those that worked.

    ``failures`` are what stopped calls from outside (Tilores, the deadline), not what the model asked wrong.
    """

    messages: list[ToolMessage]
    evidence: list[Evidence]
    failures: list[Exception]

    def raise_if_all_failed(self) -> None:
        """Where nothing came back and something was stopped from outside, the first such failure is raised."""
        if self.failures and all(message.status == "error" for message in self.messages):
            raise self.failures[0]


async def run_calls(
    calls: Sequence[ToolCall],
    tools: Mapping[str, BaseTool],
    work: Work,
    *,
    earlier: Sequence[AnyMessage] = (),
    ahead: Running | None = None,
) -> Results:
    """Run ``calls`` at once.

    One that ``earlier`` messages of this question hold already gets the result from there, one that was started
    ``ahead`` gets that one's.
    """
    known = results_by_call(earlier)
    outcomes = await asyncio.gather(
        *(_guarded(number, call, tools, known, ahead, work) for number, call in enumerate(calls))
    )
    return gathered(outcomes)


def gathered(outcomes: Sequence[Outcome]) -> Results:
    messages = [outcome.message for outcome in outcomes]
    return Results(
        messages,
        [message.artifact for message in messages if message.artifact is not None],
        [outcome.failure for outcome in outcomes if outcome.failure is not None],
    )


async def _guarded(
    number: int,
    call: ToolCall,
    tools: Mapping[str, BaseTool],
    known: Mapping[str, ToolMessage],
    ahead: Running | None,
    work: Work,
) -> Outcome:
    now = time.time()
    tool = tools.get(call["name"])
    if tool is None:
        why = f"There is no tool {call['name']}. There are: {', '.join(sorted(tools))}."
        return Outcome(refused(call, why), None, now, 0.0, [])
    if number >= MOST_CALLS:
        why = f"Too many calls at once: {MOST_CALLS} is the most. Ask for the rest afterwards."
        return Outcome(stopped(call, why), None, now, 0.0, [])
    key = call_key(call)
    if (found := known.get(key)) is not None:
        if ahead is not None:
            ahead.wanted(key)
        work.took(call["name"], "tool", now, ["found before"])
        return Outcome(as_result_of(call, found, evidence=False), None, now, 0.0, [])
    outcome = await ahead.result_of(call) if ahead is not None else None
    if outcome is None:
        outcome = await make(call, tool)
    work.noted(call["name"], "tool", outcome.began, outcome.seconds, outcome.marks)
    return outcome


def as_result_of(call: ToolCall, found: ToolMessage, *, evidence: bool) -> ToolMessage:
    """``found`` as the result of another call that asks the same; its evidence counts once only."""
    artifact = None
    if evidence and isinstance(found.artifact, dict):
        artifact = {**found.artifact, "call_id": call["id"]}
    return found.model_copy(update={"tool_call_id": call["id"], "id": None, "artifact": artifact})


def broken_calls(message: AIMessage) -> list[ToolMessage]:
    """Answers to the calls of ``message`` whose arguments are no JSON: a provider wants one for each."""
    return [
        refused(
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
        call_key(call): answers[call["id"] or ""]
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["id"] in answers and answers[call["id"] or ""].status != "error"
    }


def call_key(call: ToolCall) -> str:
    """What a call asks, however it is spelled: order of names and unset arguments don't matter."""
    given = {name: value for name, value in call["args"].items() if value not in (None, [], {})}
    return f"{call['name']} {json.dumps(given, sort_keys=True, default=str)}"
