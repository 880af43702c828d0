"""What is raised where no model answered: who must act depends on what went wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilores_x.errors import (
    AccessDenied,
    ConfigError,
    DeadlineExceeded,
    ModelUnavailable,
    QuestionError,
    TiloresXError,
)
from tilores_x.llm.attempt import AttemptFailed
from tilores_x.llm.health import Outcome

if TYPE_CHECKING:
    from tilores_x.llm.under_way import Call


class NoAnswer(ModelUnavailable):
    """A pass over the candidates ended without an answer; ``again``: another pass may have one."""

    def __init__(self, message: str, *, again: bool, retry_after_s: float | None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.again = again


def again(error: Exception) -> bool:
    return isinstance(error, NoAnswer) and error.again


def too_late(call: Call) -> DeadlineExceeded:
    tried = f" Tried: {call.told()}." if call.faults else ""
    return DeadlineExceeded(
        f"The time given to the question has run out before a model answered.{tried} Give it more: TILORES_DEADLINE_S."
    )


def broken_off(failed: AttemptFailed) -> ModelUnavailable:
    name, fault = failed.candidate.model.name, failed.fault
    return ModelUnavailable(f"{name} broke off in the middle of its answer: {fault.text}. Ask again.")


def final(call: Call, error: NoAnswer) -> TiloresXError:
    """What to raise for good: who must act depends on what all the models had in common."""
    outcomes = {fault.outcome for fault in call.faults.values()}
    told = call.told()
    if outcomes == {Outcome.DENIED}:
        return AccessDenied(f"The provider refused the key: {told}. Check the keys in the environment.")
    if outcomes == {Outcome.UNKNOWN_MODEL}:
        return ConfigError(f"The provider does not know the model: {told}. `tilores-x models --check` tells more.")
    if outcomes == {Outcome.REFUSED}:
        return QuestionError(f"The conversation was refused as it is: {told}. Ask a shorter or another question.")
    return ModelUnavailable(str(error), retry_after_s=error.retry_after_s)
