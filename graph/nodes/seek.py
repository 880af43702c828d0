"""seek: starts the searches for whom the question is about, and what such questions usually need, before any model.

Whom the question names outright is searched for in any case. What questions of its kind usually ask beside is learned
(``graph/ahead``). The results stand in the model's first prompt where it pays to wait for them; else they run on while
the model thinks, and act finds them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, ToolCall
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from tilores_x.graph.ahead.kinds import Said
from tilores_x.graph.ahead.running import Running, marks_of
from tilores_x.graph.ahead.speculation import PREFIX
from tilores_x.graph.ahead.subjects import named_before
from tilores_x.graph.ahead.templates import Subject
from tilores_x.graph.calling import MOST_CALLS, gathered, this_question
from tilores_x.graph.context import Context
from tilores_x.graph.identifiers import Identifier, Kind, find_identifiers
from tilores_x.graph.people import Words
from tilores_x.graph.question import Question, read_question
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import State
from tilores_x.graph.toolrun import Outcome, stopped
from tilores_x.graph.work import Work, asked_by, at_work, question_seconds
from tilores_x.settings import Speculation
from tilores_x.tools.fields.concepts import Concepts

SEARCH, ENTITY = "tilores_search", "tilores_entity"

KEPT_S = 0.005
"""What is kept, in memory or in Redis, is there by then."""


@dataclass(frozen=True)
class Seek:
    resources: Resources

    async def __call__(self, state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        question = read_question(state["messages"])
        now = time.time()
        deadline_at = now + question_seconds(runtime, self.resources.settings)
        async with at_work("seek", question.id, now, deadline_at) as work:
            outcomes: list[tuple[ToolCall, Outcome]] = []
            if self.resources.settings.speculation is not Speculation.OFF:
                with asked_by(runtime, self.resources.settings) as asking:
                    running = self._begun(question, state["messages"], asking.tenant)
                    self.resources.ahead.begin(question.id, running, deadline_at - now)
                    outcomes = await self._outcomes(running, work)
            results = gathered([outcome for _, outcome in outcomes])
            results.raise_if_all_failed()
            asked = [AIMessage("", tool_calls=[call for call, _ in outcomes]), *results.messages] if outcomes else []
            return {
                "messages": ([question.message] if question.cleaned else []) + asked,
                "evidence": Overwrite(results.evidence),
                "timings": work.done(),
            }

    def _begun(self, question: Question, messages: Sequence[AnyMessage], tenant: str) -> Running:
        """Everything that can be started now, started."""
        resources = self.resources
        identifiers = find_identifiers(question.text)
        said = Said.of(question.text, identifiers)
        earlier = messages[: len(messages) - len(this_question(messages))]
        named: Subject | list[Identifier] = identifiers
        if not identifiers and resources.settings.speculation is Speculation.ON:
            named = named_before(earlier, said, resources.vocabulary)
        kinds = [named.kind] if isinstance(named, Subject) else [one.kind.value for one in named]
        kind = resources.vocabulary.kind(said, kinds)
        learned = resources.settings.speculation is Speculation.ON
        running = Running(
            tenant,
            kind,
            resources.ahead.habits.of(tenant, kind),
            Words(question.text),
            resources.tools,
            resources.ahead.budget(tenant).most() if learned else 0,
            resources.toolbox.foreseeing,
        )
        running.learns = learned
        running.probing = learned and running.habit.probing
        if isinstance(named, Subject):
            running.expect(named)
            return running
        calls = planned(named, resources.concepts, resources.tools)
        for identifier, call in calls[:MOST_CALLS]:
            running.search(Subject(identifier.kind.value, identifier.value), call)
        running.refused = [call for _, call in calls[MOST_CALLS:]]
        return running

    async def _outcomes(self, running: Running, work: Work) -> list[tuple[ToolCall, Outcome]]:
        """What the model is told, the searches for whom the question names first."""
        ahead = self.resources.ahead
        if not running.started:
            return []
        running.waited = (not running.probing and ahead.better_to_wait(running)) or await _kept(running)
        if not running.waited:
            return []
        await running.settled(habits=False)
        await running.settled(patience_s=ahead.patience_s(running))
        named = [one for one in running.started.values() if one.template is None]
        for one in named:
            one.told = True
        outcomes = [*((one.call, one.task.result()) for one in named), *running.tell()]
        for call, outcome in outcomes:
            work.noted(call["name"], "tool", outcome.began, outcome.seconds, marks_of(outcome))
        return [*outcomes, *_word_of(running.refused)]


async def _kept(running: Running) -> bool:
    """Whether all that the question names is there already, from what is kept. Then the model is always told it: the
    same question must be the same conversation, or its kept reply would not be found."""
    await running.settled(habits=False, patience_s=KEPT_S)
    outcomes = [one.outcome for one in running.started.values() if one.template is None]
    return bool(outcomes) and all(outcome is not None and "cached" in outcome.marks for outcome in outcomes)


def _word_of(calls: Sequence[ToolCall]) -> list[tuple[ToolCall, Outcome]]:
    """What the bound leaves out is said, in one message however much it is."""
    if not calls:
        return []
    first = calls[0]
    values = [str(value) for call in calls for value in call["args"].values()]
    listed = ", ".join(values[:20]) + (" and more" if len(values) > 20 else "")
    why = f"{len(calls)} of those named were not looked up, {MOST_CALLS} at once is the most: {listed}."
    return [(first, Outcome(stopped(first, why), None, time.time(), 0.0, []))]


def planned(
    identifiers: Sequence[Identifier], concepts: Concepts, tools: Mapping[str, BaseTool]
) -> list[tuple[Identifier, ToolCall]]:
    """One call per identifier that this instance can look up."""
    found = [(identifier, call) for identifier in identifiers if (call := _call(identifier, concepts))]
    return [
        (identifier, ToolCall(name=name, args=args, id=f"{PREFIX}{uuid4().hex[:12]}", type="tool_call"))
        for identifier, (name, args) in found
        if name in tools
    ]


def _call(identifier: Identifier, concepts: Concepts) -> tuple[str, dict[str, Any]] | None:
    if identifier.kind in (Kind.RECORD_ID, Kind.ENTITY_ID):
        return ENTITY, {identifier.kind.value: identifier.value}
    parameters = concepts.search.get(identifier.kind.value)
    return (SEARCH, {parameters[0]: identifier.value}) if parameters else None
