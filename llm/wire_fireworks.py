"""Fireworks' chat models. Needs the extra ``fireworks``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fireworks import APIError, BadRequestError
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_fireworks import ChatFireworks
from langchain_fireworks.chat_models import (
    _convert_chunk_to_message_chunk,
    _handle_fireworks_api_error,
    _handle_fireworks_invalid_request,
)
from pydantic import PrivateAttr

from tilores_x.llm.deltas import Chunk, merged
from tilores_x.llm.line import Line
from tilores_x.llm.observed import Observed


class WireFireworks(ChatFireworks):
    """Reads the stream itself; see ``wire.py``."""

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
        payload = {name: value for name, value in {**params, **kwargs}.items() if value is not None}
        payload.update(messages=dicts, stream=True)
        if self.stream_usage:
            payload.setdefault("stream_options", {"include_usage": True})
        try:
            async with aclosing(self._line.chunks(payload)) as reads:
                async for chunks in reads:
                    for chunk in merged(chunks):
                        yield self._generation(chunk)
        except BadRequestError as error:
            _handle_fireworks_invalid_request(error)
        except APIError as error:
            _handle_fireworks_api_error(error)

    def _generation(self, chunk: Chunk) -> ChatGenerationChunk:
        message = _convert_chunk_to_message_chunk(chunk, AIMessageChunk)
        info: dict[str, Any] = {}
        if choices := chunk.get("choices"):
            if finish_reason := choices[0].get("finish_reason"):
                info = {"finish_reason": finish_reason, "model_name": self.model_name}
                if service_tier := chunk.get("service_tier"):
                    info["service_tier"] = service_tier
            if logprobs := choices[0].get("logprobs"):
                info["logprobs"] = logprobs
        return ChatGenerationChunk(message=message, generation_info=info or None)


class WiredFireworks(Observed, WireFireworks):
    """Fireworks."""


class StockFireworks(Observed, ChatFireworks):
    """LangChain's own client, observed."""
