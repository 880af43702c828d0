"""A tool call with the person left open: what a kind of question asks, whoever it is about.

Slots stand for the found entity, for the identifier that the question names, and for words that it says ("Experian").
Whatever else could tell who or what it was about makes a call unfit for a template: it is not learned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import ToolCall

from tilores_x.graph.people import Words

ENTITY = "\0entity"
IDENTIFIER = "\0id:"
SAID = "\0said:"
LONGEST = 1_500
"""Characters of a template; longer ones are not learned."""

LEARNED = frozenset(("tilores_search", "tilores_entity", "tilores_insights", "tilores_explain"))
"""Tools whose calls are learned; what is computed rests on figures, which no template may hold."""

_NEVER = frozenset(("record_ids", "record_id"))
_VALUES = frozenset(("value", "values"))
_FIELDS = frozenset(("fields", "show_fields"))
_SEARCH = "tilores_search"
_SEVERAL = {"people": "", "search_people": "", "entity_ids": "entity_id"}
"""Arguments that list several, and the one in their place for each."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody whom a question is about: an identifier of a ``kind``, with the entity where it is known."""

    kind: str
    value: str
    entity_id: str | None = None


def template_of(call: ToolCall, subject: Subject, said: Words, known: Collection[str]) -> str | None:
    """``call`` with ``subject`` left open, as one text; None where it isn't about them, or can't be left open.

    ``said`` are the words of the question, ``known`` the values that identify people, in small letters: they stay out
    of templates.
    """
    if call["name"] not in LEARNED or subject not in those_named([subject])(call):
        return None
    maker = _Maker(call["name"], subject, said, known)
    try:
        args = {name: maker.leaf(name, value) for name, value in call["args"].items() if value not in (None, [], {})}
    except _Unfit:
        return None
    if not maker.open:
        return None
    text = json.dumps([call["name"], args], sort_keys=True, ensure_ascii=False)
    return text if len(text) <= LONGEST else None


def those_named(subjects: Iterable[Subject]) -> Callable[[ToolCall], list[Subject]]:
    """Tells which of ``subjects`` are arguments of a call: most calls of a turn are about somebody else."""
    by_name: dict[str, list[Subject]] = {}
    for subject in subjects:
        for name in {part.strip().casefold() for part in (subject.value, subject.entity_id) if part}:
            by_name.setdefault(name, []).append(subject)

    def named(call: ToolCall) -> list[Subject]:
        texts = {value.strip().casefold() for value in call["args"].values() if isinstance(value, str)}
        return list(dict.fromkeys(subject for text in texts for subject in by_name.get(text, ())))

    return named


def one_by_one(call: ToolCall) -> list[ToolCall]:
    """``call``, or where it asks for several people or entities, a call for each: a template is about one."""
    args = dict(call["args"])
    for many, each in _SEVERAL.items():
        listed = args.pop(many, None)
        if isinstance(listed, list) and listed:
            wholes = [
                {**one, **_only_fields(args)} if isinstance(one, Mapping) else {each: one, **args} for one in listed
            ]
            return [ToolCall(name=call["name"], args=whole, id=call["id"]) for whole in wholes]
    return [call]


def _only_fields(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in args.items() if name in _FIELDS}


def filled(template: str, subject: Subject, said: Words) -> tuple[str, dict[str, Any]] | None:
    """The call (tool, arguments) that ``template`` is for ``subject``.

    None where the subject is named in another way, its entity isn't known, or the question doesn't say the words.
    """
    name, args = json.loads(template)
    try:
        return name, {key: _fill(value, subject, said) for key, value in args.items()}
    except _Unfit:
        return None


def needs_entity(template: str) -> bool:
    return json.dumps(ENTITY) in template


def comes_along(template: str) -> bool:
    """Whether a search can bring it along: see ``tools/foresight``."""
    return template.startswith('["tilores_insights"') and needs_entity(template)


class _Unfit(Exception):
    pass


class _Maker:
    def __init__(self, tool: str, subject: Subject, said: Words, known: Collection[str]) -> None:
        self.tool, self.subject, self.said, self.known = tool, subject, said, known
        self.open = False

    def leaf(self, key: str, value: Any) -> Any:
        """``value`` of the argument ``key`` with slots in it."""
        if isinstance(value, Mapping):
            return {name: self.leaf(name, part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.leaf(key, part) for part in value]
        if isinstance(value, str):
            return self._text(key, value)
        if key in _VALUES and value is not None and not isinstance(value, bool):
            raise _Unfit  # a figure to compare with
        return value

    def _text(self, key: str, value: str) -> str:
        folded = value.strip().casefold()
        if self.subject.entity_id is not None and folded == self.subject.entity_id.casefold():
            self.open = True
            return ENTITY
        if folded == self.subject.value.strip().casefold() and self.subject.value:
            self.open = True
            return IDENTIFIER + self.subject.kind
        if key in _NEVER or (self.tool == _SEARCH and key not in _FIELDS) or key == "entity_id":
            raise _Unfit
        if key in _VALUES:
            if not value.isalpha() or folded in self.known or not self.said.holds(folded):
                raise _Unfit
            return SAID + value
        return value


def _fill(value: Any, subject: Subject, said: Words) -> Any:
    if isinstance(value, dict):
        return {name: _fill(part, subject, said) for name, part in value.items()}
    if isinstance(value, list):
        return [_fill(part, subject, said) for part in value]
    if not isinstance(value, str) or not value.startswith("\0"):
        return value
    if value == ENTITY and subject.entity_id is not None:
        return subject.entity_id
    if value == IDENTIFIER + subject.kind:
        return subject.value
    if value.startswith(SAID) and said.holds(value.removeprefix(SAID).casefold()):
        return value.removeprefix(SAID)
    raise _Unfit
