"""Asks the pipeline: one question after the other, many at a time, from what is kept where that still holds."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, cast
from uuid import uuid4

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

MOST_CONVERSATIONS = 10_000
"""Whose age is known; in others no whole answer is given again."""


class Asker:
    """A pipeline with its resources, ready for questions; it belongs to the event loop that opened it.

    A question that stands alone leaves nothing behind: it runs without a checkpointer.
    """

    def __init__(self, graph: Pipeline, resources: Resources, *, owns: bool = True) -> None:
        self.graph = graph
        self.resources = resources
        self._alone = graph.copy({"checkpointer": None})
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
        asker = await cls.opened(settings, checkpointer, resources)
        try:
            yield asker
        finally:
            await asker.aclose()

    @classmethod
    async def opened(
        cls,
        settings: Settings | None = None,
        checkpointer: BaseCheckpointSaver[str] | None = None,
        resources: Resources | None = None,
    ) -> Asker:
        """Like `open`; whoever calls this closes it."""
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
            graph, durability = (self._alone, None) if conversation is None else (self.graph, self._durability)
            async for update in graph.astream(
                {"messages": [asked]}, config, context=context, stream_mode="updates", durability=durability
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
