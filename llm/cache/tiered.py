"""The store as LangChain's global cache: ``set_llm_cache(TieredCache(store))`` serves every model of the process.

The pipeline's own calls go to the store directly, in a fifth of the time; here are those of everything else. The key is
made of what LangChain hands over, without what changes the key and not the reply: message ids, metadata, time-outs,
retries, streaming, addresses of objects.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import orjson
from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

from tilores_x.llm.cache.keys import Kind
from tilores_x.llm.cache.replies import Name, decoded, encoded
from tilores_x.llm.cache.scope import current_scope, upstream
from tilores_x.llm.cache.store import Store

T = TypeVar("T")

PASSED_OVER = frozenset(
    {
        "id",
        "response_metadata",
        "usage_metadata",
        "artifact",
        "tool_call_chunks",
        "chunk_position",
        "invalid_tool_calls",
    }
)
"""Of a message: what no model gets to read."""

UNIMPORTANT = frozenset(
    {
        "timeout", "request_timeout", "max_retries", "streaming", "disable_streaming", "stream_usage", "name", "cache",
        "stream_chunk_timeout", "verbose", "callbacks", "custom_get_token_ids", "metadata", "tags", "rate_limiter",
        "client", "async_client", "root_client", "root_async_client", "http_client", "http_async_client",
        "http_socket_options", "output_version", "openai_proxy", "include_response_headers",
    }
)  # fmt: skip
"""Of a model: what changes how a reply comes, and not the reply. A provider's key is a secret, and never written."""


class TieredCache(BaseCache):
    """Never raises. ``tenant`` is meant where no scope says otherwise; tenants never share an entry."""

    def __init__(self, store: Store, *, tenant: str = "default") -> None:
        self._store = store
        self._tenant = tenant
        self._loop: _Loop | None = None
        self._lock = threading.Lock()

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        scope = current_scope()
        if upstream.get() or (scope is not None and scope.fresh):
            return None
        name = self._name(prompt, llm_string)
        if name is None:
            return None
        try:
            kept = await self._store.get(name.key, by_use=True)
            return None if kept is None else _generations(kept.payload)
        except Exception:  # a cache that raises would fail the call
            return None

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        if upstream.get():
            return
        name, payload = self._name(prompt, llm_string), _payload(return_val)
        if name is None or payload is None:
            return
        try:
            await self._store.put(name.key, payload, begun_at=self._store.clock())
        except Exception:  # a paid reply must not be lost to the cache
            return

    async def aclear(self, **kwargs: Any) -> None:
        """Remove what is kept of the tenant; nothing else that lies in the same Redis."""
        scope = current_scope()
        await self._store.erase(scope.tenant if scope is not None else self._tenant)

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        return self._sync(self.alookup(prompt, llm_string))

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        self._sync(self.aupdate(prompt, llm_string, return_val))

    def clear(self, **kwargs: Any) -> None:
        self._sync(self.aclear(**kwargs))

    def close(self) -> None:
        """End the thread that sync calls were made through, if there was one."""
        with self._lock:
            if self._loop is not None:
                self._loop.close(self._store)
                self._loop = None

    def _sync(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = _Loop()
        return self._loop.run(work)

    def _name(self, prompt: str, llm_string: str) -> Name | None:
        scope = current_scope()
        tenant = scope.tenant if scope is not None else self._tenant
        key = self._store.keys.name(tenant, Kind.REPLY, ["langchain", _conversation(prompt), _model(llm_string)])
        return None if key is None else Name(tenant, key)


def _conversation(prompt: str) -> Any:
    """The prompt without message ids and metadata; tool calls by number. Text that is no JSON stays as it is."""
    try:
        messages = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        return prompt
    if not isinstance(messages, list):
        return prompt
    numbers: dict[str, int] = {}

    def number(call_id: Any) -> int:
        return numbers.setdefault(str(call_id), len(numbers))

    read = []
    for message in messages:
        given = message.get("kwargs") if isinstance(message, dict) else None
        if not isinstance(given, dict):
            return prompt
        part = {key: value for key, value in given.items() if key not in PASSED_OVER and value not in (None, [], {})}
        for call in part.get("tool_calls") or ():
            call["id"] = number(call.get("id"))
        if "tool_call_id" in part:
            part["tool_call_id"] = number(part["tool_call_id"])
        if extra := part.pop("additional_kwargs", None):
            part["more"] = {key: value for key, value in extra.items() if key != "tool_calls" and value is not None}
        part["type"] = str(part.get("type", "")).removesuffix("MessageChunk").lower() or message.get("id")
        read.append({key: value for key, value in part.items() if value not in (None, [], {})})
    return read


def _model(llm_string: str) -> Any:
    """What of a model changes its replies."""
    described, found, params = llm_string.partition("---")
    try:
        model = orjson.loads(described) if found else None
    except orjson.JSONDecodeError:
        model = None
    if not isinstance(model, dict):
        return llm_string
    given = model.get("kwargs") or {}
    kept = {name: _plain(value) for name, value in given.items() if name not in UNIMPORTANT}
    return [model.get("id"), kept, params]


def _plain(value: Any) -> Any:
    """Without the representation of what can't be written down: it holds the address of an object."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if name != "repr"}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _payload(generations: Sequence[Any]) -> bytes | None:
    parts = []
    for generation in generations:
        message = getattr(generation, "message", None)
        if not isinstance(message, AIMessage):
            return None
        about = {**(generation.generation_info or {}), **message.response_metadata}
        payload = encoded(message.model_copy(update={"response_metadata": about}))
        if payload is None:
            return None
        parts.append(payload)
    return b"[" + b",".join(parts) + b"]" if parts else None


def _generations(payload: bytes) -> RETURN_VAL_TYPE | None:
    messages = [decoded(orjson.dumps(value)) for value in orjson.loads(payload)]
    whole = [message for message in messages if message is not None]
    if len(whole) < len(messages):
        return None
    return [
        ChatGeneration(message=message, generation_info={"finish_reason": message.response_metadata["finish_reason"]})
        for message in whole
    ]


class _Loop:
    """An event loop in a thread of its own: the tiers' clients belong to a loop, and a sync caller has none to lend."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tilores-x cache", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        # The scope of the caller goes along: run_coroutine_threadsafe copies the context of the loop's thread only.
        from contextvars import copy_context

        context = copy_context()
        done: asyncio.Future[T] | Any = None

        async def inside() -> T:
            task = asyncio.get_running_loop().create_task(work, context=context)
            return await task

        done = asyncio.run_coroutine_threadsafe(inside(), self._loop)
        return done.result()  # type: ignore[no-any-return]

    def close(self, store: Store) -> None:
        self.run(store.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2)
        self._loop.close()
