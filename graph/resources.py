"""The live things that a pipeline works with: opened once, in one place, and closed in the reverse order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from langchain_core.messages import SystemMessage
from langchain_core.tools import BaseTool

from tilores_x.errors import TiloresXError
from tilores_x.graph.ahead.kinds import Vocabulary
from tilores_x.graph.ahead.speculation import Ahead
from tilores_x.graph.kept import KeptAnswers
from tilores_x.graph.prompts import system_text, today
from tilores_x.graph.window import characters
from tilores_x.llm.cache.answers import Answers
from tilores_x.llm.cache.opening import Cache, open_cache
from tilores_x.llm.cache.replies import Replies
from tilores_x.llm.cache.results import Results
from tilores_x.llm.calls import Caller
from tilores_x.llm.catalog import ModelCatalog
from tilores_x.llm.health import Health
from tilores_x.llm.providers import ChatModels
from tilores_x.llm.routing import choose
from tilores_x.llm.specs import Priority
from tilores_x.llm.spend import Spending
from tilores_x.settings import Settings, load_settings
from tilores_x.telemetry.langsmith import set_up_tracing
from tilores_x.telemetry.ledger import Ledger
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.schema import InstanceSchema
from tilores_x.tools.fields.concepts import Concepts
from tilores_x.tools.fields.policy import FieldPolicy
from tilores_x.tools.toolbox import Toolbox

CACHE_PATIENCE_S = 0.3
"""What an embedded Redis, started before all else, may still take when all else is ready."""


@dataclass(frozen=True, eq=False)
class Resources:
    """Everything that nodes need and state can't hold. ``sandboxed`` says that the embedded sandbox answers.

    ``cache`` and ``results`` are None where the cache is switched off.
    """

    settings: Settings
    client: TiloresClient
    toolbox: Toolbox
    catalog: ModelCatalog
    health: Health
    chat_models: ChatModels
    caller: Caller
    spending: Spending
    ledger: Ledger
    ahead: Ahead
    sandboxed: bool
    cache: Cache | None
    results: Results | None
    _closing: AsyncExitStack

    @classmethod
    async def open(cls, settings: Settings | None = None, environ: Mapping[str, str] | None = None) -> Resources:
        """Connect to the instance and read what it can be asked; to the embedded sandbox where none is set.

        ``environ`` holds the providers' keys and base URLs, in place of the process's environment.

        Raises:
            ConfigError: a setting is missing or wrong.
            TiloresUnavailable: the instance can't be reached.
        """
        settings = settings or load_settings()
        set_up_tracing(content=settings.trace_content)
        async with AsyncExitStack() as closing:
            models = asyncio.create_task(
                asyncio.to_thread(_models, settings, os.environ if environ is None else environ)
            )
            closing.push_async_callback(_settled, models)
            cache = await closing.enter_async_context(open_cache(settings))
            client = await closing.enter_async_context(connected(settings))
            toolbox = await Toolbox.open(client, settings)
            catalog, health, chat_models, caller = await models
            results = None
            if cache is not None:
                await cache.ready(CACHE_PATIENCE_S)
                data = await asyncio.to_thread(_whose_data, settings)
                results = Results(
                    cache.store,
                    instance=f"{data} {toolbox.schema.version}",
                    tenant=settings.tenant,
                    own=client.embedded,
                    ttl_s=settings.cache_result_s,
                )
                client.results = results
                caller.replies = Replies(cache.store, instance=results.instance, tenant=settings.tenant)
            closing.push_async_callback(chat_models.aclose)
            spending = await _spending(settings, health, closing)
            ahead = Ahead(health, client)
            closing.push_async_callback(ahead.aclose)
            closing.push_async_callback(_settled, asyncio.create_task(_warmed(settings, catalog, health, chat_models)))
            return cls(
                settings=settings,
                client=client,
                toolbox=toolbox,
                catalog=catalog,
                health=health,
                chat_models=chat_models,
                caller=caller,
                spending=spending,
                ledger=Ledger(),
                ahead=ahead,
                sandboxed=settings.api_url is None,
                cache=cache,
                results=results,
                _closing=closing.pop_all(),
            )
        raise AssertionError("unreachable: the stack swallows no error")

    @property
    def schema(self) -> InstanceSchema:
        return self.toolbox.schema

    @property
    def concepts(self) -> Concepts:
        return self.toolbox.concepts

    @property
    def policy(self) -> FieldPolicy:
        return self.toolbox.policy

    @cached_property
    def tools(self) -> Mapping[str, BaseTool]:
        """The tools by name; built once."""
        return {tool.name: tool for tool in self.toolbox.tools()}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words that kinds of questions are told by."""
        return Vocabulary.of(self.concepts)

    def system_message(self) -> SystemMessage:
        """What the models are told before all else; made once a day."""
        day = today()
        if day not in self._told:
            self._told.clear()
            self._told[day] = SystemMessage(system_text(self.concepts, self.policy, day))
        return self._told[day]

    @cached_property
    def _told(self) -> dict[date, SystemMessage]:
        return {}

    @cached_property
    def prompt_characters(self) -> int:
        """About what every model call costs before the first message: rules, fields and tools."""
        schemas = sum(len(str(tool.tool_call_schema)) for tool in self.tools.values())
        return characters(self.system_message()) + schemas

    @cached_property
    def kept_answers(self) -> KeptAnswers | None:
        """Whole answers, or None where the cache is switched off."""
        if self.cache is None or self.results is None:
            return None
        return KeptAnswers(self, Answers(self.cache.store, instance=self.results.instance))

    async def aclose(self) -> None:
        """Close everything; closing twice does nothing."""
        await self._closing.aclose()

    async def __aenter__(self) -> Resources:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[TiloresClient]:
    """A client of the configured instance, or of the embedded sandbox; closed at the end."""
    client = TiloresClient.from_settings(settings, app=await _embedded(settings))
    try:
        yield client
    finally:
        await client.aclose()


