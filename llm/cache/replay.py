"""Gives out a kept reply the way a model would: LangChain's callbacks see a model's run, and text piece by piece."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    BaseCallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from orjson import dumps

_PIECE = re.compile(r"\s*\S+(?:\s+\S+){0,5}|\s+$")


class Replay(BaseChatModel):
    """A model that says what it is given, and nothing else."""

    message: AIMessage
    model_name: str
    streaming: bool = True

    @property
    def _llm_type(self) -> str:
        return "kept"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model_name, "cached": True}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self._pieces():
            chunk = ChatGenerationChunk(message=piece)
            if run_manager:
                await run_manager.on_llm_new_token(str(piece.content), chunk=chunk)
            yield chunk

    def _pieces(self) -> Iterator[AIMessageChunk]:
        message = self.message
        for number, call in enumerate(message.tool_calls):
            arguments = dumps(call["args"]).decode()
            part = tool_call_chunk(name=call["name"], args=arguments, id=call["id"], index=number)
            yield AIMessageChunk(content="", tool_call_chunks=[part], id=message.id)
        for text in _PIECE.findall(message.content) if isinstance(message.content, str) else ():
            yield AIMessageChunk(content=text, id=message.id)
        yield AIMessageChunk(
            content="" if isinstance(message.content, str) else message.content,
            additional_kwargs=message.additional_kwargs,
            response_metadata=message.response_metadata,
            usage_metadata=message.usage_metadata,
            chunk_position="last",
            id=message.id,
        )


async def told(
    message: AIMessage, model_name: str, messages: Sequence[BaseMessage], config: RunnableConfig | None
) -> AIMessage:
    """``message``, after everyone who listens in ``config`` has heard it; where nobody does, that takes no time."""
    if _listeners(config):
        replay = Replay(message=message, model_name=model_name, cache=False, streaming=True)
        await replay.ainvoke(list(messages), cast(RunnableConfig, {**(config or {}), "run_name": model_name}))
    return message


def _listeners(config: RunnableConfig | None) -> bool:
    callbacks = (config or {}).get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        return bool(callbacks.handlers)
    return bool(callbacks)
