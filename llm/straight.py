"""A chat model's whole answer: as a LangChain run where somebody follows it, straight from the model where nobody does.

A run costs half a millisecond of callback managers, merged configurations and copied messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, cast
from uuid import uuid4

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.globals import get_debug, get_llm_cache
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langsmith.utils import tracing_is_enabled

from tilores_x.llm.cache.scope import upstream
from tilores_x.llm.cache.tiered import TieredCache
from tilores_x.llm.observed import Observed


class _Bound(NamedTuple):
    model: Observed
    kwargs: dict[str, Any]


async def answered(model: Runnable[Any, Any], messages: Sequence[BaseMessage], config: RunnableConfig) -> AIMessage:
    """What ``model.ainvoke`` returns, and raises; without its run where that makes no difference to anybody."""
    bound = _bound(model)
    if bound is None or _followed(config) or not _plain(bound):
        return cast(AIMessage, await model.ainvoke(list(messages), config))
    chunks: list[ChatGenerationChunk] = []
    id_ = f"lc_run--{uuid4()}"
    async with aclosing(bound.model._astream(list(messages), **bound.kwargs)) as stream:  # type: ignore[type-var]
        async for chunk in stream:
            _labelled(chunk, id_)
            chunks.append(chunk)
    if chunks and not getattr(chunks[-1].message, "chunk_position", None):
        chunks.append(ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last", id=id_)))
    generation = generate_from_stream(iter(chunks)).generations[0]
    message = generation.message
    message.response_metadata = {**(generation.generation_info or {}), **message.response_metadata}
    return cast(AIMessage, message)


def _labelled(chunk: ChatGenerationChunk, id_: str) -> None:
    message = chunk.message
    message.response_metadata = {**(chunk.generation_info or {}), **message.response_metadata}
    if message.id is None:
        message.id = id_


def _bound(model: Runnable[Any, Any]) -> _Bound | None:
    if isinstance(model, Observed):
        return _Bound(model, {})
    if not isinstance(model, RunnableBinding) or type(model).ainvoke is not RunnableBinding.ainvoke:
        return None
    if model.config or model.config_factories or not isinstance(model.bound, Observed):
        return None
    return _Bound(model.bound, dict(model.kwargs))


def _plain(bound: _Bound) -> bool:
    """Whether a stream is all that a run would ask of the model: no cache, no brake, no other form of messages."""
    model, cache = bound.model, get_llm_cache()
    ours = isinstance(cache, TieredCache) and upstream.get()
    return (
        (cache is None or ours)
        and model.cache is None
        and model.rate_limiter is None
        and model.output_version in (None, "v0")
        and not (model.callbacks or model.verbose)
        and model._should_stream(async_api=True, **bound.kwargs)
    )


def _followed(config: RunnableConfig) -> bool:
    """Whether anything wants to know of a model's run made with ``config``."""
    if get_debug() or tracing_is_enabled():
        return True
    callbacks = config.get("callbacks") or (var_child_runnable_config.get() or {}).get("callbacks")
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or ()
    return not all(handler.ignore_llm and handler.ignore_chat_model for handler in handlers)
