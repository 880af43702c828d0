"""What every chat model here does besides LangChain's part: tell how far it is, and refuse a fragment for an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr, SecretStr

from tilores_x.llm.faults import BadToolCall, CutShort
from tilores_x.llm.progress import current_progress

HIDDEN = "**********"


class Observed(BaseChatModel):
    """Stands before a chat model class. Raises ``CutShort`` where an answer ends without a finish reason, and
    ``BadToolCall`` where the arguments of a tool call are no JSON object.

    It raises inside the model, below LangChain's cache: so no fragment is ever kept.
    """

    _key: SecretStr | None = PrivateAttr(None)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        progress = current_progress.get()
        if progress is not None:
            progress.sent()
        finished = False
        arguments = _Arguments()
        chunks = super()._astream(messages, stop, run_manager, **kwargs)
        try:
            async with aclosing(cast(AsyncGenerator[ChatGenerationChunk, None], chunks)):
                async for chunk in chunks:
                    if chunk.generation_info and chunk.generation_info.get("finish_reason"):
                        finished = True
                    arguments.add(chunk.message)
                    if progress is not None:
                        progress.received(chunk.message)
                    yield chunk
        except Exception as error:
            self._hide_key(error)
            raise
        finally:
            if progress is not None and progress.close is not None:
                await progress.close()
        if not finished:
            raise CutShort("the answer ended without a finish reason")
        arguments.check()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> ChatResult:
        progress = current_progress.get()
        if progress is not None and progress.sent_at is None:
            progress.sent()
        try:
            result = await super()._agenerate(messages, stop, run_manager, *args, **kwargs)
        except Exception as error:
            self._hide_key(error)
            raise
        for generation in result.generations:
            if not (generation.generation_info or {}).get("finish_reason"):
                raise CutShort("the answer ended without a finish reason")
        return result

    def _hide_key(self, error: BaseException | None) -> None:
        """Providers quote the key that they refuse: take it out of an error and of what caused it."""
        key = self._key.get_secret_value() if self._key else ""
        while key and error is not None:
            error.args = tuple(_hidden(part, key) for part in error.args)
            for name in ("message", "body"):
                if hasattr(error, name):
                    setattr(error, name, _hidden(getattr(error, name), key))
            error = error.__cause__ or error.__context__


class _Arguments:
    """The arguments of streamed tool calls, as they were written.

    LangChain mends what breaks off, and would run a tool with half an e-mail address.
    """

    def __init__(self) -> None:
        self._texts: dict[tuple[Any, Any], str] = {}
        self._id_at: dict[Any, Any] = {}

    def add(self, message: BaseMessage) -> None:
        if not isinstance(message, AIMessageChunk):
            return
        for number, call in enumerate(message.tool_call_chunks):
            index = call["index"] if call["index"] is not None else (len(self._texts), number)
            id_ = self._id_at[index] = call["id"] or self._id_at.get(index)
            self._texts[index, id_] = self._texts.get((index, id_), "") + (call["args"] or "")

    def check(self) -> None:
        for text in self._texts.values():
            try:
                readable = not text.strip() or isinstance(orjson.loads(text), dict | None)
            except orjson.JSONDecodeError:
                readable = False
            if not readable:
                raise BadToolCall("the arguments of a tool call are no JSON object")


def _hidden(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return value.replace(key, HIDDEN)
    if isinstance(value, dict):
        return {name: _hidden(part, key) for name, part in value.items()}
    return value
