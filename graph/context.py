"""What a caller may ask of one run: plain values, checked when the run starts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from tilores_x.llm.catalog import Priority


class Context(BaseModel):
    """Options of one question; what is left out comes from the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: Priority = Field(Priority.AUTO, description="what matters most in choosing the model")
    deadline_s: float | None = Field(None, gt=0, description="seconds that the question may take")
    max_usd: float | None = Field(None, gt=0, description="the most that the question may cost, in USD")
    model: str | None = Field(None, description="always this model, as provider:id")
    tenant: str | None = Field(None, description="whose data this is")
    fresh: bool = Field(False, description="pass over kept answers")
