"""A question to the models while it is asked: what was tried, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from tilores_x.deadline import Deadline
from tilores_x.llm.attempt import Attempt, Trial
from tilores_x.llm.choice import Candidate
from tilores_x.llm.faults import Fault
from tilores_x.llm.health import Outcome


@dataclass(slots=True)
class Call:
    """What ``Caller.call`` gathers. ``given_up``: models that need not be sent this conversation again."""

    candidates: tuple[Candidate, ...]
    messages: Sequence[BaseMessage]
    tools: Sequence[BaseTool]
    config: RunnableConfig | None
    deadline: Deadline
    attempts: list[Attempt]
    about: Collection[str] = ()
    begun_at: float = field(default_factory=time.time)
    passes: int = 0
    corrected: bool = False
    given_up: set[str] = field(default_factory=set)
    faults: dict[str, Fault] = field(default_factory=dict)

    def note(self, trial: Trial) -> None:
        if trial.attempt is not None:
            self.attempts.append(trial.attempt)
        if trial.failure is not None:
            if trial.failure.fault.outcome is not Outcome.CANCELLED or trial.name not in self.faults:
                self.faults[trial.name] = trial.failure.fault
            if not trial.failure.fault.again:
                self.given_up.add(trial.name)

    def told(self) -> str:
        """What went wrong with each model, for a person."""
        return (
            "; ".join(f"{name}: {fault.text}" for name, fault in self.faults.items()) or "all of them are cooling down"
        )


def kept(candidate: Candidate, message: AIMessage, seconds: float) -> Attempt:
    """A reply that no call was made for: it took that many seconds, and cost nothing."""
    usage = message.usage_metadata
    return Attempt(
        model=candidate.model.name,
        provider=candidate.model.provider,
        outcome=Outcome.OK.value,
        seconds=seconds,
        first_token_s=None,
        input_tokens=usage["input_tokens"] if usage else 0,
        output_tokens=usage["output_tokens"] if usage else 0,
        cost_usd=0.0,
        cached=True,
        error=None,
    )
