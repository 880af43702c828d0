"""act: runs the tool calls of the last message, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime

from tilores_x.graph.calling import broken_calls, run_calls, this_question
from tilores_x.graph.context import Context
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import State
from tilores_x.graph.work import asked_by, at_work, clock_of


@dataclass(frozen=True)
class Act:
    resources: Resources

    async def __call__(self, state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        turn = this_question(state["messages"])
        asked = state["messages"][-1]
        assert isinstance(asked, AIMessage)
        async with at_work("act", turn[0].id or "", *clock_of(state)) as work:
            ahead = self.resources.ahead.of(turn[0].id or "")
            with asked_by(runtime, self.resources.settings):
                results = await run_calls(asked.tool_calls, self.resources.tools, work, earlier=turn[:-1], ahead=ahead)
                if ahead is not None:
                    ahead.found(results.evidence)
            if not state["evidence"]:
                results.raise_if_all_failed()
            return {
                "messages": [*results.messages, *broken_calls(asked)],
                "evidence": results.evidence,
                "timings": work.done(),
            }
