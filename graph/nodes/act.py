"""act: runs the tool calls of the last message, all at once."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, ToolCall
from langgraph.runtime import Runtime

from tilores_x.graph.ahead.running import Running, marks_of
from tilores_x.graph.calling import Results, broken_calls, gathered, run_calls, this_question
from tilores_x.graph.context import Context
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import State
from tilores_x.graph.toolrun import Outcome
from tilores_x.graph.work import Work, asked_by, at_work, clock_of


@dataclass(frozen=True)
class Act:
    resources: Resources

    async def __call__(self, state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        turn = this_question(state["messages"])
        asked = state["messages"][-1]
        assert isinstance(asked, AIMessage)
        async with at_work("act", turn[0].id or "", *clock_of(state)) as work:
            ahead = self.resources.ahead.of(turn[0].id or "")
            along = ahead.coming_along() if ahead is not None else nullcontext()
            with asked_by(runtime, self.resources.settings), along:
                results = await run_calls(asked.tool_calls, self.resources.tools, work, earlier=turn[:-1], ahead=ahead)
                news = await self._news(ahead, results, work)
            if not state["evidence"]:
                results.raise_if_all_failed()
            told = gathered([outcome for _, outcome in news])
            calls = [call for call, _ in news]
            return {
                "messages": [
                    *results.messages,
                    *broken_calls(asked),
                    *([AIMessage("", tool_calls=calls), *told.messages] if news else []),
                ],
                "evidence": [*results.evidence, *told.evidence],
                "timings": work.done(),
            }

    async def _news(self, ahead: Running | None, results: Results, work: Work) -> list[tuple[ToolCall, Outcome]]:
        """What questions of this kind usually need of those whom the model's search has found, told unasked."""
        if ahead is None:
            return []
        ahead.found(results.evidence)
        if ahead.probing:
            return []
        await ahead.settled(patience_s=self.resources.ahead.patience_s(ahead))
        news = ahead.tell()
        for call, outcome in news:
            work.noted(call["name"], "tool", outcome.began, outcome.seconds, marks_of(outcome))
        return news
