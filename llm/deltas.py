"""Many chunks of a chat completion become one that says the same, so that LangChain's cost is paid once per read.

Only what is sure to mean the same is merged: text, reasoning and the arguments of tool calls. Everything else (finish
reasons, usage, log probabilities, fields not known here) goes through as it came.
"""

from __future__ import annotations

from typing import Any

Chunk = dict[str, Any]

_PLAIN = frozenset({"role", "content", "reasoning", "reasoning_content", "tool_calls"})
_TEXTS = ("content", "reasoning", "reasoning_content")
_ARGUMENTS_ONLY = frozenset({"index", "function", "type"})


def merged(chunks: list[Chunk]) -> list[Chunk]:
    """``chunks`` with each run of plain ones merged into one, in order. The chunks given are not changed."""
    if len(chunks) < 2:
        return chunks
    out: list[Chunk] = []
    run: _Run | None = None
    for chunk in chunks:
        delta = _plain_delta(chunk)
        if delta is None:
            if run is not None:
                out.append(run.chunk())
                run = None
            out.append(chunk)
        elif run is None or not run.takes(delta):
            if run is not None:
                out.append(run.chunk())
            run = _Run(chunk, delta)
    if run is not None:
        out.append(run.chunk())
    return out


def _plain_delta(chunk: Chunk) -> Chunk | None:
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or chunk.get("usage") or chunk.get("x_groq"):
        return None
    choice = choices[0]
    if not isinstance(choice, dict) or choice.get("finish_reason") or choice.get("logprobs"):
        return None
    delta = choice.get("delta")
    if not isinstance(delta, dict) or not delta or not delta.keys() <= _PLAIN:
        return None
    return delta


def speaks(chunk: Chunk) -> bool:
    """Whether a piece of the answer is in a chunk: text or a tool call, not reasoning."""
    deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or ()]
    return any(delta.get("content") or delta.get("tool_calls") for delta in deltas)


def says(chunk: Chunk) -> bool:
    """Whether text is in a chunk."""
    return any((choice.get("delta") or {}).get("content") for choice in chunk.get("choices") or ())


def characters(chunk: Chunk) -> int:
    """Of text, reasoning and arguments in a chunk."""
    found = 0
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        found += sum(len(delta.get(name) or "") for name in _TEXTS)
        found += sum(len((call.get("function") or {}).get("arguments") or "") for call in delta.get("tool_calls") or ())
    return found


class _Run:
    """Plain chunks in a row. ``first`` gives all that stands around the delta."""

    def __init__(self, first: Chunk, delta: Chunk) -> None:
        self._first = first
        self._role = delta.get("role")
        self._texts: dict[str, list[str]] = {name: [delta[name]] for name in _TEXTS if isinstance(delta.get(name), str)}
        self._calls: list[Chunk] = list(delta.get("tool_calls") or ())
        self._arguments: dict[int, list[str]] = {}

    def takes(self, delta: Chunk) -> bool:
        """Take ``delta`` in; False, and nothing taken, where a chunk of its own is the safe way."""
        if "role" in delta and delta["role"] != self._role:
            return False
        calls = delta.get("tool_calls")
        if calls and not self._continue_calls(calls):
            return False
        for name in _TEXTS:
            text = delta.get(name)
            if isinstance(text, str):
                self._texts.setdefault(name, []).append(text)
        return True

    def _continue_calls(self, calls: list[Any]) -> bool:
        """Take in further arguments of calls that have begun, and calls that begin, each under an index of its own."""
        arguments: list[tuple[int, str]] = []
        begun: list[Chunk] = []
        places: dict[Any, int | None] = {}
        for place, call in enumerate(self._calls):
            places[_index(call)] = None if _index(call) in places else place
        for call in calls:
            index = _index(call)
            if index is None or not isinstance(index, int):
                return False
            if index not in places:
                places[index] = len(self._calls) + len(begun)
                begun.append(call)
                continue
            function = call.get("function")
            if (
                not call.keys() <= _ARGUMENTS_ONLY
                or not isinstance(function, dict)
                or function.get("name")
                or not isinstance(function.get("arguments"), str)
                or (at := places[index]) is None
            ):
                return False
            arguments.append((at, function["arguments"]))
        self._calls += begun
        for place, text in arguments:
            self._arguments.setdefault(place, []).append(text)
        return True

    def chunk(self) -> Chunk:
        delta: Chunk = {name: "".join(texts) for name, texts in self._texts.items()}
        if self._role is not None:
            delta["role"] = self._role
        if self._calls:
            delta["tool_calls"] = [
                _extended(call, self._arguments.get(place, ())) for place, call in enumerate(self._calls)
            ]
        return {**self._first, "choices": [{**self._first["choices"][0], "delta": delta}]}


def _index(call: Any) -> Any:
    return call.get("index") if isinstance(call, dict) else None


def _extended(call: Any, texts: list[str] | tuple[()]) -> Any:
    if not texts:
        return call
    function = call.get("function") or {}
    return {**call, "function": {**function, "arguments": (function.get("arguments") or "") + "".join(texts)}}
