"""The fast streaming path: langchain-openai's and langchain-groq's chat models with another way to read the stream.

The stock classes turn each token into several objects (an SDK event, a pydantic chunk, a dict, a message chunk), at 120
to 200 microseconds of CPU. Here the stream is read as bytes, and what one network read brings becomes one message
chunk, by the stock conversion. Messages, tools, usage and errors are LangChain's own, held to that by
``tests/llm/test_parity.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_groq import ChatGroq
from langchain_groq.chat_models import _convert_chunk_to_message_chunk
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI, _handle_openai_api_error, _handle_openai_bad_request
from pydantic import PrivateAttr

from tilores_x.llm.deltas import Chunk, merged
from tilores_x.llm.line import Line
from tilores_x.llm.observed import Observed


class WireOpenAI(BaseChatOpenAI):
    """The part that OpenAI's own models and others on its protocol (DeepSeek, compatible servers) have in common."""

    _line: Line | None = PrivateAttr(None)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        stream_usage: bool | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if self._line is None or "response_format" in kwargs:
            async for stock in super()._astream(messages, stop, run_manager, stream_usage=stream_usage, **kwargs):
                yield stock
            return
        kwargs["stream"] = True
        if self._should_stream_usage(stream_usage, **kwargs):
            kwargs["stream_options"] = {"include_usage": True}
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        try:
            async with aclosing(self._line.chunks(payload)) as reads:
                async for chunks in reads:
                    for chunk in merged(chunks):
                        generation = self._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, {})
                        if generation is not None:
                            yield generation
        except openai.BadRequestError as error:
            _handle_openai_bad_request(error)
        except openai.APIError as error:
            _handle_openai_api_error(error)


class WiredOpenAI(Observed, WireOpenAI, ChatOpenAI):
    """OpenAI, and every server that speaks its Chat Completions."""


class WireGroq(ChatGroq):
    _line: Line | None = PrivateAttr(None)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if self._line is None:
            async for stock in super()._astream(messages, stop, run_manager, **kwargs):
                yield stock
            return
        dicts, params = self._create_message_dicts(messages, stop)
        given = {name: value for name, value in {**params, **kwargs}.items() if value is not None}
        async with aclosing(self._line.chunks({**given, "messages": dicts, "stream": True})) as reads:
            async for chunks in reads:
                for chunk in merged(chunks):
                    if chunk["choices"]:
                        yield self._generation(chunk, given)

    def _generation(self, chunk: Chunk, params: dict[str, Any]) -> ChatGenerationChunk:
        choice = chunk["choices"][0]
        message = _convert_chunk_to_message_chunk(chunk, AIMessageChunk)
        info: dict[str, Any] = {}
        if finish_reason := choice.get("finish_reason"):
            info = {"finish_reason": finish_reason, "model_name": self.model_name}
            if system_fingerprint := chunk.get("system_fingerprint"):
                info["system_fingerprint"] = system_fingerprint
            info["service_tier"] = params.get("service_tier") or self.service_tier
            if effort := params.get("reasoning_effort") or self.reasoning_effort:
                info["reasoning_effort"] = effort
        if logprobs := choice.get("logprobs"):
            info["logprobs"] = logprobs
        if info:
            message = message.model_copy(update={"response_metadata": info})
        return ChatGenerationChunk(message=message, generation_info=info or None)


class WiredGroq(Observed, WireGroq):
    """Groq."""


class StockOpenAI(Observed, ChatOpenAI):
    """LangChain's own client, observed."""


class StockGroq(Observed, ChatGroq):
    """LangChain's own client, observed."""
