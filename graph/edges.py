"""Where a question goes after a node that leaves it open. What is no coroutine LangGraph would ask in a thread."""

from __future__ import annotations

from typing import Literal

from langchain_core.messages import AIMessage

from tilores_x.graph.state import State

MOST_ROUNDS = 8
"""Model calls with tools that one question may take; the next one gets none, and what it says is the answer."""


async def after_think(state: State) -> Literal["act", "answer"]:
    """To the tools that the model asked for; to the answer when it asked for none."""
    last = state["messages"][-1]
    asks = isinstance(last, AIMessage) and bool(last.tool_calls or last.invalid_tool_calls)
    return "act" if asks and state["rounds"] <= MOST_ROUNDS else "answer"


async def after_answer(state: State) -> Literal["think", "__end__"]:
    """Back to the model, once, when its draft holds what the evidence does not."""
    return "think" if state["corrections"] else "__end__"
