"""Partial failure: what could not be looked up is named to the person who asked, and nothing at all is an error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage

from tilores_x.graph.calling import call_key
from tilores_x.graph.toolrun import FAILED

MOST_NAMED = 5
"""Failed lookups that the text names one by one; the others are counted, and all of them stand in ``missing``."""

_WHAT = {
    "tilores_search": "the search for",
    "tilores_entity": "the look-up of",
    "tilores_insights": "the figures of",
    "tilores_explain": "how the records belong together of",
}
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Failure:
    """A lookup that was stopped from outside. ``what`` was looked up and ``why`` it failed, in words."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} failed: {self.why}"


def failures(turn: Sequence[AnyMessage]) -> list[Failure]:
    """What failed in this question and was not got by asking again."""
    calls = {call["id"]: call for message in turn if isinstance(message, AIMessage) for call in message.tool_calls}
    results = [message for message in turn if isinstance(message, ToolMessage) and message.tool_call_id in calls]
    got = {call_key(calls[message.tool_call_id]) for message in results if message.status != "error"}
    names = _names(results)
    failed: dict[str, Failure] = {}
    for message in results:
        call = calls[message.tool_call_id]
        if FAILED in message.response_metadata and (key := call_key(call)) not in got:
            failed.setdefault(key, Failure(_in_words(call, names), str(message.response_metadata[FAILED])))
        for part in _failed_parts(message):
            key = json.dumps([message.name, part], sort_keys=True, default=str)
            call = ToolCall(name=message.name or "", args=_whom(part), id=None)
            failed.setdefault(key, Failure(_in_words(call, names), str(part["error"])))
    return list(failed.values())


def _failed_parts(message: ToolMessage) -> list[dict[str, Any]]:
    """Of a call that asked for several people, those who could not be looked up."""
    artifact = message.artifact
    if not isinstance(artifact, dict) or "apart" not in artifact or not artifact["note"]:
        return []
    return [part for part in json.loads(message.text).get("people", ()) if "error" in part]


def _whom(part: Mapping[str, Any]) -> dict[str, Any]:
    return part.get("searched") or {name: value for name, value in part.items() if name != "error"}


def with_word_of(failed: Sequence[Failure], text: str) -> str:
    """``text`` with a sentence on what it lacks, whatever the model made of the failures."""
    if not failed:
        return text
    reasons = list(dict.fromkeys(failure.why for failure in failed))
    named = [failure.what for failure in failed[:MOST_NAMED]]
    rest = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
    why = reasons[0] if len(reasons) == 1 else " ".join(reasons[:2])
    return f"{text}\n\nThis is incomplete. Not looked up: {'; '.join(named)}{rest}. {why}".rstrip()


def _names(results: Sequence[ToolMessage]) -> dict[str, str]:
    """Entity id -> the person's name, where a lookup told it."""
    people = [one for message in results if isinstance(message.artifact, dict) for one in message.artifact["entities"]]
    labels = {person["entity_id"]: person["label"] for person in people}
    named = {
        key: " ".join(label[part][0] for part in ("first_name", "last_name") if label.get(part))
        for key, label in labels.items()
    }
    return {key: name for key, name in named.items() if name}


def _in_words(call: ToolCall, names: Mapping[str, str]) -> str:
    given = [str(value) for value in call["args"].values() if isinstance(value, str | int | float)]
    values = [names.get(value, value)[:_LONGEST_VALUE] for value in given]
    what = _WHAT.get(call["name"], call["name"])
    return f"{what} {', '.join(values)}" if values else what
