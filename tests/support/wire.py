"""What a scripted provider says, and how OpenAI and Groq put it on the wire."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any


class Dialect(StrEnum):
    OPENAI = "openai"
    GROQ = "groq"


class Fault(StrEnum):
    """How a stream goes wrong, after ``Script.after`` tokens."""

    STALL = "stall"
    """Nothing more comes, and the connection stays open."""
    RESET = "reset"
    """TCP reset."""
    CLOSE = "close"
    """The connection is closed in the middle of the chunked body."""
    TRUNCATE = "truncate"
    """The body ends properly, with neither finish reason nor ``[DONE]``."""
    TRUNCATE_DONE = "truncate_done"
    """``[DONE]`` without a finish reason."""
    ERROR_EVENT = "error_event"
    BROKEN_JSON = "broken_json"


@dataclass(frozen=True)
class Script:
    """One reply: ``text``, or ``tool_calls`` as (name, arguments) where arguments may be text that is no JSON.

    ``tokens_per_s`` None: as fast as the socket takes them, ``tokens_per_write`` at a time. ``cut`` splits the stream
    into HTTP chunks of so many bytes, wherever that falls. ``headers_first``: a fault at the very beginning comes after
    the response's head. ``finish`` None ends the stream without a finish reason.
    """

    text: str = "It is 42."
    tool_calls: tuple[tuple[str, Any], ...] = ()
    reasoning: str = ""
    finish: str | None = None
    usage: bool = True
    cached_tokens: int = 0
    ttft_s: float = 0.0
    tokens_per_s: float | None = None
    tokens_per_write: int = 1
    cut: int | None = None
    fault: Fault | None = None
    after: int = 0
    headers_first: bool = False
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    content_type: str | None = None
    error: dict[str, Any] | None = None


def refused(status: int, message: str = "scripted", **more: Any) -> Script:
    """An error reply. ``more``: ``headers``, and ``code`` or ``type`` of the error."""
    headers = more.pop("headers", {})
    return Script(status=status, headers=headers, error={"message": message, "type": "scripted_error", **more})


def html(status: int = 200) -> Script:
    """A page where JSON or a stream belongs, as gateways send it."""
    return Script(status=status, body="<html><body>Just a moment...</body></html>", content_type="text/html")


def tool_use_failed() -> Script:
    """Groq's word for a tool call that it could not read."""
    error = {
        "message": "Failed to call a function. Please adjust your prompt.",
        "type": "invalid_request_error",
        "code": "tool_use_failed",
        "failed_generation": '<function=tilores_search{"EMAIL": "x@example.com"',
    }
    return Script(status=400, error=error)


@lru_cache
def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S+|\s+$", text))


@lru_cache
def _events(before: bytes, words: tuple[str, ...], after: bytes) -> tuple[bytes, ...]:
    return tuple(before + json.dumps(word).encode() + after for word in words)


class Encoder:
    """Bytes of one reply. Tokens are words with the blank before them; a tool call's arguments come in pieces."""

    def __init__(self, script: Script, request: dict[str, Any], dialect: Dialect) -> None:
        self.script = script
        self.dialect = dialect
        self.model = str(request.get("model"))
        # Unique within a conversation, and the same for the same request.
        self.turn = len(request.get("messages", []))
        self.id = f"chatcmpl-{self.turn}"
        options = request.get("stream_options") or {}
        self.usage_chunk = script.usage and dialect is Dialect.OPENAI and bool(options.get("include_usage"))
        self.words = _words(script.text) if not script.tool_calls else ()
        self.prompt_tokens = sum(len(str(message.get("content") or "")) for message in request.get("messages", [])) // 4

    def opening(self) -> bytes:
        delta: dict[str, Any] = {"role": "assistant", "content": ""}
        more: dict[str, Any] = {"x_groq": {"id": f"req_{self.id}"}} if self.dialect is Dialect.GROQ else {}
        if self.dialect is Dialect.OPENAI:
            delta["refusal"] = None
        return self._event(delta, **more)

    def tokens(self) -> list[bytes]:
        reasoning = "reasoning" if self.dialect is Dialect.GROQ else "reasoning_content"
        thoughts = re.findall(r"\s*\S+", self.script.reasoning)
        out = [self._event({reasoning: thought}) for thought in thoughts]
        if self.words:
            # The words differ in one place of the event only: encoding each by itself would take most of the time.
            before, after = self._event({"content": "\0"}).split(json.dumps("\0").encode())
            out += _events(before, self.words, after)
        for index, call in enumerate(self._calls()):
            arguments = call["function"]["arguments"]
            first = {"index": index, **call, "function": {"name": call["function"]["name"], "arguments": ""}}
            if self.dialect is Dialect.GROQ:
                out.append(self._event({"tool_calls": [{"index": index, **call}]}))
                continue
            out.append(self._event({"tool_calls": [first]}))
            for at in range(0, len(arguments), 7):
                piece = {"index": index, "function": {"arguments": arguments[at : at + 7]}}
                out.append(self._event({"tool_calls": [piece]}))
        return out

    def closing(self) -> bytes:
        end: dict[str, Any] = {}
        if self.dialect is Dialect.GROQ and self.script.usage:
            end["x_groq"] = {"id": f"req_{self.id}", "usage": self._usage()}
        out = self._event({}, finish=self._finish(), **end)
        if self.usage_chunk:
            out += self._data({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()})
        return out + b"data: [DONE]\n\n"

    def whole(self) -> dict[str, Any]:
        """The reply to a request that did not ask for a stream."""
        calls = self._calls()
        message: dict[str, Any] = {"role": "assistant", "content": None if calls else self.script.text}
        if calls:
            message["tool_calls"] = calls
        if self.script.reasoning:
            message["reasoning" if self.dialect is Dialect.GROQ else "reasoning_content"] = self.script.reasoning
        finish = None if self.script.fault is not None else self._finish()
        reply = {
            **self._head("chat.completion"),
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        }
        return {**reply, "usage": self._usage()} if self.script.usage else reply

    def error_body(self) -> bytes:
        if self.script.body is not None:
            return self.script.body.encode()
        return json.dumps({"error": self.script.error or {"message": "scripted", "type": "scripted_error"}}).encode()

    def error_event(self) -> bytes:
        error = self.script.error or {"message": "The server had an error.", "type": "server_error"}
        return b"event: error\n" * (self.dialect is Dialect.GROQ) + self._data({"error": error})

    def _finish(self) -> str:
        return self.script.finish or ("tool_calls" if self.script.tool_calls else "stop")

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"call_{self.turn}_{number}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
                },
            }
            for number, (name, arguments) in enumerate(self.script.tool_calls)
        ]

    def _usage(self) -> dict[str, Any]:
        words = len(self.words) + len(self.script.reasoning.split()) + 8 * len(self.script.tool_calls)
        usage: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": words,
            "total_tokens": self.prompt_tokens + words,
            "prompt_tokens_details": {"cached_tokens": self.script.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": len(self.script.reasoning.split())},
        }
        if self.dialect is Dialect.GROQ:
            usage |= {"queue_time": 0.01, "prompt_time": 0.002, "completion_time": 0.1, "total_time": 0.102}
        return usage

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": 1_700_000_000,
            "model": self.model,
            "system_fingerprint": "fp_scripted",
        }

    def _event(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._data({**self._head("chat.completion.chunk"), "choices": [choice], **more})

    @staticmethod
    def _data(value: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps(value).encode() + b"\n\n"
