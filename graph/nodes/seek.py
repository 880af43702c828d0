"""seek: starts the searches for what the question names outright, before any model was asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, ToolCall
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from tilores_x.graph.calling import run_calls
from tilores_x.graph.context import Context
from tilores_x.graph.identifiers import Identifier, Kind, find_identifiers
from tilores_x.graph.question import read_question
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import State
from tilores_x.graph.work import asked_by, at_work, question_seconds
from tilores_x.tools.fields.concepts import Concepts

PREFIX = "seek_"
"""How the ids of these calls begin."""

MOST = 16
"""Searches that are started ahead; the model may ask for more."""

SEARCH, ENTITY = "tilores_search", "tilores_entity"


@dataclass(frozen=True)
class Seek:
    resources: Resources

    async def __call__(self, state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        question = read_question(state["messages"])
        now = time.time()
        deadline_at = now + question_seconds(runtime, self.resources.settings)
        async with at_work("seek", question.id, now, deadline_at) as work:
            calls = planned(find_identifiers(question.text), self.resources.concepts, self.resources.tools)
            with asked_by(runtime, self.resources.settings):
                results = await run_calls(calls, self.resources.tools, work)
            results.raise_if_all_failed()
            asked = [AIMessage("", tool_calls=calls), *results.messages] if calls else []
            return {
                "messages": ([question.message] if question.cleaned else []) + asked,
                "evidence": Overwrite(results.evidence),
                "timings": work.done(),
            }


def planned(identifiers: list[Identifier], concepts: Concepts, tools: Mapping[str, BaseTool]) -> list[ToolCall]:
    """One call per identifier that this instance can look up."""
    wanted = [call for identifier in identifiers if (call := _call(identifier, concepts))]
    return [
        ToolCall(name=name, args=args, id=f"{PREFIX}{uuid4().hex[:12]}", type="tool_call")
        for name, args in wanted
        if name in tools
    ][:MOST]


def _call(identifier: Identifier, concepts: Concepts) -> tuple[str, dict[str, Any]] | None:
    if identifier.kind in (Kind.RECORD_ID, Kind.ENTITY_ID):
        return ENTITY, {identifier.kind.value: identifier.value}
    parameters = concepts.search.get(identifier.kind.value)
    return (SEARCH, {parameters[0]: identifier.value}) if parameters else None
