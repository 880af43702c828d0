"""Settings: read once from the environment, frozen, every error naming its variable."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import platformdirs
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tilores_x.errors import ConfigError


class Profile(StrEnum):
    LOCAL = "local"
    PRODUCTION = "production"


class Speculation(StrEnum):
    """What is looked up before a model asks for it."""

    ON = "on"
    """Whom a question names, and what questions of its kind usually need."""
    NAMED = "named"
    """Whom a question names outright."""
    OFF = "off"


class Timeouts(NamedTuple):
    """Upper bounds in seconds; the deadline of a question cuts each of them short."""

    init_s: float
    field_discovery_s: float
    search_s: float
    question_s: float


TIMEOUTS = {
    Profile.LOCAL: Timeouts(init_s=5, field_discovery_s=3, search_s=5, question_s=15),
    Profile.PRODUCTION: Timeouts(init_s=15, field_discovery_s=10, search_s=10, question_s=30),
}

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """What the operator may set. Each field's variable is ``TILORES_`` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="TILORES_", frozen=True, extra="ignore", env_ignore_empty=True)

    api_url: str | None = Field(None, description="GraphQL endpoint; without it the embedded sandbox answers")
    token_url: str | None = Field(None, description="OAuth2 token endpoint (client credentials)")
    client_id: str | None = Field(None, description="OAuth2 client")
    client_secret: SecretStr | None = Field(None, description="OAuth2 secret")
    sandbox: str = Field("credit", description="the embedded instance: credit, people, or an instance folder")

    concurrency: int | None = Field(None, gt=0, description="requests to Tilores at once; measured by default")
    batch: int | None = Field(None, gt=0, description="most lookups in one request; measured by default, 1: none")
    timeout_s: Positive | None = Field(None, description="seconds for one request to Tilores; measured by default")
    hedge_reads: bool = Field(True, description="ask Tilores a second time when a read is late")

    profile: Profile = Field(Profile.LOCAL, description="which set of timeouts: local or production")
    deadline_s: Positive | None = Field(None, description="seconds for one question; the profile's by default")

    priority: str = Field("auto", description="speed, quality, cost, balanced or auto")
    model: str | None = Field(None, description="always this model, as provider:id, e.g. groq:openai/gpt-oss-120b")
    models: Path | None = Field(None, description="a TOML file with further models and providers")
    stock_clients: bool = Field(False, description="use LangChain's own chat clients in place of the fast ones")
    hedging: bool = Field(False, description="start a second model when the first is late to speak")
    max_question_usd: Positive | None = Field(None, description="the most that one question may cost")
    max_day_usd: Positive | None = Field(None, description="the most that one tenant may spend in a day (UTC)")

    speculation: Speculation = Field(Speculation.ON, description="look up ahead of the model: on, named, off")

    fields: Path | None = Field(None, description="a TOML file with the field policy and the field hints")
    tenant: str = Field("default", description="whose data this is: part of every cache key")

    trace_content: bool = Field(False, description="let questions, answers and records into LangSmith traces")

    cache: str | None = Field(None, description="memory, embedded (by default with the sandbox), off, or a Redis' URL")
    cache_key: SecretStr | None = Field(None, description="32 bytes in base64: encrypts cached entries (AES-GCM)")
    cache_timeout_s: Positive = Field(0.1, description="the most seconds that Redis may take to answer")
    cache_megabytes: int = Field(64, gt=0, description="the most that one process keeps in memory, in MiB")
    cache_result_s: Annotated[float, Field(ge=0)] = Field(60, description="seconds for which Tilores' results are kept")
    cache_longest_s: Positive = Field(7 * 24 * 3600, description="the most seconds that a model's reply is kept")
    cache_ttl_by_use: bool = Field(True, description="keep longer what is used, shorter what is not")
    cache_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("tilores-x")),
        description="folder for what may be fetched again: schemas, the embedded Redis",
    )

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.api_url and not self.api_url.startswith(("http://", "https://")):
            raise ValueError("TILORES_API_URL must begin with http:// or https://")
        wanted = {
            "TILORES_TOKEN_URL": self.token_url,
            "TILORES_CLIENT_ID": self.client_id,
            "TILORES_CLIENT_SECRET": self.client_secret,
        }
        missing = [name for name, value in wanted.items() if not value]
        if self.api_url and missing:
            raise ValueError(f"TILORES_API_URL is set, so {', '.join(missing)} must be set too")
        return self

    @property
    def timeouts(self) -> Timeouts:
        return TIMEOUTS[self.profile]

    @property
    def question_s(self) -> float:
        """Seconds that one question may take."""
        return self.deadline_s or self.timeouts.question_s


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment, ``overrides`` (by field name) on top.

    Raises:
        ConfigError: a value can't be used; the message names its variable.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigError(_in_words(error)) from None


def _in_words(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        name = "_".join(str(part) for part in problem["loc"]).upper()
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"TILORES_{name}: {message}" if name else message)
    return "Settings can't be used. " + "; ".join(lines)
