"""Ask from Python: one question with `aask` or `ask`, many with `Asker`, or the graph itself with `open_graph`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import WeakKeyDictionary

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from tilores_x.graph.build import Pipeline, build_graph
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import Reply
from tilores_x.serving.asker import Asker
from tilores_x.serving.loop_thread import LoopThread
from tilores_x.settings import Settings
from tilores_x.telemetry.langsmith import flush_tracing

__all__ = ["Asker", "aask", "ask", "open_graph"]

_memories: WeakKeyDictionary[Resources, InMemorySaver] = WeakKeyDictionary()
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Asker]] = WeakKeyDictionary()


async def aask(
    question: str,
    *,
    thread_id: str | None = None,
    priority: str | None = None,
    deadline_s: float | None = None,
    fresh: bool = False,
    resources: Resources | None = None,
) -> Reply:
    """Answer ``question``; see `Asker.ask`. One pipeline per event loop is opened at the first call, and stays open."""
    asker = await _asker() if resources is None else _asker_over(resources)
    return await asker.ask(question, thread_id=thread_id, priority=priority, deadline_s=deadline_s, fresh=fresh)


def ask(
    question: str,
    *,
    thread_id: str | None = None,
    priority: str | None = None,
    deadline_s: float | None = None,
    fresh: bool = False,
) -> Reply:
    """Like `aask`, from a script, a thread or a notebook: the work is done on one event loop in a thread of its own.

    Raises:
        RuntimeError: it was called on that very loop.
    """
    return _loop_thread().run(
        aask(question, thread_id=thread_id, priority=priority, deadline_s=deadline_s, fresh=fresh)
    )


async def _asker() -> Asker:
    loop = asyncio.get_running_loop()
    opening = _shared.get(loop)
    if opening is None or (opening.done() and (opening.cancelled() or opening.exception())):
        opening = _shared[loop] = asyncio.create_task(Asker.opened())
    return await asyncio.shield(opening)


def _asker_over(resources: Resources) -> Asker:
    memory = _memories.setdefault(resources, InMemorySaver())
    return Asker(build_graph(resources, memory), resources, owns=False)


@asynccontextmanager
async def open_graph(
    settings: Settings | None = None,
    checkpointer: BaseCheckpointSaver[str] | None = None,
) -> AsyncIterator[Pipeline]:
    """The compiled graph, for ``ainvoke``, ``astream`` or as a node of another graph; its resources close at the end.

    Without a ``checkpointer`` it keeps no conversations. ::

        async with open_graph() as graph:
            state = await graph.ainvoke({"messages": [("user", "who is client ID 4021")]})
            print(state["reply"]["reply"])
    """
    async with await Resources.open(settings) as resources:
        yield build_graph(resources, checkpointer)


_lock = threading.Lock()
_thread: LoopThread | None = None


def _loop_thread() -> LoopThread:
    global _thread
    with _lock:
        if _thread is None:
            _thread = LoopThread(_close)
        return _thread


def _close(thread: LoopThread) -> None:
    """Close the pipeline of `ask`, where one was opened."""
    opening = _shared.pop(thread.loop, None)
    if opening is not None and opening.done() and not opening.cancelled() and opening.exception() is None:
        closing = asyncio.run_coroutine_threadsafe(opening.result().resources.aclose(), thread.loop)
        with suppress(Exception):  # the process ends: nothing can be done about what won't close
            closing.result(timeout=3)
        flush_tracing()  # not through the loop: its executor takes no work any more
