"""The question of a run: the newest message of the caller, checked and cleaned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from langchain_core.messages import AnyMessage, HumanMessage

from tilores_x.errors import QuestionError

LONGEST = 100_000
"""Characters that a question may have."""

_REMEDY = 'Ask something like "who is client ID 4021".'


@dataclass(frozen=True, slots=True)
class Question:
    """``message`` holds the cleaned text under the id of the caller's message; ``cleaned`` says that it differs."""

    text: str
    message: HumanMessage
    cleaned: bool

    @property
    def id(self) -> str:
        return self.message.id or ""


def read_question(messages: Sequence[AnyMessage]) -> Question:
    """The last message of a person in ``messages``.

    Raises:
        QuestionError: there is none, or its text is empty or too long.
    """
    message = next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)
    if message is None:
        _refuse("There is no question in the messages.")
    text = clean_question(_text(message.content))
    if text == message.content:
        return Question(text, message, cleaned=False)
    return Question(text, message.model_copy(update={"content": text}), cleaned=True)


def clean_question(text: str) -> str:
    """``text`` without what crashes clients and databases: lone surrogates become U+FFFD, NUL goes.

    Raises:
        QuestionError: it is empty or too long.
    """
    if len(text) > LONGEST:
        raise QuestionError(
            f"The question has {len(text):,} characters; {LONGEST:,} is the most. Ask for less at once."
        )
    text = cleaned(text)
    if not text.strip():
        _refuse("The question is empty.")
    return text


def cleaned(text: str) -> str:
    """``text`` that can be encoded: no lone surrogate, no NUL."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(content: str | Sequence[str | dict[object, object]]) -> str:
    """The text of a message, be it plain or a list of parts; what is no text (an image) is passed over."""
    if isinstance(content, str):
        return content
    parts = (part if isinstance(part, str) else part.get("text") for part in content)
    return "\n".join(part for part in parts if isinstance(part, str))


def _refuse(why: str) -> NoReturn:
    raise QuestionError(f"{why} {_REMEDY}")
