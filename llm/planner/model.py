"""``RulePlanner``: the grammar behind LangChain's interface of a chat model."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from tilores_x.llm.planner.plan import next_step

NAME = "planner"
_PIECE = re.compile(r"\s*\S+(?:\s+\S+){0,5}|\s+$")


class RulePlanner(BaseChatModel):
    """Understands questions about customers by rules, plans the calls of tools that it is bound to, words the answer.

    No network, no key, no cost. Usage counts approximate tokens (about four characters each).
    """

    model_name: str = NAME

    @property
    def _llm_type(self) -> str:
        return NAME

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """``tool_choice="none"`` makes it answer from what it has; any other choice leaves it to the rules."""
        bound = [] if tool_choice == "none" else [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=bound, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(ChatGenerationChunk(message=piece) for piece in self._pieces(messages, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, stop, **kwargs)  # a matter of a millisecond: no thread is worth it

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self._pieces(messages, **kwargs):
            chunk = ChatGenerationChunk(message=piece)
            if run_manager:
                await run_manager.on_llm_new_token(str(piece.content), chunk=chunk)
            yield chunk

    def _pieces(
        self, messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]] = (), **_: Any
    ) -> Iterator[AIMessageChunk]:
        """The next message in pieces, the last one with the reason of its end and the usage."""
        step = next_step(messages, [tool["function"]["name"] for tool in tools])
        calls = [
            tool_call_chunk(name=name, args=orjson.dumps(arguments).decode(), id=f"call_{uuid4().hex[:24]}", index=at)
            for at, (name, arguments) in enumerate(step.calls)
        ]
        if calls:
            yield AIMessageChunk(content="", tool_call_chunks=calls)
        for piece in _PIECE.findall(step.text):
            yield AIMessageChunk(content=piece)
        read = count_tokens_approximately(messages)
        written = count_tokens_approximately([AIMessage(step.text + "".join(call["args"] or "" for call in calls))])
        yield AIMessageChunk(
            content="",
            response_metadata={"finish_reason": "tool_calls" if calls else "stop", "model_name": self.model_name},
            usage_metadata=UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written),
            chunk_position="last",
        )
