"""Whole answers: what a question was answered with, to be given again while everything behind it still holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage

from tilores_x.llm.cache.keys import Kind, conversation, said
from tilores_x.llm.cache.replies import Name
from tilores_x.llm.cache.store import Store

FORM = 1


class Answer(NamedTuple):
    """``turn``: the messages after the question, for a conversation that goes on. Times are in epoch seconds."""

    reply: dict[str, Any]
    turn: list[dict[str, Any]]
    written_at: float
    expires_at: float

    def messages(self) -> list[AnyMessage]:
        """The turn with fresh ids."""
        return [_message(plain) for plain in self.turn]


class Answers:
    def __init__(self, store: Store, *, instance: str = "") -> None:
        self.store = store
        self.instance = instance

    def name(self, tenant: str, basis: Sequence[Any], earlier: Sequence[BaseMessage], question: str) -> Name | None:
        """``basis``: what else the answer depends on, e.g. the prompt, the tools, the priority, the data's version."""
        parts = [self.instance, basis, conversation(earlier), said(question)]
        key = self.store.keys.name(tenant, Kind.ANSWER, parts)
        return None if key is None else Name(tenant, key)

    async def find(self, name: Name) -> Answer | None:
        kept = await self.store.get(name.key)
        if kept is None:
            return None
        try:
            value = orjson.loads(kept.payload)
            if value["form"] != FORM:
                return None
            return Answer(dict(value["reply"]), list(value["turn"]), kept.written_at, kept.expires_at)
        except (ValueError, KeyError, TypeError):
            return None

    async def keep(
        self,
        name: Name,
        reply: Mapping[str, Any],
        turn: Iterable[BaseMessage],
        *,
        expires_at: float,
        begun_at: float,
        about: Iterable[str] = (),
    ) -> bool:
        """Keep it until ``expires_at`` (epoch seconds); ``about``: the entities whose data it holds."""
        ttl_s = expires_at - self.store.clock()
        if ttl_s <= 0:
            return False
        try:
            payload = orjson.dumps({"form": FORM, "reply": reply, "turn": [_plain(message) for message in turn]})
        except TypeError:
            return False
        tags = self.store.keys.tags(about)
        kept = await self.store.put(name.key, payload, ttl_s=ttl_s, tags=tags, begun_at=begun_at)
        return kept is not None


def _plain(message: BaseMessage) -> dict[str, Any]:
    plain: dict[str, Any] = {"type": message.type, "content": message.content}
    if isinstance(message, AIMessage):
        plain |= {"calls": message.tool_calls, "more": message.additional_kwargs}
    elif isinstance(message, ToolMessage):
        plain |= {
            "name": message.name,
            "of": message.tool_call_id,
            "status": message.status,
            "artifact": message.artifact,
        }
    else:
        plain |= {"more": message.additional_kwargs}
    return plain


def _message(plain: Mapping[str, Any]) -> AnyMessage:
    if plain["type"] == "ai":
        return AIMessage(plain["content"], tool_calls=plain["calls"], additional_kwargs=plain["more"])
    if plain["type"] == "tool":
        return ToolMessage(
            plain["content"],
            name=plain["name"],
            tool_call_id=plain["of"],
            status=plain["status"],
            artifact=plain["artifact"],
        )
    return HumanMessage(plain["content"], additional_kwargs=plain["more"])
