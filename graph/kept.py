"""Whole answers before the graph runs: what they depend on, and which of them may be kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson
from langchain_core.messages import AnyMessage, BaseMessage, RemoveMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from tilores_x.graph.context import Context
from tilores_x.graph.prompts import system_text, today
from tilores_x.graph.state import Reply
from tilores_x.llm.cache.answers import Answer, Answers
from tilores_x.llm.cache.replies import Name
from tilores_x.llm.cache.scope import Reads
from tilores_x.llm.catalog import LOCAL

if TYPE_CHECKING:
    from tilores_x.graph.resources import Resources

_PARTS = ("graph", "llm", "tools")
_UNSOUND = (" failed: ", "no record proves: ")
"""What ``missing`` says of an answer that lacks a part for no lasting reason."""


class KeptAnswers:
    """Of one pipeline."""

    def __init__(self, resources: Resources, answers: Answers) -> None:
        self._resources = resources
        self._answers = answers
        self._static: tuple[object, str] | None = None

    async def name(self, question: str, earlier: Sequence[BaseMessage], context: Context) -> Name | None:
        """What the answer to ``question``, after the messages ``earlier``, is kept under; None where it can't be."""
        resources = self._resources
        assert resources.results is not None
        tenant = context.tenant or resources.settings.tenant
        asked = context.priority.value if "priority" in context.model_fields_set else resources.settings.priority
        basis = [
            self._basis(),
            await resources.results.version(tenant),
            asked,
            context.model,
            context.max_usd,
        ]
        return self._answers.name(tenant, basis, earlier, question)

    async def find(self, name: Name) -> Answer | None:
        return await self._answers.find(name)

    async def keep(
        self, name: Name, reply: Reply, turn: Iterable[AnyMessage], *, reads: Reads, begun_at: float
    ) -> bool:
        """Keep ``reply``, as long as everything it was read from is held to be true; not if it is a makeshift."""
        if not self._sound(reply):
            return False
        resources = self._resources
        turn = list(turn)
        expires_at = min(reads.expires_at, begun_at + resources.settings.cache_result_s)
        return await self._answers.keep(
            name,
            cast("Mapping[str, Any]", reply),
            turn,
            expires_at=expires_at,
            begun_at=begun_at,
            about=[entity["entity_id"] for entity in reply["entities"]] + entities_of(turn),
        )

    def _sound(self, reply: Reply) -> bool:
        """Whether the answer would be the same again: no model failed, nothing was left out for want of proof."""
        if any(attempt["outcome"] != "ok" for attempt in reply["attempts"]):
            return False
        if any(word in missing for missing in reply["missing"] for word in _UNSOUND):
            return False
        resources = self._resources
        stand_in = reply["model"].startswith(f"{LOCAL}:") and not _only_local(resources.chat_models.configured)
        return not stand_in or (resources.settings.model or "").startswith(f"{LOCAL}:")

    def _basis(self) -> str:
        """A digest of what changes with the code, the settings, the instance, and the day."""
        day = today()
        if self._static is None or self._static[0] != day:
            resources, settings = self._resources, self._resources.settings
            parts = [
                _code(),
                system_text(resources.concepts, resources.policy, day),
                [convert_to_openai_tool(tool) for tool in resources.tools.values()],
                sorted(resources.chat_models.configured),
                [model.model_dump(mode="json") for model in resources.catalog.models.values()],
                settings.model,
                settings.max_question_usd,
                settings.stock_clients,
            ]
            digest = blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
            self._static = (day, digest)
        return self._static[1]


@dataclass(slots=True)
class Turn:
    """The messages that the nodes write after a question, as they come."""

    question: str
    _messages: dict[str, AnyMessage]

    def written(self, written: Mapping[str, Any]) -> None:
        for message in written.get("messages") or ():
            if isinstance(message, RemoveMessage):
                self._messages.pop(message.id or "", None)
            elif message.id != self.question:
                key = message.id or f"without id {len(self._messages)}"
                self._messages[key] = message

    @property
    def messages(self) -> list[AnyMessage]:
        return list(self._messages.values())


def entities_of(messages: Iterable[BaseMessage]) -> list[str]:
    """The entities whose data the results in ``messages`` hold."""
    found: dict[str, None] = {}
    for message in messages:
        artifact = message.artifact if isinstance(message, ToolMessage) else None
        if isinstance(artifact, Mapping):
            found.update((entity["entity_id"], None) for entity in artifact.get("entities") or ())
            found.update((fact["entity_id"], None) for fact in artifact.get("facts") or ())
    return list(found)


def _only_local(providers: Iterable[str]) -> bool:
    return all(provider == LOCAL for provider in providers)


@cache
def _code() -> str:
    """A digest of the code that decides what is answered, by the files' times: an answer ends with an upgrade."""
    seen: list[Any] = []
    for part in _PARTS:
        folder = Path(import_module(f"tilores_x.{part}").__file__ or "").parent
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".toml"))
        seen += [[path.name, path.stat().st_mtime_ns] for path in files]
    return blake2b(orjson.dumps(seen), digest_size=16).hexdigest()
