"""Ask from Python: one question with `aask` or `ask`, many with `Asker`, or the graph itself with `open_graph`."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, TypeVar, cast
from uuid import uuid4
from weakref import WeakKeyDictionary

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import ValidationError

from tilores_x.errors import QuestionError, TiloresXError, public_name
from tilores_x.graph.build import Pipeline, build_graph
from tilores_x.graph.context import Context
from tilores_x.graph.kept import Turn
from tilores_x.graph.question import clean_question, cleaned
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import Reply
from tilores_x.llm.cache.answers import Answer
from tilores_x.llm.cache.replies import Name
from tilores_x.llm.cache.scope import scope
from tilores_x.settings import Settings
from tilores_x.telemetry.langsmith import flush_tracing

T = TypeVar("T")

MOST_CONVERSATIONS = 10_000
"""Whose age is known; in others no whole answer is given again."""


class Asker:
    """A pipeline with its resources, ready for questions; it belongs to the event loop that opened it."""

    def __init__(self, graph: Pipeline, resources: Resources, *, owns: bool = True) -> None:
        self.graph = graph
        self.resources = resources
        self._owns = owns
        self._held_until: OrderedDict[str, float] = OrderedDict()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings | None = None,
        checkpointer: BaseCheckpointSaver[str] | None = None,
        *,
        resources: Resources | None = None,
    ) -> AsyncIterator[Asker]:
        """Open for questions. ``resources`` that are given stay open at the end.

        Conversations are kept by ``checkpointer``, in memory without one.

        Raises:
            ConfigError: a setting is missing or wrong.
            TiloresUnavailable: the instance can't be reached.
        """
        asker = await cls._opened(settings, checkpointer, resources)
        try:
            yield asker
        finally:
            await asker.aclose()

    @classmethod
    async def _opened(
        cls,
        settings: Settings | None = None,
        checkpointer: BaseCheckpointSaver[str] | None = None,
        resources: Resources | None = None,
    ) -> Asker:
        own = resources is None
        resources = resources or await Resources.open(settings)
        return cls(build_graph(resources, checkpointer or InMemorySaver()), resources, owns=own)

    async def aclose(self) -> None:
        """Close what was opened; traces on their way are waited for, as long as their endpoint answers."""
        if self._owns:
            await self.resources.aclose()
        await asyncio.to_thread(flush_tracing)

    async def ask(
        self,
        question: str,
        *,
        thread_id: str | None = None,
        priority: str | None = None,
        deadline_s: float | None = None,
        fresh: bool = False,
        max_usd: float | None = None,
        model: str | None = None,
        tenant: str | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> Reply:
        """Answer ``question``. Questions with the same ``thread_id`` are one conversation; without one it stands alone.

        ``deadline_s`` is in seconds, ``max_usd`` the most that the question may cost, ``model`` pins one model as
        ``provider:id``. ``tenant`` says whose data it is: nothing that is kept for one is given to another.
        An answer that is kept is given again while all that it was read from is held to be true, unless ``fresh``.
        ``on_progress`` is told in a few words what goes on.

        Raises:
            QuestionError: the question, or an option, can't be used.
            BudgetExceeded: the question would cost more than allowed.
            TryAgain: Tilores or the models are unavailable, or the time ran out.
            ConfigError: a setting is wrong, or credentials were refused.
        """
        asked = HumanMessage(clean_question(question), id=uuid4().hex)
        context = _context(
            priority=priority, deadline_s=deadline_s, fresh=fresh, max_usd=max_usd, model=model, tenant=tenant
        )
        conversation = cleaned(thread_id) if thread_id else None
        config: RunnableConfig = {"configurable": {"thread_id": conversation or asked.id}}
        began = time.time()
        settings = self.resources.settings
        with scope(context.tenant or settings.tenant, fresh=fresh) as asking:
            name = await self._name(asked.text, conversation, config, context)
            if name is not None and not fresh and (kept := await self._kept(name)) is not None:
                return await self._again(kept, asked, conversation, config, began)
            turn = Turn(asked.id or "", {})
            reply = await self._run(asked, conversation, config, context, turn, on_progress)
            self._hold(conversation, asking.reads.expires_at)
            if name is not None and self.resources.kept_answers is not None:
                await self.resources.kept_answers.keep(name, reply, turn.messages, reads=asking.reads, begun_at=began)
            return reply

    async def _run(
        self,
        asked: HumanMessage,
        conversation: str | None,
        config: RunnableConfig,
        context: Context,
        turn: Turn,
        on_progress: Callable[[str], None] | None,
    ) -> Reply:
        """The answer of the graph; ``turn`` takes up the messages on the way."""
        reply: Reply | None = None
        if on_progress:
            on_progress("searching Tilores")
        try:
            async for update in self.graph.astream(
                {"messages": [asked]}, config, context=context, stream_mode="updates", durability=self._durability
            ):
                for node, written in update.items():
                    turn.written(written or {})
                    if on_progress and (words := _progress(node, written or {})):
                        on_progress(words)
                    if node == "answer" and "reply" in written:
                        reply = written["reply"]
        except TiloresXError as error:
            self.resources.ledger.failed(public_name(error))
            raise
        finally:
            if conversation is None:
                await self._forget(asked.id or "")
        assert reply is not None
        return reply

    async def _name(
        self, question: str, conversation: str | None, config: RunnableConfig, context: Context
    ) -> Name | None:
        """What the answer is kept under; None where it may rest on something that no longer holds."""
        if self.resources.kept_answers is None:
            return None
        earlier: list[BaseMessage] = []
        if conversation is not None:
            state = await self.graph.aget_state(config)
            earlier = state.values.get("messages", [])
            if earlier and self._held_until.get(conversation, 0.0) <= time.time():
                return None
        return await self.resources.kept_answers.name(question, earlier, context)

    async def _kept(self, name: Name) -> Answer | None:
        assert self.resources.kept_answers is not None
        return await self.resources.kept_answers.find(name)

    async def _again(
        self, kept: Answer, asked: HumanMessage, conversation: str | None, config: RunnableConfig, began: float
    ) -> Reply:
        """The kept answer, as this question's; a conversation goes on from it as if it had been worked out."""
        now = time.time()
        reply = cast(Reply, kept.reply)
        if conversation is not None:
            await self.graph.aupdate_state(
                config,
                {"messages": [asked, *kept.messages()], "reply": reply, "corrections": []},
                as_node="answer",
            )
            self._hold(conversation, kept.expires_at)
        reply["cached"], reply["cached_age_s"] = True, round(max(0.0, now - kept.written_at), 3)
        reply["cost_usd"], reply["attempts"], reply["timings"] = 0.0, [], []
        reply["seconds"] = round(time.time() - began, 6)
        self.resources.ledger.finished([], reply["seconds"])
        return reply

    def _hold(self, conversation: str | None, expires_at: float) -> None:
        """Until when what a conversation has read is held to be true: an answer within it may rest on all of it."""
        if conversation is None:
            return
        until = min(self._held_until.pop(conversation, float("inf")), expires_at)
        self._held_until[conversation] = until
        while len(self._held_until) > MOST_CONVERSATIONS:
            self._held_until.popitem(last=False)

    @property
    def _durability(self) -> Literal["exit", "async"]:
        """What is kept in memory ends with the process: then one write, at the end, is enough."""
        return "exit" if isinstance(self.graph.checkpointer, InMemorySaver) else "async"

    async def _forget(self, thread_id: str) -> None:
        """A question that stands alone leaves nothing behind."""
        if isinstance(self.graph.checkpointer, BaseCheckpointSaver):
            await self.graph.checkpointer.adelete_thread(thread_id)


