"""What goes into the choice of a model, and what comes out of it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tilores_x.errors import BudgetExceeded, ConfigError, ModelUnavailable, QuestionError, TiloresXError
from tilores_x.llm.catalog import ModelSpec, Priority


class Needs(NamedTuple):
    """What the question takes: expected tokens in and out, and the features used."""

    input_tokens: int = 3000
    output_tokens: int = 300
    tools: bool = True
    json: bool = False


class Limits(NamedTuple):
    """``max_usd`` rules out what costs more; what is expected to miss ``deadline_s`` only goes behind the others."""

    max_usd: float | None = None
    deadline_s: float | None = None


class Why(StrEnum):
    """Why a model is passed over."""

    RETIRED = "retired"
    NO_KEY = "no key"
    LACKS = "lacks a feature"
    TOO_SMALL = "too small"
    TOO_DEAR = "too dear"
    OUT = "provider out"
    COOLING = "cooling down"
    QUOTA = "quota nearly gone"
    UNKNOWN = "unknown"


class Candidate(NamedTuple):
    """A model that may answer. ``expected_usd`` is None where its price is not published."""

    model: ModelSpec
    reason: str
    expected_s: float
    expected_usd: float | None


class PassedOver(NamedTuple):
    """A model that may not answer. ``until`` (epoch seconds) says when that may change by itself."""

    model: str
    why: str
    kind: Why
    until: float | None = None


class Choice(NamedTuple):
    """The models that may answer, the first choice first, and the others with the reason why not.

    ``warning`` says so where a retired name was asked for. ``at`` is the moment of the choice, in epoch seconds.
    """

    ordered: tuple[Candidate, ...]
    reason: str
    priority: Priority
    passed_over: tuple[PassedOver, ...]
    warning: str | None = None
    at: float = 0.0

    @property
    def best(self) -> Candidate:
        """The first choice.

        Raises:
            ModelUnavailable: a model may be used again later.
            BudgetExceeded: only the limit on cost stands in the way.
            QuestionError: the conversation is too long for every model.
            ConfigError: no model can be used as things are set.
        """
        if not self.ordered:
            raise self.error()
        return self.ordered[0]

    def error(self) -> TiloresXError:
        """What to raise where no model may answer."""
        waits = [passed.until - self.at for passed in self.passed_over if passed.until is not None]
        kinds = {passed.kind for passed in self.passed_over}
        if waits:
            return ModelUnavailable(self.reason, retry_after_s=max(0.0, min(waits)))
        if Why.TOO_DEAR in kinds:
            return BudgetExceeded(self.reason)
        if Why.TOO_SMALL in kinds:
            return QuestionError(self.reason)
        return ConfigError(self.reason)
