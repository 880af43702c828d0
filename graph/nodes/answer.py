"""answer: lets through only what the evidence proves, and attaches its sources, its cost and its times."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.runtime import Runtime

from tilores_x.deadline import current_deadline
from tilores_x.errors import ModelUnavailable
from tilores_x.graph.ahead.running import BY_HABIT
from tilores_x.graph.calling import this_question
from tilores_x.graph.context import Context
from tilores_x.graph.nodes.think import cost_usd
from tilores_x.graph.partial import failures, with_word_of
from tilores_x.graph.people import guessed, which_one
from tilores_x.graph.prompts import today
from tilores_x.graph.proof.grounding import EvidenceIndex, unproven
from tilores_x.graph.proof.mending import proven_part
from tilores_x.graph.proof.provenance import cite
from tilores_x.graph.question import cleaned, read_question
from tilores_x.graph.recall import people_of, recall, shown
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import Citation, Reply, State
from tilores_x.graph.toolrun import FAILED
from tilores_x.graph.window import forgotten
from tilores_x.graph.work import Work, at_work, clock_of
from tilores_x.llm.catalog import LOCAL
from tilores_x.tools.records import EntityBrief, Evidence

PLANNER_NOTE = "rule-based planner, no language model"

RETRY_LEAST_S = 1.0
"""With less time left a draft is mended by taking out what is unproven, without asking the model again."""

MOST_ENTITIES = 20


@dataclass(frozen=True)
class Answer:
    resources: Resources

    async def __call__(self, state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        question = read_question(state["messages"])
        async with at_work("answer", question.id, *clock_of(state)) as work:
            draft = state["messages"][-1]
            text = cleaned(draft.text).strip()
            turn = this_question(state["messages"])
            about = people_of(state["evidence"])
            before = recall(state["messages"][: -len(turn)], about, f"{question.text}\n{text}")
            evidence = [*before.evidence, *state["evidence"]]
            contents = [*before.contents, *shown(turn)]
            index = EvidenceIndex(evidence, question=question.text, today=today(), contents=contents)
            people = guessed(text, state["evidence"], question.text, _questions(state["messages"], question.id))
            problems = _problems(text, index, people)
            if problems and self.resources.caller.replies is not None:
                await self.resources.caller.replies.drop(draft)
            if problems and not state["corrections"] and current_deadline().left_s() > RETRY_LEAST_S:
                runtime.stream_writer({"withdrawn": draft.id})
                return {
                    "messages": [RemoveMessage(id=draft.id or "")],
                    "draft": text,
                    "drafted_at": len(turn) - 1,
                    "corrections": problems,
                    "timings": work.done("sent back"),
                }
            if people:
                text = which_one(people)
            text, removed = proven_part(text, index)
            text = _with_word_of(removed, text)
            if not text:
                raise ModelUnavailable("The model gave no answer. Ask again, or choose another model.")
            citations = cite(text, index, about, question.text)
            failed = failures(turn)
            missing = missing_of(state["evidence"], citations, turn) + [str(failure) for failure in failed]
            missing += [f"no record proves: {statement}" for statement in removed]
            return self._finished(state, work, with_word_of(failed, text), citations, missing)

    def _finished(
        self, state: State, work: Work, text: str, citations: list[Citation], missing: list[str]
    ) -> dict[str, Any]:
        attempts = state["attempts"]
        draft = state["messages"][-1]
        by = next((attempt for attempt in reversed(attempts) if attempt["outcome"] == "ok"), None)
        model = by["model"] if by else state["choice"]["ordered"][0]["model"]
        unused = self.resources.ahead.finished(
            work.question,
            this_question(state["messages"]),
            citations,
            started_at=state["started_at"],
            model_calls=state["rounds"],
            model=model,
        )
        timings = [*state["timings"], *work.done(), *unused]
        reply = Reply(
            reply=text,
            citations=citations,
            entities=_entities(state["evidence"], citations),
            missing=missing,
            model=model,
            model_note=PLANNER_NOTE if model.startswith(f"{LOCAL}:") else None,
            reason=state["choice"]["reason"],
            priority=state["choice"]["priority"],
            cost_usd=cost_usd(attempts),
            cached=bool(attempts) and all(attempt["cached"] for attempt in attempts),
            seconds=round(time.time() - state["started_at"], 6),
            timings=timings,
            attempts=attempts,
            cached_age_s=None,
        )
        self.resources.ledger.finished(reply["timings"], reply["seconds"])
        said = AIMessage(text, id=draft.id, response_metadata=draft.response_metadata)
        return {
            "messages": [*forgotten(state["messages"]), said],
            "corrections": [],
            "draft": "",
            "reply": reply,
            "timings": timings[len(state["timings"]) :],
        }


def _problems(text: str, index: EvidenceIndex, people: Sequence[EntityBrief]) -> list[str]:
    problems = [f"No record or result holds {item.text!r}." for item in unproven(text, index)]
    if people:
        problems.append("Several people match, and the question doesn't say which one is meant: list them and ask.")
    if not text:
        problems.append("It is empty.")
    return list(dict.fromkeys(problems))


def _with_word_of(removed: Sequence[str], text: str) -> str:
    if not removed:
        return text
    if not text:
        return "The records that I read don't prove an answer to this."
    what = "One statement was" if len(removed) == 1 else "Some statements were"
    return f"{text}\n\n{what} left out, since no record proves {'it' if len(removed) == 1 else 'them'}."


def missing_of(evidence: Sequence[Evidence], citations: Sequence[Citation], turn: Sequence[AnyMessage]) -> list[str]:
    """What lookups left out, searches that found nobody, and calls that could not be made as asked.

    What was looked up ahead of the model and was not needed lacks nothing.
    """
    cited = {(citation["record_id"], citation["field"]) for citation in citations}
    notes = [
        note
        for one in evidence
        if (note := one["note"])
        if not (one["call_id"] or "").startswith(BY_HABIT)
        or any((fact["record_id"], fact["field"]) in cited for fact in one["facts"])
    ]
    refused = [
        f"{message.name} failed: {message.text[:200]}"
        for message in turn
        if isinstance(message, ToolMessage) and message.status == "error" and FAILED not in message.response_metadata
    ]
    return list(dict.fromkeys([*notes, *refused]))


def _entities(evidence: Iterable[Evidence], citations: Sequence[Citation]) -> list[EntityBrief]:
    """Whom the answer is about: those whose records it cites, or else all that were found."""
    found = {entity["entity_id"]: entity for one in evidence for entity in one["entities"]}
    cited = {citation["entity_id"] for citation in citations}
    return [entity for entity_id, entity in found.items() if entity_id in cited][:MOST_ENTITIES] or list(
        found.values()
    )[:MOST_ENTITIES]


def _questions(messages: Sequence[AnyMessage], question_id: str) -> list[str]:
    return [message.text for message in messages if isinstance(message, HumanMessage) and message.id != question_id]
