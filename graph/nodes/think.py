"""think: one call of the chosen model, with the tools bound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.config import get_config
from langgraph.runtime import Runtime

from tilores_x.graph.calling import this_question
from tilores_x.graph.choice import as_choice
from tilores_x.graph.context import Context
from tilores_x.graph.edges import MOST_ROUNDS
from tilores_x.graph.kept import entities_of
from tilores_x.graph.prompts import LAST_ROUND, NOTE, correction
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import State
from tilores_x.graph.window import recent
from tilores_x.graph.work import Work, asked_by, at_work, clock_of
from tilores_x.llm.calls import Attempt


@dataclass(frozen=True)
class Think:
    resources: Resources

    async def __call__(self, state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        turn = this_question(state["messages"])
        async with at_work("think", turn[0].id or "", *clock_of(state)) as work:
            last = state["rounds"] >= MOST_ROUNDS
            choice = as_choice(state["choice"], self.resources.catalog)
            context = runtime.context or Context()
            attempts: list[Attempt] = []
            async with self.resources.spending.charge(
                context.tenant or self.resources.settings.tenant,
                expected_usd=choice.best.expected_usd,
                spent_usd=cost_usd(state["attempts"]),
                max_usd=context.max_usd,
            ) as charge:
                try:
                    with asked_by(runtime, self.resources.settings):
                        message, _ = await self.resources.caller.call(
                            choice,
                            self._prompt(state, last=last),
                            [] if last else list(self.resources.tools.values()),
                            config=get_config(),
                            attempts=attempts,
                            about=entities_of(state["messages"]),
                        )
                finally:
                    charge.usd = cost_usd(attempts)
            _note(work, attempts)
            return {
                "messages": [message],
                "attempts": attempts,
                "rounds": state["rounds"] + 1,
                "timings": work.done(),
            }

    def _prompt(self, state: State, *, last: bool) -> list[AnyMessage]:
        messages: list[AnyMessage] = [
            self.resources.system_message(),
            *recent(state["messages"]),
        ]
        if state["corrections"]:
            turn = len(this_question(state["messages"]))
            place = len(messages) - turn + state["drafted_at"]
            note = HumanMessage(correction(state["corrections"]), additional_kwargs={NOTE: True})
            messages[place:place] = [AIMessage(state["draft"]), note]
        if last:
            messages.append(HumanMessage(LAST_ROUND, additional_kwargs={NOTE: True}))
        return messages


def cost_usd(attempts: Iterable[Attempt]) -> float:
    """What the attempts cost; one whose price is not known counts as free."""
    return sum(attempt["cost_usd"] or 0.0 for attempt in attempts)


def _note(work: Work, attempts: list[Attempt]) -> None:
    """The attempts on the time axis: they ran one after the other, and the last has just ended."""
    began = work.now() - sum(attempt["seconds"] for attempt in attempts)
    for attempt in attempts:
        marks = [] if attempt["outcome"] == "ok" else [attempt["outcome"]]
        if attempt["first_token_s"] is not None:
            marks.append(f"first token {attempt['first_token_s']:.2f} s")
        if attempt["cached"]:
            marks.append("cached")
        work.noted(attempt["model"], "model", began, attempt["seconds"], marks)
        began += attempt["seconds"]
