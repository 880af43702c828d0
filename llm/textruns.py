"""Events that differ in their text alone are joined before they are parsed.

Nearly all events of a stream are the same but for the few letters of their token. Parsing each makes a dozen objects,
and what those cost the garbage collector of a large process is many times the parsing. So the bytes before and after
the text are learnt from one parsed event; of a run of events that have the same bytes there, the texts are put
together as they are written, and one event is parsed in place of all.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_TEXTS = ("content", "reasoning_content", "reasoning")
_WRITTEN = rb'"(?:%s)":\s*"([^"\\]*(?:\\.[^"\\]*)*)"' % "|".join((*_TEXTS, "arguments")).encode()
_TEXT = re.compile(_WRITTEN)
_WHOLE = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*')
_CALL = frozenset({"index", "function", "type"})

MOST_LESSONS = 8
"""In a row that were of no use: some providers put a random field into each event, and no two are alike."""


class TextRuns:
    """What is known of one stream's events."""

    def __init__(self) -> None:
        self._before = self._after = b""
        self._lessons = 0

    def chunks(self, events: list[bytes]) -> tuple[list[Any], ValueError | None]:
        """What ``events`` say, each run of like ones in one chunk: up to the first that is no JSON, with its error."""
        found: list[Any] = []
        run: list[bytes] = []
        before, after = self._before, self._after
        try:
            for event in events:
                first, last = len(before), len(event) - len(after)
                if before and first <= last and event.startswith(before) and event.endswith(after):
                    run.append(event[first:last])
                    continue
                if run:
                    self._parse(run, found)
                    run = []
                chunk = orjson.loads(event)
                found.append(chunk)
                if self._lessons < MOST_LESSONS:
                    self._learn(event, chunk)
                    before, after = self._before, self._after
            if run:
                self._parse(run, found)
        except orjson.JSONDecodeError as error:
            return found, error
        return found, None

    def _parse(self, texts: list[bytes], found: list[Any]) -> None:
        self._lessons = 0
        if len(texts) > 1 and _joinable(texts):
            try:
                found.append(orjson.loads(self._before + b"".join(texts) + self._after))
                return
            except orjson.JSONDecodeError:
                pass  # one of them is broken: those before it count
        for text in texts:
            found.append(orjson.loads(self._before + text + self._after))  # noqa: PERF401  what came before an error stays

    def _learn(self, event: bytes, chunk: Any) -> None:
        place = _text_in(chunk)
        if place is None:
            return
        self._lessons += 1
        matches = list(_TEXT.finditer(event))
        if len(matches) != 1:
            return
        before, after = event[: matches[0].start(1)], event[matches[0].end(1) :]
        holder, name = place
        text, holder[name] = holder[name], ""
        if orjson.loads(before + after) == chunk:
            self._before, self._after = before, after
        holder[name] = text


def _joinable(texts: list[bytes]) -> bool:
    """Whether each is a text and no more (a further field could stand in it), and ends in no half of an escape."""
    text = b"".join(texts)
    if b"\\" in text and any(text.endswith(b"\\") for text in texts):
        return False
    return b'"' not in text or _WHOLE.fullmatch(text) is not None


def _text_in(chunk: Any) -> tuple[dict[str, Any], str] | None:
    """Where its text stands, if a chunk says one text and nothing that counts once (a call, an end, usage)."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or chunk.get("usage") or chunk.get("x_groq"):
        return None
    choice = choices[0]
    if not isinstance(choice, dict) or choice.get("finish_reason") or choice.get("logprobs"):
        return None
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return None
    said = [name for name, value in delta.items() if value and name != "role"]
    if len(said) != 1:
        return None
    if said[0] in _TEXTS:
        return (delta, said[0]) if isinstance(delta[said[0]], str) else None
    return _arguments_in(delta["tool_calls"]) if said[0] == "tool_calls" else None


def _arguments_in(calls: Any) -> tuple[dict[str, Any], str] | None:
    """Likewise of a call that goes on: more of its arguments."""
    call = calls[0] if isinstance(calls, list) and len(calls) == 1 else None
    if not isinstance(call, dict) or not call.keys() <= _CALL:
        return None
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str) or function.get("name"):
        return None
    return (function, "arguments") if function["arguments"] else None
