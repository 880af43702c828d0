"""Joins events that differ in one text only while they are still bytes.

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
_WRITTEN = rb'"(?:%s)":\s*"([^"\\]*(?:\\.[^"\\]*)*)"' % "|".join(_TEXTS).encode()
_TEXT = re.compile(_WRITTEN)
_WHOLE = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*')

MOST_LESSONS = 8
"""Attempts to learn in one stream: some providers put a random field into each event, and no two are alike."""


class TextRuns:
    """What is known of one stream's events."""

    def __init__(self) -> None:
        self._before = self._after = b""
        self._lessons = 0

    def joined(self, events: list[bytes]) -> list[bytes]:
        """``events`` with each run of like ones made into one, in order."""
        if not self._before or len(events) < 2:
            return events
        before, after = self._before, self._after
        first, last = len(before), -len(after)
        shortest = first - last
        out: list[bytes] = []
        run: list[bytes] = []
        for event in events:
            if event.startswith(before) and event.endswith(after) and len(event) >= shortest:
                run.append(event[first:last])
                continue
            if run:
                out += self._one(run)
                run = []
            out.append(event)
        return out + self._one(run) if run else out

    def _one(self, texts: list[bytes]) -> list[bytes]:
        text = b"".join(texts)
        if b'"' in text and _WHOLE.fullmatch(text) is None:
            # More than a text stands between: a further field.
            return [self._before + text + self._after for text in texts]
        return [self._before + text + self._after]

    def learn(self, events: list[bytes], chunks: list[Any]) -> None:
        """Learn from events and what they parsed to, where they are not of the kind known already."""
        if self._lessons >= MOST_LESSONS:
            return
        for event, chunk in zip(events, chunks, strict=False):
            if self._before and event.startswith(self._before) and event.endswith(self._after):
                return
            if _is_text(chunk):
                self._lessons += 1
                self._learn(event, chunk)
                return

    def _learn(self, event: bytes, chunk: Any) -> None:
        found = _TEXT.findall(event)
        match = _TEXT.search(event)
        if match is None or len(found) != 1:
            return
        before, after = event[: match.start(1)], event[match.end(1) :]
        delta = chunk["choices"][0]["delta"]
        name = next(name for name in _TEXTS if isinstance(delta.get(name), str))
        empty = {**chunk, "choices": [{**chunk["choices"][0], "delta": {**delta, name: ""}}]}
        if orjson.loads(before + after) == empty:
            self._before, self._after = before, after


def _is_text(chunk: Any) -> bool:
    """Whether the chunk says one text, and nothing that counts once (calls, an end, usage)."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or chunk.get("usage") or chunk.get("x_groq"):
        return False
    choice = choices[0]
    if not isinstance(choice, dict) or choice.get("finish_reason") or choice.get("logprobs"):
        return False
    delta = choice.get("delta")
    if not isinstance(delta, dict) or any(value for name, value in delta.items() if name not in (*_TEXTS, "role")):
        return False
    return sum(isinstance(delta.get(name), str) for name in _TEXTS) == 1