def _progress(node: str, written: dict[str, Any]) -> str | None:
    """What goes on once ``node`` has ended, in words for a person."""
    if node == "route":
        return f"asking {written['choice']['ordered'][0]['model']}"
    if node == "act":
        return "asking the model"
    if node == "think":
        last = written["messages"][-1]
        return "searching Tilores" if isinstance(last, AIMessage) and last.tool_calls else "checking figures"
    return None


def _context(**options: Any) -> Context:
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Context(**given)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise QuestionError(f"{name}: {problem['msg']} (given: {str(problem['input'])[:60]!r}).") from None


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
        opening = _shared[loop] = asyncio.create_task(Asker._opened())
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


class _LoopThread:
    """One event loop in a thread of its own, for callers that have none or must not block theirs."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tilores-x", daemon=True)
        self._thread.start()
        atexit.register(self._stop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("ask() was called on its own event loop. Use `await aask(...)` there.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _stop(self) -> None:
        opening = _shared.pop(self._loop, None)
        if opening is not None and opening.done() and not opening.cancelled() and opening.exception() is None:
            closing = asyncio.run_coroutine_threadsafe(opening.result().resources.aclose(), self._loop)
            with suppress(Exception):  # the process ends: nothing can be done about what won't close
                closing.result(timeout=3)
            flush_tracing()  # not through the loop: its executor takes no work any more
        self._loop.call_soon_threadsafe(self._loop.stop)


_lock = threading.Lock()
_thread: _LoopThread | None = None


def _loop_thread() -> _LoopThread:
    global _thread
    with _lock:
        if _thread is None:
            _thread = _LoopThread()
        return _thread
