"""A node at work: its time is taken, and it stays within the deadline of the question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from langgraph.runtime import Runtime

from tilores_x.deadline import Deadline, current_deadline, deadline_scope
from tilores_x.errors import DeadlineExceeded
from tilores_x.graph.context import Context
from tilores_x.graph.state import State, Timing
from tilores_x.llm.cache.scope import Scope, scope
from tilores_x.settings import Settings


@dataclass(slots=True)
class Work:
    """One node's work on one question; ``started_at`` is when the question began, in epoch seconds."""

    node: str
    question: str
    started_at: float
    began: float = field(default_factory=time.time)
    timings: list[Timing] = field(default_factory=list)

    def now(self) -> float:
        return time.time()

    def took(self, name: str, kind: Literal["node", "tool", "model"], began: float, marks: list[str]) -> None:
        """Note what ran from ``began`` (epoch seconds) until now."""
        self.noted(name, kind, began, time.time() - began, marks)

    def noted(
        self, name: str, kind: Literal["node", "tool", "model"], began: float, seconds: float, marks: list[str]
    ) -> None:
        """Note what took ``seconds`` from ``began`` (epoch seconds) on."""
        start_s = max(0.0, began - self.started_at)
        self.timings.append(
            Timing(
                question=self.question,
                name=name,
                kind=kind,
                start_s=round(start_s, 6),
                seconds=round(max(0.0, seconds), 6),
                marks=marks,
            )
        )

    def done(self, *marks: str) -> list[Timing]:
        """All timings, the node's own first: call it last."""
        self.took(self.node, "node", self.began, list(marks))
        return [self.timings[-1], *self.timings[:-1]]


def question_seconds(runtime: Runtime[Context], settings: Settings) -> float:
    """Seconds that the question may take: the caller's, or the operator's."""
    context = runtime.context or Context()
    return context.deadline_s or settings.question_s


def asked_by(runtime: Runtime[Context], settings: Settings) -> AbstractContextManager[Scope]:
    """Work inside is for the caller's tenant, and passes over what is kept where the caller wants that."""
    context = runtime.context or Context()
    return scope(context.tenant or settings.tenant, fresh=context.fresh)


@asynccontextmanager
async def at_work(node: str, question: str, started_at: float, deadline_at: float) -> AsyncIterator[Work]:
    """Work under the question's deadline (``deadline_at``, epoch seconds, or an earlier one around it).

    Raises:
        DeadlineExceeded: the time ran out inside.
    """
    with deadline_scope(Deadline.after(deadline_at - time.time())):
        deadline = current_deadline()
        try:
            async with asyncio.timeout(deadline.left_s()):
                yield Work(node, question, started_at)
        except TimeoutError:
            if deadline.left_s() > 0:
                raise
            raise DeadlineExceeded(
                "The time given to the question has run out. Give it more: TILORES_DEADLINE_S, or --deadline."
            ) from None


def clock_of(state: State) -> tuple[float, float]:
    """When the question began and when it must be answered, in epoch seconds."""
    return state["started_at"], state["deadline_at"]
