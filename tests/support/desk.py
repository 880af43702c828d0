"""The tools of an instance, called as a model calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tilores_x.settings import Settings
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.compact import budget_bytes
from tilores_x.tools.records import Evidence
from tilores_x.tools.toolbox import Toolbox


@dataclass
class Shown:
    """What a call gave: ``content`` for the model, ``evidence`` beside it, ``text`` the bytes that left."""

    content: Any
    evidence: Evidence
    text: str


@dataclass
class Desk:
    client: TiloresClient
    box: Toolbox

    async def message(self, tool: str, **arguments: Any) -> Any:
        tools = {known.name: known for known in self.box.tools()}
        call = {"name": tool, "args": arguments, "id": "call-1", "type": "tool_call"}
        return await tools[tool].ainvoke(call)

    async def call(self, tool: str, **arguments: Any) -> Shown:
        """The outcome of a call that works."""
        message = await self.message(tool, **arguments)
        assert message.status == "success", message.content
        content = orjson.loads(message.content)
        assert len(message.content.encode()) <= budget_bytes(len(content.get("people", ())))
        assert content["ok"] is True
        return Shown(content, message.artifact, message.content + orjson.dumps(message.artifact).decode())

    async def refused(self, tool: str, **arguments: Any) -> str:
        """What a call that can't work says to the model."""
        message = await self.message(tool, **arguments)
        assert message.status == "error", message.content
        content = orjson.loads(message.content)
        assert content["ok"] is False
        return str(content["error"])

    async def insights(self, entity_id: str, *ask: Any, **arguments: Any) -> Any:
        shown = await self.call("tilores_insights", entity_id=entity_id, ask=list(ask), **arguments)
        return shown.content

    async def entity_of(self, client_id: str) -> str:
        shown = await self.call("tilores_search", CLIENT_ID=client_id, fields=["CLIENT_ID"])
        assert shown.content["total"] == 1
        return str(shown.content["entities"][0]["entity_id"])


@asynccontextmanager
async def open_desk(app: Any, cache_dir: Path, **settings: Any) -> AsyncIterator[Desk]:
    chosen = Settings(cache_dir=cache_dir, **settings)
    async with TiloresClient.from_settings(chosen, app=app) as client:
        yield Desk(client, await Toolbox.open(client, chosen))
