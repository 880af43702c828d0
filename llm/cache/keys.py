"""Names of entries: everything that the entry depends on, hashed; nothing personal can be read off one.

::

    tilores-x:1:<tenant>:<kind>:<digest>

Tenant and digest are BLAKE2b (RFC 7693), keyed with the encryption key where one is set: then not even a guess at what
stands behind a name can be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import orjson
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from tilores_x.llm.cache.seal import TAG_BYTES

PREFIX = "tilores-x:1"
"""The number changes with everything that makes older entries unreadable or wrong."""

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


class Kind(StrEnum):
    REPLY = "reply"
    RESULT = "result"
    ANSWER = "answer"


class Keys:
    """``secret``: the encryption key, or None."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = blake2b(secret, digest_size=32, person=b"tilores-x keys").digest() if secret else b""
        self._tenants: dict[str, str] = {}

    def tenant_prefix(self, tenant: str) -> str:
        """How the names of all entries of a tenant begin."""
        prefix = self._tenants.get(tenant)
        if prefix is None:
            if len(self._tenants) > 10_000:
                self._tenants.clear()
            prefix = self._tenants[tenant] = f"{PREFIX}:{self._hash(tenant, 12).hex()}:"
        return prefix

    def name(self, tenant: str, kind: Kind, parts: Sequence[Any]) -> str | None:
        """The name of what depends on ``parts``, or None where they can't be written as JSON."""
        try:
            material = orjson.dumps(parts, option=_OPTIONS)
        except TypeError:
            return None
        digest = blake2b(material, digest_size=24, key=self._secret, person=b"tilores-x name").hexdigest()
        return f"{self.tenant_prefix(tenant)}{kind}:{digest}"

    def scope(self, tenant: str, what: str) -> str:
        """The name of an epoch: see ``epochs.py``."""
        return f"{PREFIX}:epoch:{self._hash(chr(0).join((tenant, what)), 12).hex()}"

    def tag(self, value: str) -> bytes:
        """The tag of an entity."""
        return self._hash(value, TAG_BYTES)

    def tags(self, values: Iterable[str]) -> frozenset[bytes]:
        return frozenset(map(self.tag, values))

    def _hash(self, text: str, size: int) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        return blake2b(data, digest_size=size, key=self._secret, person=b"tilores-x part").digest()


def conversation(messages: Sequence[BaseMessage]) -> list[Any]:
    """What a model gets to read of ``messages``: no message ids, no metadata, tool call ids by number.

    Ids of tool calls are drawn anew each time, so that they must not count; which result belongs to which call does.
    """
    numbers: dict[str, int] = {}
    read: list[Any] = []
    for message in messages:
        if isinstance(message, AIMessage):
            calls = [
                [call["name"], call["args"], numbers.setdefault(call["id"] or "", len(numbers))]
                for call in message.tool_calls
            ]
            read.append(["ai", message.content, calls, kept_kwargs(message)])
        elif isinstance(message, ToolMessage):
            number = numbers.setdefault(message.tool_call_id, len(numbers))
            read.append(["tool", message.content, number, message.name, message.status])
        else:
            content = message.content
            if isinstance(message, HumanMessage) and isinstance(content, str):
                content = said(content)
            read.append([message.type, content, message.name])
    return read


def said(text: str) -> str:
    """What a person says with ``text``: breaks, spaces and the mark at the end make no other question. All else may,
    capital letters included: identifiers can differ in nothing but these.
    """
    return " ".join(text.split()).rstrip(" ?!.")


def kept_kwargs(message: AIMessage) -> dict[str, Any]:
    """What of ``additional_kwargs`` belongs to a reply; the raw tool calls say nothing that ``tool_calls`` does not."""
    given = message.additional_kwargs
    return {name: value for name, value in given.items() if value is not None and name != "tool_calls"} if given else {}
