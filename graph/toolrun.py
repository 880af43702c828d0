"""One tool call, made: straight away where nobody listens, as a LangChain run where somebody does (a tracer)."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, BaseCallbackManager
from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.errors import GraphBubbleUp
from langsmith.utils import tracing_is_enabled

from tilores_x.deadline import current_deadline
from tilores_x.errors import TiloresXError, ToolFailed
from tilores_x.marks import collect_marks

ANSWER_SHARE = 0.15
"""The share of the time left that tool calls leave to the model, for its answer."""

FAILED = "failed"
"""Marks, in ``response_metadata``, the message of a call that nothing was wrong with; models never see it."""

_DEAF = frozenset(
    (kind.on_tool_start, kind.on_tool_end, kind.on_tool_error) for kind in (BaseCallbackHandler, AsyncCallbackHandler)
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """A call that was made. ``failure`` is what stopped it from outside; ``began`` is in epoch seconds."""

    message: ToolMessage
    failure: Exception | None
    began: float
    seconds: float
    marks: list[str]


async def make(call: ToolCall, tool: BaseTool) -> Outcome:
    """Make the call within its share of the time left; whatever fails becomes a message for the model.

    Raises:
        GraphBubbleUp: the tool interrupts the graph.
    """
    began = time.time()
    failure: Exception | None = None
    with collect_marks() as marks:
        words: set[str] = set()
        try:
            async with asyncio.timeout(current_deadline().left_s() * (1 - ANSWER_SHARE)):
                message = await _run(call, tool)
            if isinstance(message.artifact, dict):
                message.artifact["call_id"] = call["id"]
            if message.status == "error":
                words.add("refused")
        except GraphBubbleUp:
            raise
        except ToolFailed as error:
            message = refused(call, str(error))
            words.add("refused")
        except Exception as error:
            failure = error
            message = stopped(call, _in_words(error))
            words.add("failed")
    return Outcome(message, failure, began, time.time() - began, [*sorted(words), *sorted(marks)])


def refused(call: ToolCall, why: str) -> ToolMessage:
    """The result of a call that can't be made."""
    content = json.dumps({"ok": False, "error": why}, ensure_ascii=False)
    return ToolMessage(content, tool_call_id=call["id"] or "", name=call["name"], status="error")


def stopped(call: ToolCall, why: str) -> ToolMessage:
    """The result of a call that nothing is wrong with, but that was not made or did not end."""
    message = refused(call, why)
    message.response_metadata = {FAILED: why}
    return message


async def _run(call: ToolCall, tool: BaseTool) -> ToolMessage:
    """``tool.ainvoke`` costs ten times what is done here; its callbacks are for those who listen."""
    if (
        not isinstance(tool, StructuredTool)
        or tool.coroutine is None
        or tool.response_format != "content_and_artifact"
        or not isinstance(tool.args_schema, dict)  # a model of pydantic is validated by ainvoke
        or not (tool.handle_tool_error is False or callable(tool.handle_tool_error))
        or tool.callbacks
        or _somebody_listens()
    ):
        message = await tool.ainvoke({**call, "type": "tool_call"})
        assert isinstance(message, ToolMessage)
        return message
    try:
        content, artifact = await tool.coroutine(**call["args"])
    except ToolException as error:
        if not callable(tool.handle_tool_error):
            raise
        said = tool.handle_tool_error(error)
        content = said if isinstance(said, str) else list(said)
        return ToolMessage(content, tool_call_id=call["id"] or "", name=tool.name, status="error")
    return ToolMessage(content, artifact=artifact, tool_call_id=call["id"] or "", name=tool.name)


def _somebody_listens() -> bool:
    """Whether a handler around this work wants to know of tool runs; outside of any run LangSmith may."""
    config = var_child_runnable_config.get()
    callbacks: Any = config.get("callbacks") if config else None
    if callbacks is None:
        return bool(tracing_is_enabled())
    handlers: Sequence[BaseCallbackHandler] = (
        callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks
    )
    return any(
        not handler.ignore_agent and (kind.on_tool_start, kind.on_tool_end, kind.on_tool_error) not in _DEAF
        for handler in handlers
        for kind in (type(handler),)
    )


def _in_words(error: Exception) -> str:
    if isinstance(error, TiloresXError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "No answer within the time left."
    _log.error("A tool failed unexpectedly: %s", type(error).__name__)
    return f"The tool failed ({type(error).__name__})."
