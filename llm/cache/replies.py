"""Replies of models: which may be kept, in what form, and how one that was kept is given out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from tilores_x.llm.cache.keys import Kind, conversation, kept_kwargs
from tilores_x.llm.cache.scope import current_scope
from tilores_x.llm.cache.store import Store
from tilores_x.llm.specs import ModelSpec

KEPT_AS = "kept_as"
"""Where, in a message's ``response_metadata``, stands the name under which it is kept."""

WHOLE = frozenset({"stop", "tool_calls", "function_call", "end_turn", "tool_use", "stop_sequence"})
"""Finish reasons of a whole reply; all others (length, content_filter, …) mean that a part of it is missing."""

FORM = 1
MOST_TOOLSETS = 64


class Name(NamedTuple):
    """Of a reply to one conversation by one model, for one tenant."""

    tenant: str
    key: str


class Replies:
    """``instance`` names whose tools are bound; ``tenant`` is meant where no scope says otherwise."""

    def __init__(self, store: Store, *, instance: str = "", tenant: str = "default") -> None:
        self.store = store
        self.instance = instance
        self.tenant = tenant
        self._toolsets: dict[tuple[int, ...], tuple[tuple[BaseTool, ...], list[Any]]] = {}
        self._models: dict[int, tuple[ModelSpec, list[Any]]] = {}

    @property
    def fresh(self) -> bool:
        scope = current_scope()
        return scope is not None and scope.fresh

    def name(
        self, model: ModelSpec, endpoint: str | None, messages: Sequence[BaseMessage], tools: Sequence[BaseTool] = ()
    ) -> Name | None:
        """What a reply is kept under, or None where the conversation can't be named.

        It changes with all that changes the reply: the model, where it is served and with which parameters, the tools,
        the conversation; not with time-outs, retries, or how it is streamed.
        """
        scope = current_scope()
        tenant = scope.tenant if scope is not None else self.tenant
        parts = [self.instance, self._model(model), endpoint, self._toolset(tools), conversation(messages)]
        key = self.store.keys.name(tenant, Kind.REPLY, parts)
        return None if key is None else Name(tenant, key)

    async def find(self, name: Name) -> AIMessage | None:
        """The reply that is kept, as a new message: ids of its own, its usage marked as cached."""
        kept = await self.store.get(name.key, by_use=True)
        if kept is None:
            return None
        message = decoded(kept.payload)
        if message is None:
            await self.store.drop([name.key])
            return None
        message.response_metadata[KEPT_AS] = name.key
        return message

    async def keep(self, name: Name, message: AIMessage, *, begun_at: float, about: Collection[str] = ()) -> bool:
        """Keep ``message`` if it is whole; ``about`` are the entities whose data it may hold."""
        payload = encoded(message)
        if payload is None:
            return False
        tags = self.store.keys.tags(about)
        kept = await self.store.put(name.key, payload, tags=tags, begun_at=begun_at)
        return kept is not None

    def again(self, message: AIMessage) -> AIMessage:
        """The reply of a call that others shared, for one of them: with ids of its own, at no cost."""
        payload = encoded(message)
        copy = decoded(payload) if payload is not None else None
        if copy is None:
            return message.model_copy(deep=True)
        if KEPT_AS in message.response_metadata:
            copy.response_metadata[KEPT_AS] = message.response_metadata[KEPT_AS]
        return copy

    async def drop(self, message: BaseMessage) -> None:
        """Forget the reply that ``message`` is: it was found wanting."""
        key = message.response_metadata.get(KEPT_AS)
        if isinstance(key, str):
            await self.store.drop([key])

    def _toolset(self, tools: Sequence[BaseTool]) -> list[Any]:
        ids = tuple(map(id, tools))
        known = self._toolsets.get(ids)
        if known is None:
            if len(self._toolsets) >= MOST_TOOLSETS:
                self._toolsets.clear()
            known = self._toolsets[ids] = (tuple(tools), _digest([convert_to_openai_tool(tool) for tool in tools]))
        return known[1]

    def _model(self, model: ModelSpec) -> list[Any]:
        known = self._models.get(id(model))
        if known is None or known[0] is not model:
            said = [model.name, model.parameters, model.extra_body]
            known = self._models[id(model)] = (model, said)
        return known[1]


def _digest(value: Any) -> list[Any]:
    from hashlib import blake2b

    return [blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()]


def encoded(message: AIMessage) -> bytes | None:
    """The reply as bytes, or None where it must not be kept: cut short, broken, empty, or not to be written as JSON."""
    about = message.response_metadata
    reason = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")
    if reason not in WHOLE or message.invalid_tool_calls or not (message.content or message.tool_calls):
        return None
    usage = message.usage_metadata
    value = {
        "form": FORM,
        "content": message.content,
        "calls": [[call["name"], call["args"]] for call in message.tool_calls],
        "more": kept_kwargs(message),
        "finish": reason,
        "model": about.get("model_name"),
        "usage": [usage["input_tokens"], usage["output_tokens"]] if usage else None,
    }
    try:
        return orjson.dumps(value)
    except TypeError:
        return None


def decoded(payload: bytes) -> AIMessage | None:
    """The reply out of bytes, with fresh ids; None where they are none of ours."""
    try:
        value = orjson.loads(payload)
        if value["form"] != FORM:
            return None
        calls = [
            {"name": str(name), "args": dict(args), "id": f"call_{uuid4().hex[:24]}", "type": "tool_call"}
            for name, args in value["calls"]
        ]
        metadata: dict[str, Any] = {"finish_reason": str(value["finish"]), "model_name": value["model"], "cached": True}
        return AIMessage(
            content=value["content"],
            tool_calls=calls,
            additional_kwargs=value["more"],
            response_metadata=metadata,
            usage_metadata=_usage(value["usage"]),
            id=f"kept-{uuid4().hex}",
        )
    except (ValueError, KeyError, TypeError):  # pydantic's errors are ValueErrors
        return None


def _usage(tokens: Sequence[int] | None) -> Any:
    """All input counts as read from a cache, and ``total_cost`` is zero, as LangChain marks a hit."""
    if tokens is None:
        return None
    read, written = tokens
    details: Mapping[str, int] = {"cache_read": read}
    return {
        "input_tokens": read,
        "output_tokens": written,
        "total_tokens": read + written,
        "input_token_details": details,
        "total_cost": 0,
    }
