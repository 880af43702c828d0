"""What is fetched before the model asks: begun by seek, found by act, ended and learned from with the question.

Tasks can't go into the state; so they are held here by the question's id. Whatever way a question ends, they end: with
its answer, with the failure or cancellation of a node (see ``Watched``), at the latest when its time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.runtime import Runtime

from tilores_x.graph.ahead.budget import WasteBudget
from tilores_x.graph.ahead.habits import Habits
from tilores_x.graph.ahead.running import BY_HABIT, Running, Started, marks_of
from tilores_x.graph.ahead.templates import Subject, comes_along, needs_entity, one_by_one, template_of, those_named
from tilores_x.graph.ahead.waiting import CALLS_STARTED_MORE, Measured, better_to_wait
from tilores_x.graph.calling import call_key
from tilores_x.graph.context import Context
from tilores_x.graph.state import Citation, State, Timing
from tilores_x.llm.health import Health
from tilores_x.tools.api.client import TiloresClient

PREFIX = "seek_"
"""How the ids of calls begin that were started because the question names somebody."""

ASKING_TOKENS, ANSWERING_TOKENS = 40, 120
"""What a model writes to ask for lookups, and to answer; for expectations alone."""

MOST_TENANTS = 1_000
"""Whose budgets, and last models, are remembered."""


@dataclass(slots=True)
class Counts:
    """Since the process began. ``started`` are lookups that habits started, ``used`` and ``wasted`` some of them.

    Of the rest it can't be told: they found nothing, and the answer may rest on just that.
    """

    questions: int = 0
    one_call: int = 0
    waited: int = 0
    started_beside: int = 0
    started: int = 0
    used: int = 0
    wasted: int = 0


@dataclass(eq=False)
class Ahead:
    """Of one pipeline."""

    health: Health
    client: TiloresClient
    habits: Habits = field(default_factory=Habits)
    counts: Counts = field(default_factory=Counts)
    _running: dict[str, tuple[Running, asyncio.TimerHandle]] = field(default_factory=dict)
    _budgets: dict[str, WasteBudget] = field(default_factory=dict)
    _model: dict[str, str] = field(default_factory=dict)

    def begin(self, question: str, running: Running, left_s: float) -> None:
        """``running`` belongs to the question from now on, ``left_s`` seconds at most."""
        self.end(question)
        over = asyncio.get_running_loop().call_later(left_s, self.end, question)
        self._running[question] = (running, over)

    def of(self, question: str) -> Running | None:
        held = self._running.get(question)
        return held[0] if held else None

    def end(self, question: str) -> None:
        """Stop what still runs for the question; ending it twice does nothing."""
        if (held := self._running.pop(question, None)) is not None:
            running, over = held
            over.cancel()
            running.end()

    async def aclose(self) -> None:
        for question in list(self._running):
            self.end(question)
        await asyncio.sleep(0)

    def budget(self, tenant: str) -> WasteBudget:
        if tenant not in self._budgets and len(self._budgets) >= MOST_TENANTS:
            self._budgets.pop(next(iter(self._budgets)))
        return self._budgets.setdefault(tenant, WasteBudget())

    def better_to_wait(self, running: Running) -> bool:
        """Whether the model had better start with the results: see ``waiting``. So it is while nothing is measured."""
        measured = self._measured(running)
        return measured is None or better_to_wait(measured)

    def patience_s(self, running: Running) -> float | None:
        """How long what habits started is waited for once all else is there: as long as a model call would take.

        Twice that, since at the end of a shorter wait the time is lost and the call is made all the same. None where
        nothing runs or nothing is measured.
        """
        measured = self._measured(running) if running.pending() else None
        return None if measured is None else max(0.05, 2 * (measured.asking_s + measured.round_s))

    def _measured(self, running: Running) -> Measured | None:
        model, lookups = self._model.get(running.tenant), self.client.observed
        seen = self.health.snapshot().models.get(model) if model else None
        if seen is None or seen.ttft_s is None or lookups is None:
            return None
        per_token = 1 / seen.tokens_per_s.p50 if seen.tokens_per_s else 0.0
        likely = running.habit.likely()
        unknown = any(subject.entity_id is None for subject in running.subjects)
        after = any(needs_entity(template) and not comes_along(template) for template in likely)
        rounds = 2 if unknown and after else 1
        waited = running.habit.calls_waited or (1.0 if likely else 2.0)
        return Measured(
            lookup_s=rounds * lookups.p50,
            round_s=lookups.p50,
            asking_s=seen.ttft_s.p50 + ASKING_TOKENS * per_token,
            answering_s=seen.ttft_s.p50 + ANSWERING_TOKENS * per_token,
            calls_waited=waited,
            calls_started=running.habit.calls_started or waited + CALLS_STARTED_MORE,
        )

    def finished(
        self,
        question: str,
        turn: Sequence[AnyMessage],
        citations: Sequence[Citation],
        *,
        started_at: float,
        model_calls: int,
        model: str,
    ) -> list[Timing]:
        """The question, ``started_at`` (epoch seconds), is answered: learn from it, stop what still runs.

        Returns the times of lookups that nobody used.
        """
        running = self.of(question)
        if running is None:
            return []
        try:
            self._model.pop(running.tenant, None)
            self._model[running.tenant] = model
            if len(self._model) > MOST_TENANTS:
                del self._model[next(iter(self._model))]
            if not running.learns:
                self._count(running, model_calls, 0, 0, 0)
                return []
            asked = _asked(running, turn)
            ahead = [one for one in running.started.values() if one.template is not None]
            judged = {id(one): _needed(one, citations) for one in ahead}
            for one in ahead:
                assert one.template is not None
                needed = judged[id(one)]
                share = running.habit.share(one.template) if needed is None else float(needed)
                if one.told:
                    asked[one.template] = max(share, asked.get(one.template, 0.0))
            # The first of a kind is answered without knowing anything: it tells nothing of what waiting saves.
            waited = running.waited if running.habit.times else None
            self.habits.learn(running.tenant, running.kind, asked, model_calls=model_calls, waited=waited)
            used, wasted = (sum(needed is told for needed in judged.values()) for told in (True, False))
            self.budget(running.tenant).settle(used=used, wasted=wasted)
            self._count(running, model_calls, len(ahead), used, wasted)
            return [
                _timing(question, one, started_at) for one in ahead if not one.told and not one.used and one.outcome
            ]
        finally:
            self.end(question)

    def _count(self, running: Running, model_calls: int, started: int, used: int, wasted: int) -> None:
        counts = self.counts
        counts.questions += 1
        counts.one_call += model_calls == 1
        counts.waited += running.waited is True
        counts.started_beside += running.waited is False
        counts.started += started
        counts.wasted += wasted
        counts.used += used

    def report(self) -> dict[str, Any]:
        """What came of speculation so far, in plain values."""
        counts = self.counts
        return {
            "questions": counts.questions,
            "answered_with_one_model_call": counts.one_call,
            "waited_for_searches": counts.waited,
            "model_started_beside": counts.started_beside,
            "lookups_started_ahead": counts.started,
            "lookups_used": counts.used,
            "lookups_wasted": counts.wasted,
            "kinds_of_questions": len(self.habits),
            "running": len(self._running),
        }


def _asked(running: Running, turn: Sequence[AnyMessage]) -> dict[str, float]:
    """The templates of what the model asked for itself, and got; seek starts what the question names in any case."""
    named = {call_key(one.call) for one in running.started.values() if one.template is None}
    failed = {one.tool_call_id for one in turn if isinstance(one, ToolMessage) and one.status == "error"}
    calls = [
        one
        for message in turn
        for call in (message.tool_calls if isinstance(message, AIMessage) else ())
        if not (call["id"] or "").startswith((PREFIX, BY_HABIT)) and call["id"] not in failed
        for one in one_by_one(call)
    ]
    if not calls:
        return {}
    named_by = those_named(running.subjects or _found(turn))
    about = [
        (call, subject)
        for call in calls
        if (subjects := named_by(call))
        if call_key(call) not in named
        for subject in subjects
    ]
    known = _identifying(turn) if about else set()
    made = (template_of(call, subject, running.said, known) for call, subject in about)
    return {template: 1.0 for template in made if template is not None}


def _found(turn: Sequence[AnyMessage]) -> list[Subject]:
    """Whom the model's own searches found."""
    return [Subject("found", "", person["entity_id"]) for person in _people(turn)]


