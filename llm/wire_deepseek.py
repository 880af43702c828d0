"""DeepSeek's chat models. Needs the extra ``deepseek``."""

from __future__ import annotations

from langchain_deepseek import ChatDeepSeek

from tilores_x.llm.observed import Observed
from tilores_x.llm.wire import WireOpenAI


class WiredDeepSeek(Observed, WireOpenAI, ChatDeepSeek):
    """DeepSeek, with its reasoning and its count of cached tokens."""


class StockDeepSeek(Observed, ChatDeepSeek):
    """LangChain's own client, observed."""
