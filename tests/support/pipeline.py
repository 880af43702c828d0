"""The whole pipeline over the embedded `credit` instance, with a scripted provider in the place of a language model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from support.provider import Provider

from tilores_x.graph.resources import Resources
from tilores_x.serving.embed import Asker
from tilores_x.settings import load_settings

MODEL = "openai:gpt-6-luna"
NOTES = ("Your draft can't be sent", "Answer now from what")


@asynccontextmanager
async def pipeline(
    cache_dir: Path,
    provider: Provider | None = None,
    *,
    model: str | None = MODEL,
    cache: str | None = "off",
    **settings: Any,
) -> AsyncIterator[Asker]:
    """An `Asker` whose models are ``provider``'s; without one the planner answers. Nothing is kept,
    unless ``cache`` says so: tests ask the same again. Nothing is learned either, unless ``speculation`` is "on":
    scripted models say what they say, whatever stands in the prompt."""
    settings.setdefault("speculation", "named")
    pinned = model if provider else None
    async with (
        await Resources.open(
            load_settings(cache_dir=cache_dir, model=pinned, cache=cache, **settings), keys(provider)
        ) as resources,
        Asker.open(resources=resources) as asker,
    ):
        yield asker


def keys(provider: Provider | None) -> Mapping[str, str]:
    if provider is None:
        return {}
    return {
        "OPENAI_API_KEY": "a-key",
        "OPENAI_BASE_URL": provider.base_url(),
        "GROQ_API_KEY": "a-key",
        "GROQ_BASE_URL": provider.base_url("groq"),
    }


@cache
def truth() -> tuple[dict[str, Any], ...]:
    """What the generator says about each customer of `credit`."""
    file = Path(__file__).parents[2] / "sandbox" / "instances" / "credit" / "truth.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return tuple(line for line in lines if "first_name" in line)


def customer(client_id: str) -> dict[str, Any]:
    return next(known for known in truth() if known["client_id"] == client_id)


def newest_score(client_id: str, bureau: str = "Experian") -> dict[str, Any]:
    """The newest report of a bureau."""
    reports = [report for report in customer(client_id)["reports"] if report["bureau"] == bureau]
    return max(reports, key=lambda report: report["date"])


def results(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the tools returned since the newest question, as a model gets to see it over the wire."""
    asked = [number for number, message in enumerate(messages) if message["role"] == "user"]
    at = max(number for number in asked if not messages[number]["content"].startswith(NOTES))
    return [json.loads(message["content"]) for message in messages[at:] if message["role"] == "tool"]
