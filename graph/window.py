"""How much of a conversation a model sees: whole turns, the newest first, up to a bound."""

from __future__ import annotations

import json
from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage

MOST_CHARACTERS = 60_000
"""Of earlier turns; the newest turn always counts whole."""

MOST_TURNS = 20
"""Earlier turns are forgotten by the conversation beyond this many."""


def turns(messages: Sequence[AnyMessage]) -> list[list[AnyMessage]]:
    """The conversation cut before each question: a tool call never parts from its result."""
    cut: list[list[AnyMessage]] = []
    for message in messages:
        if isinstance(message, HumanMessage) or not cut:
            cut.append([])
        cut[-1].append(message)
    return cut


def recent(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The newest turn, and as many turns before it as fit. A turn that never got an answer is left out."""
    *earlier, newest = turns(messages) or [[]]
    kept: list[list[AnyMessage]] = []
    room = MOST_CHARACTERS
    for turn in reversed(earlier):
        if not _answered(turn):
            continue
        room -= sum(map(characters, turn))
        if room < 0:
            break
        kept.append(turn)
    return [message for turn in reversed(kept) for message in turn] + newest


def _answered(turn: Sequence[AnyMessage]) -> bool:
    return isinstance(turn[-1], AIMessage) and not turn[-1].tool_calls


def forgotten(messages: Sequence[AnyMessage]) -> list[RemoveMessage]:
    """Removals of the turns that are too old to be kept."""
    old = turns(messages)[:-MOST_TURNS]
    return [RemoveMessage(id=message.id) for turn in old for message in turn if message.id]


def characters(message: AnyMessage) -> int:
    """About what a message costs in a prompt."""
    content = message.content if isinstance(message.content, str) else json.dumps(message.content, default=str)
    calls = json.dumps(message.tool_calls, default=str) if isinstance(message, AIMessage) and message.tool_calls else ""
    return len(content) + len(calls)
