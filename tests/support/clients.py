"""Chat models of every kind over the scripted provider, with everything that a call takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool
from support.provider import Provider

from tilores_x.llm.calls import Called, Caller
from tilores_x.llm.catalog import ModelCatalog, ModelSpec, Priority
from tilores_x.llm.choice import Candidate, Choice
from tilores_x.llm.health import Health
from tilores_x.llm.providers import ChatModels
from tilores_x.settings import Settings

PROVIDERS = ("groq", "openai", "deepseek", "fireworks")
CLIENTS = [f"{kind}-{provider}" for kind in ("wire", "stock") for provider in PROVIDERS]
KEY = "sk-loopback-0123456789"
QUESTION = [HumanMessage("What is the answer?")]


def catalog() -> ModelCatalog:
    """One model ``m`` for each provider, at 1 USD per million tokens in, 0.5 for cached ones, and 2 out."""
    specs = [
        ModelSpec(provider=name, id="m", input_usd=1, cached_input_usd=0.5, output_usd=2)
        for name in (*PROVIDERS, "cerebras")
    ]
    planner = ModelSpec(provider="local", id="planner", input_usd=0, output_usd=0)
    return ModelCatalog(ModelCatalog.load().providers, {spec.name: spec for spec in (*specs, planner)})


def environ(provider: Provider) -> dict[str, str]:
    found = {f"{name.upper()}_API_KEY": KEY for name in (*PROVIDERS, "cerebras")}
    return found | {f"{name.upper()}_BASE_URL": provider.base_url(name) for name in (*PROVIDERS, "cerebras")}


def choice(*names: str, expected_s: float = 0.1) -> Choice:
    """The models ``m`` of the providers named, in that order; ``local:planner`` for the planner."""
    known = catalog()
    models = [known.models[name if ":" in name else f"{name}:m"] for name in names]
    return Choice(tuple(Candidate(m, "scripted", expected_s, 0.001) for m in models), "scripted", Priority.SPEED, ())


@dataclass
class Calling:
    """A caller with all it needs."""

    chat_models: ChatModels
    health: Health
    caller: Caller

    async def ask(self, *names: str, tools: Sequence[BaseTool] = (), **more: Any) -> Called:
        return await self.caller.call(choice(*names), QUESTION, tools, **more)


@dataclass
class Clients:
    """The chat models of both kinds, made once for many tests in one event loop."""

    fast: ChatModels
    stock: ChatModels

    def calling(self, *, stock: bool = False, health: Health | None = None, **settings: Any) -> Calling:
        """A caller that knows nothing of earlier calls."""
        chat_models, health = self.stock if stock else self.fast, health or Health()
        return Calling(chat_models, health, Caller(catalog(), chat_models, health, Settings(**settings)))


@asynccontextmanager
async def clients(variables: dict[str, str]) -> AsyncIterator[Clients]:
    known = catalog()
    fast, stock = (ChatModels(known, variables, Settings(stock_clients=choice)) for choice in (False, True))
    try:
        yield Clients(fast, stock)
    finally:
        await fast.aclose()
        await stock.aclose()


@dataclass
class Heard(AsyncCallbackHandler):
    """What LangChain's callbacks tell: pieces of text as they come, and errors."""

    pieces: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    async def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.pieces.append(token if isinstance(token, str) else "")

    async def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors.append(error)

    @property
    def text(self) -> str:
        return "".join(self.pieces)
