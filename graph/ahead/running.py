"""The lookups started ahead for one question: live tasks, which no state can hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import uuid4

from langchain_core.messages import ToolCall
from langchain_core.tools import BaseTool

from tilores_x.graph.ahead.habits import Habit
from tilores_x.graph.ahead.kinds import Kind
from tilores_x.graph.ahead.subjects import FOUND
from tilores_x.graph.ahead.templates import Subject, comes_along, filled, needs_entity
from tilores_x.graph.calling import as_result_of, call_key
from tilores_x.graph.people import Words
from tilores_x.graph.toolrun import Outcome, make
from tilores_x.tools.records import Evidence

BY_HABIT = "ahead_"
"""How the ids of calls begin that were started because questions of this kind usually need them."""

ANYBODY = Subject(FOUND, "")
"""Whoever a search of the model's will find."""

_FIELDS = ("fields", "show_fields")
_COVERED = frozenset(("tilores_search", "tilores_entity"))


@dataclass(slots=True, eq=False)
class Started:
    """A lookup under way or done. ``told``: its result stands in the prompt. ``used``: the model asked for it."""

    call: ToolCall
    task: asyncio.Task[Outcome]
    template: str | None = None
    told: bool = False
    used: bool = False

    @property
    def outcome(self) -> Outcome | None:
        """What came of it; None while it runs."""
        if not self.task.done() or self.task.cancelled() or self.task.exception() is not None:
            return None
        return self.task.result()


@dataclass(eq=False)
class Running:
    """Of one question.

    ``waited`` says whether its results stand in the first prompt; None: there was nothing. ``most`` is how many lookups
    habits may start. ``foreseeing`` lets a search bring insights along. ``probing``: the model is to show what it asks
    when it is told nothing. ``refused`` are searches for whom the question names beyond the bound.
    """

    tenant: str
    kind: Kind
    habit: Habit
    said: Words
    tools: Mapping[str, BaseTool]
    most: int
    foreseeing: Callable[[Sequence[Mapping[str, Any]]], AbstractContextManager[None]]
    subjects: list[Subject] = field(default_factory=list)
    started: dict[str, Started] = field(default_factory=dict)
    waited: bool | None = None
    learns: bool = True
    probing: bool = False
    refused: list[ToolCall] = field(default_factory=list)
    _followers: set[asyncio.Task[None]] = field(default_factory=set)
    _taken: set[str] = field(default_factory=set)

    def start(self, call: ToolCall, template: str | None = None) -> Started:
        """Begin the call, unless it has begun already; it runs on when the node that asked for it has ended."""
        key = call_key(call)
        if (known := self.started.get(key)) is None:
            task = asyncio.create_task(make(call, self.tools[call["name"]]))
            task.add_done_callback(_heard)
            known = self.started[key] = Started(call, task, template)
        return known

    def search(self, subject: Subject, call: ToolCall) -> None:
        """Search for ``subject``; the figures that questions of this kind usually need of them come along with it."""
        with self.coming_along(subject):
            self.expect(subject, self.start(call))

    def coming_along(self, subject: Subject = ANYBODY) -> AbstractContextManager[None]:
        """Searches inside bring along what insights questions of this kind usually need of ``subject``."""
        asked = []
        for template in self.habit.likely()[: self.most] if not self.probing else ():
            call = filled(template, replace(subject, entity_id=""), self.said) if comes_along(template) else None
            if call is not None:
                asked.append({name: value for name, value in call[1].items() if name != "entity_id"})
        return self.foreseeing(asked)

    def expect(self, subject: Subject, search: Started | None = None) -> None:
        """Start what questions of this kind usually need of ``subject``: what needs their entity after ``search``."""
        self.subjects.append(subject)
        likely = self.habit.likely()
        self._start_likely(subject, (one for one in likely if subject.entity_id or not needs_entity(one)))
        after = [one for one in likely if needs_entity(one)]
        if search is not None and subject.entity_id is None:
            follower = asyncio.create_task(self._follow(subject, search, after))
            self._followers.add(follower)
            follower.add_done_callback(self._followers.discard)

    async def _follow(self, subject: Subject, search: Started, after: Sequence[str]) -> None:
        await asyncio.wait([search.task])
        outcome = search.outcome
        people = singles(outcome.message.artifact) if outcome is not None else []
        if people:
            found = Subject(subject.kind, subject.value, people[0])
            self.subjects[self.subjects.index(subject)] = found
            self._start_likely(found, after)

    def found(self, evidence: Iterable[Evidence]) -> None:
        """A search of the model's has found people: start what is usually needed of them, while the model reads."""
        known = {subject.entity_id for subject in self.subjects}
        for one in evidence:
            for person in singles(one) if one["tool"] == "tilores_search" else ():
                if person not in known:
                    known.add(person)
                    self.expect(Subject(FOUND, "", person))

    def _start_likely(self, subject: Subject, templates: Iterable[str]) -> None:
        for template in templates:
            if sum(one.template is not None for one in self.started.values()) >= self.most:
                return
            call = filled(template, subject, self.said)
            if call is not None and call[0] in self.tools:
                name, args = call
                self.start(ToolCall(name=name, args=args, id=f"{BY_HABIT}{uuid4().hex[:12]}"), template)

    async def settled(self, *, habits: bool = True, patience_s: float | None = None) -> None:
        """Wait for what runs, ``patience_s`` at most; with ``habits`` False only for what the question names."""
        if not self.pending(habits=habits):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while pending := self.pending(habits=habits):
                    await asyncio.wait(pending)
                    await asyncio.sleep(0)  # for what follows from it to be started

    def pending(self, *, habits: bool = True) -> list[asyncio.Task[Any]]:
        """What still runs; with ``habits`` False of what the question names only."""
        tasks: list[asyncio.Task[Any]] = [
            one.task for one in self.started.values() if (habits or one.template is None) and not one.task.done()
        ]
        return tasks + ([task for task in self._followers if not task.done()] if habits else [])

    def tell(self) -> list[tuple[ToolCall, Outcome]]:
        """What habits have brought that the model has neither asked for nor been told; always in the same order, so
        that equal conversations are equal prompts."""
        news = []
        for one in sorted(self.started.values(), key=lambda one: f"{one.call['name']} {one.call['args']}"):
            if one.template is None or one.told or one.used or (outcome := one.outcome) is None:
                continue
            if outcome.message.status != "error":
                one.told = True
                news.append((one.call, outcome))
        return news

    def wanted(self, key: str) -> None:
        """The model asked for what it was told already."""
        if (known := self.started.get(key)) is not None:
            known.used = True

    async def result_of(self, call: ToolCall) -> Outcome | None:
        """The result of a lookup that ``call`` asks for too, or that covers it; None where there is none."""
        known = self._match(call)
        if known is None:
            return None
        known.used = True
        await asyncio.wait([known.task])
        if known.task.cancelled():
            return None
        outcome = known.task.result()
        exact = call_key(call) == call_key(known.call)
        if outcome.message.status == "error" and not exact:
            return None
        key = call_key(known.call)
        message = as_result_of(call, outcome.message, evidence=not known.told and key not in self._taken)
        self._taken.add(key)
        return Outcome(message, outcome.failure, outcome.began, outcome.seconds, marks_of(outcome))

    def _match(self, call: ToolCall) -> Started | None:
        if (known := self.started.get(call_key(call))) is not None:
            return known
        return next((one for one in self.started.values() if covers(one.call, call)), None)

    def end(self) -> None:
        """Stop whatever still runs."""
        for task in (*self._followers, *(one.task for one in self.started.values())):
            if not task.done():
                task.cancel()


