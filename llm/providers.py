"""The only place that makes chat models: each once per event loop, off the loop, without retries of its own."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from tilores_x.errors import ConfigError
from tilores_x.llm.catalog import ClientKind, ModelCatalog, ModelSpec, ProviderSpec
from tilores_x.settings import Settings

if TYPE_CHECKING:
    from tilores_x.llm.endpoints import Endpoint

T = TypeVar("T")

_log = logging.getLogger(__name__)
_EXTRAS = {ClientKind.DEEPSEEK: "langchain_deepseek", ClientKind.FIREWORKS: "langchain_fireworks"}


class ChatModels:
    """Chat models by catalogue entry. Keys and endpoints come from ``environ``, and are in no representation.

    DeepSeek and Fireworks speak OpenAI's protocol: without their extra they are called as compatible servers.
    """

    def __init__(self, catalog: ModelCatalog, environ: Mapping[str, str], settings: Settings) -> None:
        self._catalog = catalog
        self._environ = environ
        self._stock = settings.stock_clients
        self.configured = catalog.configured(environ)
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Task[Any]]] = WeakKeyDictionary()

    async def get(self, spec: ModelSpec) -> BaseChatModel:
        """The chat model for ``spec``, made at the first call.

        Raises:
            ConfigError: the provider's key is missing, or a parameter in the catalogue can't be used.
        """
        return await self._once(spec.name, lambda: self._make(spec))

    def endpoint_of(self, spec: ModelSpec) -> str | None:
        """Where ``spec`` is called."""
        return self._catalog.providers[spec.provider].endpoint(self._environ)

    async def aclose(self) -> None:
        """Close the connections that were opened in this event loop."""
        for made in self._made.pop(asyncio.get_running_loop(), {}).values():
            if not made.done():
                made.cancel()
            elif not made.cancelled() and made.exception() is None and hasattr(made.result(), "aclose"):
                await made.result().aclose()

    async def _once(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        made = self._made.setdefault(asyncio.get_running_loop(), {})
        task = made.get(name)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = made[name] = asyncio.ensure_future(make())
        result: T = await asyncio.shield(task)
        return result

    async def _make(self, spec: ModelSpec) -> BaseChatModel:
        provider = self._catalog.providers[spec.provider]
        if provider.client is ClientKind.LOCAL:
            return await asyncio.to_thread(_planner)
        if spec.provider not in self.configured:
            raise ConfigError(f"{spec.name} needs the key of {spec.provider}: set {provider.key_variable}.")
        endpoint = await self._once(f"{spec.provider}:", lambda: self._endpoint(provider))
        return await asyncio.to_thread(chat_model, spec, endpoint)

    async def _endpoint(self, provider: ProviderSpec) -> Endpoint:
        base_url = provider.endpoint(self._environ)
        if base_url is None:
            raise ConfigError(f"{provider.name} has no base_url: give it one in the file that TILORES_MODELS names.")
        kind = _available(provider.client)
        # The SDKs take half a second to import: off the loop, and not at all where only the planner answers.
        endpoints = await asyncio.to_thread(importlib.import_module, "tilores_x.llm.endpoints")
        endpoint: Endpoint = await endpoints.open_endpoint(
            kind, base_url, provider.key(self._environ), stock=self._stock
        )
        return endpoint


@lru_cache
def _available(kind: ClientKind) -> ClientKind:
    extra = _EXTRAS.get(kind)
    if extra is None or importlib.util.find_spec(extra) is not None:
        return kind
    _log.info("%s is not installed: %s is called as an OpenAI-compatible server", extra, kind)
    return ClientKind.COMPATIBLE


def _planner() -> BaseChatModel:
    from tilores_x.llm.planner import RulePlanner

    planner: BaseChatModel = RulePlanner()
    return planner


def chat_model(spec: ModelSpec, endpoint: Endpoint) -> BaseChatModel:
    """The chat model of ``spec`` over ``endpoint``. It streams always: LangChain's callbacks see tokens as they come.

    Raises:
        ConfigError: LangChain's class does not take the parameters in the catalogue.
    """
    cls = _class(endpoint.kind, stock=endpoint.line is None)
    given: dict[str, Any] = {
        "model": spec.id,
        "api_key": SecretStr(endpoint.key),
        "base_url": endpoint.base_url,
        "max_retries": 0,
        "streaming": True,
        "async_client": endpoint.sdk.chat.completions,
    }
    if endpoint.kind is not ClientKind.OPENAI:
        # OpenAI's reasoning models take no temperature; elsewhere an answer about a customer is to be the same twice.
        given["temperature"] = 0
    if endpoint.kind in (ClientKind.OPENAI, ClientKind.COMPATIBLE, ClientKind.DEEPSEEK):
        given |= {
            "root_async_client": endpoint.sdk,
            "stream_usage": True,
            "stream_chunk_timeout": None,
            "use_responses_api": False,
            "openai_proxy": "",
        }
    known = {name for name in spec.parameters if name in cls.model_fields}
    given |= {name: spec.parameters[name] for name in known}
    if unknown := {name: value for name, value in spec.parameters.items() if name not in known}:
        given |= (
            {"extra_body": unknown} if "extra_body" in cls.model_fields else {"model_kwargs": {"extra_body": unknown}}
        )
    try:
        model: Any = cls(**given)
    except ValueError as error:
        raise ConfigError(f"{spec.name}: its parameters can't be used: {type(error).__name__}.") from None
    model._key = SecretStr(endpoint.key)
    if endpoint.line is not None:
        model._line = endpoint.line
    chat: BaseChatModel = model
    return chat


def _class(kind: ClientKind, *, stock: bool) -> Any:
    if kind is ClientKind.DEEPSEEK:
        from tilores_x.llm import wire_deepseek

        return wire_deepseek.StockDeepSeek if stock else wire_deepseek.WiredDeepSeek
    if kind is ClientKind.FIREWORKS:
        from tilores_x.llm import wire_fireworks

        return wire_fireworks.StockFireworks if stock else wire_fireworks.WiredFireworks
    from tilores_x.llm import wire

    if kind is ClientKind.GROQ:
        return wire.StockGroq if stock else wire.WiredGroq
    return wire.StockOpenAI if stock else wire.WiredOpenAI
