"""What travels from node to node: plain data only, so that a checkpoint can hold it."""

from __future__ import annotations

from operator import add
from typing import Annotated, Literal

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # schemas are made of these, which pydantic wants before Python 3.12

from tilores_x.llm.calls import Attempt
from tilores_x.tools.records import EntityBrief, Evidence, Plain


def _appended(kept: list[Timing], new: list[Timing]) -> list[Timing]:
    """Timings of the newest question alone: the first nodes of a question run side by side, so neither can clear."""
    if not new:
        return kept
    question = new[-1]["question"]
    return [timing for timing in kept if timing["question"] == question] + new


class Timing(TypedDict):
    """One stretch of work: ``start_s`` seconds after the question's start, ``seconds`` long.

    ``question`` is the id of the message that asked; ``marks`` are words for a person ("failed", "first token 0.21 s").
    """

    question: str
    name: str
    kind: Literal["node", "tool", "model"]
    start_s: float
    seconds: float
    marks: list[str]


class Offer(TypedDict):
    """A model in the order of preference: ``model`` is ``provider:id``."""

    model: str
    reason: str
    expected_s: float
    expected_usd: float | None


class PassedOver(TypedDict):
    """A model that could not be chosen, and why."""

    model: str
    why: str


class Choice(TypedDict):
    """What route decided: the models to try in order, why, and which were passed over."""

    ordered: list[Offer]
    reason: str
    priority: str
    passed_over: list[PassedOver]
    warning: str | None


class Citation(TypedDict):
    """A value that the reply rests on, and the record that holds it."""

    record_id: str
    entity_id: str
    field: str
    value: Plain


class Reply(TypedDict):
    """The answer with all that proves and explains it.

    ``missing`` says in words what could not be answered. ``model`` is the one whose text this is (``provider:id``),
    ``model_note`` is set where it is no language model. ``cost_usd`` counts every attempt. ``cached``: no model was
    called; where the whole answer was kept, ``cached_age_s`` says for how many seconds.
    """

    reply: str
    citations: list[Citation]
    entities: list[EntityBrief]
    missing: list[str]
    model: str
    model_note: str | None
    reason: str
    priority: str
    cost_usd: float
    cached: bool
    seconds: float
    timings: list[Timing]
    attempts: list[Attempt]
    cached_age_s: float | None


class InputState(TypedDict):
    """What a caller hands in: the new question, as the last of ``messages``."""

    messages: Annotated[list[AnyMessage], add_messages]


class State(InputState, total=False):
    """``started_at`` and ``deadline_at`` are seconds since the epoch; ``rounds`` counts model calls of this question.

    ``corrections`` holds what the draft of an answer got wrong, ``draft`` is that draft, and ``drafted_at`` how many
    messages of this question came before it: think shows both to the model in that place.
    """

    started_at: float
    deadline_at: float
    choice: Choice
    evidence: Annotated[list[Evidence], add]
    attempts: Annotated[list[Attempt], add]
    timings: Annotated[list[Timing], _appended]
    rounds: int
    draft: str
    drafted_at: int
    corrections: list[str]
    reply: Reply


class OutputState(TypedDict):
    """What a caller gets back: the whole conversation, and the newest reply."""

    messages: Annotated[list[AnyMessage], add_messages]
    reply: Reply