def marks_of(outcome: Outcome) -> list[str]:
    return [*outcome.marks, "speculated"]


def covers(made: ToolCall, asked: ToolCall) -> bool:
    """Whether the result of ``made`` holds all that ``asked`` would give: the same people, and more fields of them."""
    if made["name"] != asked["name"] or made["name"] not in _COVERED:
        return False
    mine, more = _parted(made)
    theirs, fewer = _parted(asked)
    return mine == theirs and bool(fewer) and fewer <= more


def _parted(call: ToolCall) -> tuple[dict[str, Any], set[str]]:
    """Whom a call asks for, and which fields of them."""
    whom = {name: value for name, value in call["args"].items() if value not in (None, [], {}) and name not in _FIELDS}
    fields: set[str] = set()
    for name in _FIELDS:
        given = call["args"].get(name) or ()
        fields |= {given} if isinstance(given, str) else {one for one in given if isinstance(one, str)}
    return whom, fields


def singles(artifact: Evidence | Any) -> list[str]:
    """The entities that are beyond doubt whom was asked for: the only match of a search."""
    if not isinstance(artifact, dict):
        return []
    one = cast(Evidence, artifact)
    if "apart" in one:
        return [people[0] for people in one["apart"] if len(people) == 1]
    more = any(figure["name"] == "people found" and figure["value"] != 1 for figure in one["figures"])
    return [person["entity_id"] for person in one["entities"]] if len(one["entities"]) == 1 and not more else []


def _heard(task: asyncio.Task[Any]) -> None:
    """A failure is told by whoever asks for the result; nobody need."""
    if not task.cancelled():
        task.exception()
