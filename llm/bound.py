"""Chat models with tools bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from tilores_x.llm.providers import ChatModels
from tilores_x.llm.specs import ModelSpec

MOST_BOUND = 64
"""Models with tools bound that are kept."""


class BoundModels:
    """They are kept, since turning tools into their schemas takes milliseconds."""

    def __init__(self, chat_models: ChatModels) -> None:
        self._chat_models = chat_models
        self._bound: dict[tuple[int, ...], tuple[BaseChatModel, tuple[BaseTool, ...], Runnable[Any, Any]]] = {}

    async def get(self, spec: ModelSpec, tools: Sequence[BaseTool]) -> Runnable[Any, Any]:
        """As ``ChatModels.get``, with ``tools`` bound."""
        chat_model = await self._chat_models.get(spec)
        if not tools:
            return chat_model
        key = (id(chat_model), *map(id, tools))
        if key not in self._bound:
            if len(self._bound) >= MOST_BOUND:
                self._bound.clear()
            self._bound[key] = (chat_model, tuple(tools), chat_model.bind_tools(tools))
        return self._bound[key][2]