async def _embedded(settings: Settings) -> Any:
    """The embedded sandbox as an ASGI application, or None where a real instance is set."""
    if settings.api_url is not None:
        return None
    # Imported here: who asks a real instance needs no sandbox in memory.
    from tilores_x.sandbox.instance import load_instance
    from tilores_x.sandbox.server import create_app

    instance = await asyncio.to_thread(load_instance, settings.sandbox)
    return await create_app(instance, cache_dir=settings.cache_dir, off_loop=True)


def _whose_data(settings: Settings) -> str:
    """Names the instance, and who reads it: other credentials may see other records. Reads files: for a thread."""
    if settings.api_url is not None:
        return f"{settings.api_url} {settings.client_id}"
    from tilores_x.sandbox.instance import load_instance
    from tilores_x.sandbox.prepare import fingerprint

    return f"sandbox {fingerprint(load_instance(settings.sandbox))}"


def _models(settings: Settings, environ: Mapping[str, str]) -> tuple[ModelCatalog, Health, ChatModels, Caller]:
    """Reads files and builds clients, which blocks: for a thread."""
    catalog = ModelCatalog.load(settings.models)
    health = Health()
    chat_models = ChatModels(catalog, environ, settings)
    return catalog, health, chat_models, Caller(catalog, chat_models, health, settings)


async def _spending(settings: Settings, health: Health, closing: AsyncExitStack) -> Spending:
    """The caps on cost; with a Redis, these and the models' health are shared with the other workers."""
    redis = None
    if settings.cache and settings.cache.startswith(("redis://", "rediss://")):
        # Imported here: a fifth of a second that a process without a Redis need not pay.
        from tilores_x.llm.sharing import SharedHealth, connect

        redis = connect(settings.cache)
        closing.push_async_callback(redis.aclose)
        await closing.enter_async_context(SharedHealth(health, redis))
    return Spending(max_question_usd=settings.max_question_usd, max_day_usd=settings.max_day_usd, redis=redis)


async def _warmed(settings: Settings, catalog: ModelCatalog, health: Health, chat_models: ChatModels) -> None:
    """Makes the client that the first question will most likely want, while nobody waits: it takes a second."""
    choice = choose(
        catalog,
        priority=Priority.SPEED,
        configured=chat_models.configured,
        health=health.snapshot(),
        pinned=settings.model,
    )
    with suppress(TiloresXError):  # the question that needs it will say so
        await chat_models.get(choice.best.model)


async def _settled(task: asyncio.Task[Any]) -> None:
    """Ends what was started beside, whatever became of it."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
