"""Reads a conversation: its questions, what was looked up for each, and what the instance's fields mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

Content = Mapping[str, Any]

_LINE = re.compile(r"^- (?P<concept>\w+): (?P<names>.+)$", re.MULTILINE)
_TODAY = re.compile(r"[Tt]oday\w* (?:is |date is )?(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True, slots=True)
class Lookup:
    """A tool call; ``content`` is None while nothing has come back."""

    name: str
    arguments: Mapping[str, Any]
    content: Content | None


@dataclass(slots=True)
class Turn:
    """A question and what was looked up for it."""

    text: str
    lookups: list[Lookup] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hints:
    """Concept -> field path, and concept -> search parameter; read off the system prompt. ``today`` is an ISO date."""

    fields: Mapping[str, str]
    search: Mapping[str, str]
    today: str = ""

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> Hints:
        text = "\n".join(str(message.text) for message in messages if isinstance(message, SystemMessage))
        today = _TODAY.search(text)
        return cls(_section(text, "Fields"), _section(text, "Search parameters"), today[1] if today else "")


def _section(text: str, title: str) -> dict[str, str]:
    _, _, after = text.partition(f"## {title}\n")
    section = after.partition("\n## ")[0]
    return {match["concept"]: match["names"].split(", ")[0].strip() for match in _LINE.finditer(section)}


def read_turns(messages: Sequence[BaseMessage]) -> list[Turn]:
    """The questions in order. Notes that the pipeline puts in are none."""
    results = {message.tool_call_id: _content(message) for message in messages if isinstance(message, ToolMessage)}
    turns: list[Turn] = []
    for message in messages:
        if isinstance(message, HumanMessage) and not message.additional_kwargs.get("note"):
            turns.append(Turn(str(message.text)))
        elif isinstance(message, AIMessage) and turns:
            turns[-1].lookups.extend(
                Lookup(call["name"], call["args"], results.get(call["id"] or "")) for call in message.tool_calls
            )
    return turns


def _content(message: ToolMessage) -> Content:
    """What a tool said; anything that is no JSON object is a failure."""
    try:
        content = json.loads(str(message.text))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return {"ok": False, "error": "the reply could not be read"}
    return content


def entities(lookups: Sequence[Lookup]) -> Iterator[Mapping[str, Any]]:
    """Every entity that ``lookups`` showed, once."""
    seen = set()
    for lookup in lookups:
        for entity in (lookup.content or {}).get("entities") or ():
            if entity["entity_id"] not in seen:
                seen.add(entity["entity_id"])
                yield entity