def _identifying(turn: Sequence[AnyMessage]) -> set[str]:
    """What tells the people found from others: no template may hold that."""
    labels = [value for person in _people(turn) for values in person["label"].values() for value in values]
    return {part.casefold() for value in labels for part in (value, *value.split())}


def _people(turn: Sequence[AnyMessage]) -> list[Mapping[str, Any]]:
    return [
        person
        for message in turn
        if isinstance(message, ToolMessage) and isinstance(message.artifact, dict)
        for person in message.artifact.get("entities") or ()
    ]


def _needed(one: Started, citations: Sequence[Citation]) -> bool | None:
    """Whether a lookup was needed: asked for, or cited by the answer. None where that can't be told.

    A lookup that found nothing is cited by no answer, though the answer may rest on just that.
    """
    if one.used:
        return True
    if not one.told or one.outcome is None:
        return False
    artifact = one.outcome.message.artifact
    if not isinstance(artifact, dict):
        return False
    facts = [*artifact["facts"], *(fact for figure in artifact["figures"] for fact in figure["facts"])]
    if not facts:
        return None
    held = {(fact["record_id"], fact["field"]) for fact in facts}
    return any((citation["record_id"], citation["field"]) in held for citation in citations)


def _timing(question: str, one: Started, started_at: float) -> Timing:
    assert one.outcome is not None
    marks = [*marks_of(one.outcome), "not used"]
    return Timing(
        question=question,
        name=one.call["name"],
        kind="tool",
        start_s=round(max(0.0, one.outcome.began - started_at), 6),
        seconds=round(one.outcome.seconds, 6),
        marks=marks,
    )


@dataclass(frozen=True)
class Watched:
    """A node; where it fails or is cancelled, so is what runs ahead for its question."""

    node: Callable[[State, Runtime[Context]], Awaitable[dict[str, Any]]]
    ahead: Ahead

    async def __call__(self, state: State, runtime: Runtime[Context]) -> dict[str, Any]:
        try:
            return await self.node(state, runtime)
        except BaseException:
            asked = next((one for one in reversed(state["messages"]) if isinstance(one, HumanMessage)), None)
            if asked is not None:
                self.ahead.end(asked.id or "")
            raise
