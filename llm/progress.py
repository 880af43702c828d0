"""How far one upstream call has come, as told by the chat model to whoever started the call.

LangChain's own interfaces hide when a request leaves, the response's headers and the first token, all of which retry,
fallback, health and cost need. A context variable carries them past LangChain, at no cost per token.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from langchain_core.messages import AIMessageChunk, BaseMessageChunk


class Overtaken(Exception):
    """Another call, hedged against this one, spoke first: this one must stay silent."""


@dataclass(slots=True)
class Floor:
    """The right to speak, shared by calls that race each other: the first to take it keeps it."""

    holder: Progress | None = None
    on_taken: Callable[[Progress], None] | None = None

    def take(self, progress: Progress) -> bool:
        if self.holder is None:
            self.holder = progress
            if self.on_taken is not None:
                self.on_taken(progress)
        return self.holder is progress


@dataclass(slots=True)
class Progress:
    """Times are on the monotonic clock.

    ``first_token_at``: the first piece of the answer, text or tool call; a model's reasoning comes before it.
    ``spoken``: text has gone out that a person may have seen, so that no other answer may follow.
    ``heard``: somebody sees the pieces as they come; else only the first piece and the end matter to anyone.
    ``characters``: of text, reasoning and tool calls, for an estimate where no usage comes.
    """

    floor: Floor = field(default_factory=Floor)
    heard: bool = True
    on_sent: Callable[[], None] | None = None
    on_first_token: Callable[[], None] | None = None
    sent_at: float | None = None
    first_token_at: float | None = None
    spoken: bool = False
    characters: int = 0
    headers: Mapping[str, str] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    """Closes the response. The SDKs of Groq and Fireworks leave it open where their stream breaks off."""

    def sent(self) -> None:
        """The request is about to leave. Not called where a cache has the answer."""
        self.sent_at = time.monotonic()
        if self.on_sent is not None:
            self.on_sent()

    def received(self, message: BaseMessageChunk) -> None:
        """A piece of the answer is there, and nobody has seen it yet.

        Raises:
            Overtaken: another call of the race has spoken already; the piece must not be passed on.
        """
        content = message.content
        calls = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
        self.characters += len(content) if isinstance(content, str) else len(str(content))
        self.characters += len(message.additional_kwargs.get("reasoning_content") or "")
        self.characters += sum(len(call["args"] or "") for call in calls)
        if content or calls:
            self.begun(text=bool(content))

    def begun(self, *, text: bool) -> None:
        """A piece of the answer has come, which may be the first; ``text``: some of it is text.

        Raises:
            Overtaken: another call of the race has spoken already.
        """
        if self.first_token_at is None:
            if not self.floor.take(self):
                raise Overtaken
            self.first_token_at = time.monotonic()
            if self.on_first_token is not None:
                self.on_first_token()
        self.spoken = self.spoken or text


current_progress: ContextVar[Progress | None] = ContextVar("tilores_x_progress", default=None)
"""What the call made in this context reports to; None where nobody asked."""
