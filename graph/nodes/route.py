"""route: picks the model that answers and the ones that stand in for it, and says why."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from tilores_x.errors import ConfigError
from tilores_x.graph.choice import as_plain
from tilores_x.graph.context import Context
from tilores_x.graph.question import read_question
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import State
from tilores_x.graph.window import characters, recent
from tilores_x.graph.work import at_work, question_seconds
from tilores_x.llm.catalog import Resolved
from tilores_x.llm.choice import Limits, Needs
from tilores_x.llm.classify import classify
from tilores_x.llm.routing import choose
from tilores_x.llm.specs import Priority

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English: the choice needs the size, not the count."""

EXPECTED_RESULTS_TOKENS = 1_500
EXPECTED_ANSWER_TOKENS = 300


@dataclass(frozen=True)
class Route:
    resources: Resources

    async def __call__(self, state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        question = read_question(state["messages"])
        now = time.time()
        deadline_at = now + question_seconds(runtime, self.resources.settings)
        async with at_work("route", question.id, now, deadline_at) as work:
            context = runtime.context or Context()
            priority = self._priority(context)
            if priority is Priority.AUTO:
                priority = classify(question.text)
            settings = self.resources.settings
            choice = choose(
                self.resources.catalog,
                priority=priority,
                configured=self.resources.chat_models.configured,
                health=self.resources.health.snapshot(),
                needs=self._needs(state),
                limits=Limits(max_usd=context.max_usd or settings.max_question_usd, deadline_s=deadline_at - now),
                pinned=context.model or settings.model,
            )
            Resolved(choice.best.model, choice.warning).announce()
            return {
                "started_at": now,
                "deadline_at": deadline_at,
                "choice": as_plain(choice),
                "attempts": Overwrite([]),
                "rounds": 0,
                "draft": "",
                "drafted_at": 0,
                "corrections": [],
                "timings": work.done(f"{choice.priority.value}: {choice.best.model.name}"),
            }

    def _priority(self, context: Context) -> Priority:
        if "priority" in context.model_fields_set:
            return context.priority
        try:
            return Priority(self.resources.settings.priority)
        except ValueError:
            known = ", ".join(priority.value for priority in Priority)
            raise ConfigError(
                f"TILORES_PRIORITY is {self.resources.settings.priority!r}; it must be one of {known}."
            ) from None

    def _needs(self, state: State) -> Needs:
        size = self.resources.prompt_characters + sum(map(characters, recent(state["messages"])))
        return Needs(
            input_tokens=size // CHARACTERS_PER_TOKEN + EXPECTED_RESULTS_TOKENS, output_tokens=EXPECTED_ANSWER_TOKENS
        )
