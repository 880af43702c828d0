"""What a caller may ask of one run: plain values, checked when the run starts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tilores_x.errors import QuestionError
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

    @field_validator("priority", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        """An unknown priority is the caller's error, whichever way it came in."""
        known = [priority.value for priority in Priority]
        if value not in known:
            raise QuestionError(f"There is no priority {str(value)[:60]!r}. There are: {', '.join(known)}.")
        return value
