"""What the catalogue says about a model and about a provider, as frozen types.

A figure that nobody published is absent (None), never made up. How the choice treats an absent figure is said in
``routing.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

LOCAL = "local"
PLANNER = "local:planner"


class Priority(StrEnum):
    """What the choice of a model is to favour; ``auto`` reads it off the question."""

    SPEED = "speed"
    QUALITY = "quality"
    COST = "cost"
    BALANCED = "balanced"
    AUTO = "auto"


class Status(StrEnum):
    """``preview``: served, but its provider may take it away at short notice."""

    LIVE = "live"
    PREVIEW = "preview"
    RETIRED = "retired"


class ClientKind(StrEnum):
    """Which chat client speaks to a provider; ``compatible`` is any server with OpenAI's Chat Completions."""

    OPENAI = "openai"
    GROQ = "groq"
    DEEPSEEK = "deepseek"
    FIREWORKS = "fireworks"
    COMPATIBLE = "compatible"
    LOCAL = "local"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Frozen):
    """Where figures were read, and when."""

    page: str
    read: date
    note: str | None = None


class ProviderSpec(Frozen):
    """A provider: its endpoint, and the names of the variables that hold its key and another endpoint.

    Without ``key_variable`` the provider asks for no key (an own server) and always counts as configured.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    client: ClientKind = ClientKind.COMPATIBLE
    base_url: str | None = Field(None, pattern=r"^https?://")
    key_variable: str | None = None
    base_url_variable: str | None = None

    @model_validator(mode="after")
    def _reachable(self) -> ProviderSpec:
        if self.client is not ClientKind.LOCAL and not self.base_url:
            raise ValueError("base_url is needed")
        return self

    def key(self, environ: Mapping[str, str]) -> str | None:
        """The provider's key, or None where none is set or none is needed."""
        return (environ.get(self.key_variable) or None) if self.key_variable else None

    def endpoint(self, environ: Mapping[str, str]) -> str | None:
        """The base URL to call: the variable's, or the catalogue's; None for what runs in this process."""
        own = environ.get(self.base_url_variable) if self.base_url_variable else None
        return own or self.base_url

    def configured(self, environ: Mapping[str, str]) -> bool:
        return self.key_variable is None or self.key(environ) is not None


Figure = Literal["status", "context", "price", "speed", "ttft", "quality", "features"]
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Index = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class ModelSpec(Frozen):
    """One model of one provider.

    ``input_usd``, ``cached_input_usd`` and ``output_usd`` are USD per million tokens; ``tokens_per_s`` and ``ttft_s``
    (seconds to the first token) are published medians; ``quality`` is the Artificial Analysis Intelligence Index
    (0 to 100) at the effort that ``parameters`` ask for; ``shutdown`` is the first day (UTC) on which the model is no
    longer served. ``parameters`` go into every call, and so does ``extra_body``, whose keys OpenAI's API does not know.
    ``sources`` names the source of each figure.
    """

    provider: str
    id: str = Field(min_length=1)
    status: Status = Status.LIVE
    shutdown: date | None = None
    replaced_by: str | None = None
    context_tokens: int | None = Field(None, gt=0)
    max_output_tokens: int | None = Field(None, gt=0)
    input_usd: Usd | None = None
    cached_input_usd: Usd | None = None
    output_usd: Usd | None = None
    tokens_per_s: Positive | None = None
    ttft_s: Usd | None = None
    quality: Index | None = None
    tools: bool = True
    json_mode: bool = True
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    sources: dict[Figure, str] = Field(default_factory=dict)
    note: str | None = None

    @property
    def name(self) -> str:
        """The model's full name, ``provider:id``."""
        return f"{self.provider}:{self.id}"

    @property
    def local(self) -> bool:
        """Whether it runs in this process, as the rule-based planner does: no key, no cost, no network."""
        return self.provider == LOCAL

    def expired(self, today: date) -> bool:
        """Whether its provider serves it no more on ``today`` (UTC)."""
        return self.status is Status.RETIRED or (self.shutdown is not None and today >= self.shutdown)

    def cost_usd(self, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0) -> float | None:
        """USD for so many tokens (``cached_input_tokens`` are among ``input_tokens``); None where no price is known."""
        if self.input_usd is None or self.output_usd is None:
            return None
        cached_usd = self.input_usd if self.cached_input_usd is None else self.cached_input_usd
        cached = min(cached_input_tokens, input_tokens)
        fresh = input_tokens - cached
        return (fresh * self.input_usd + cached * cached_usd + output_tokens * self.output_usd) / 1e6
