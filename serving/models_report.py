"""What is known of every model, as plain rows; and what the providers themselves list."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple, TypedDict

import httpx

from tilores_x.llm.catalog import ModelCatalog, ModelSpec, Priority, ProviderSpec, Status
from tilores_x.llm.choice import Limits, Needs
from tilores_x.llm.health import HealthSnapshot, ModelHealth
from tilores_x.llm.routing import choose

RANKED = (Priority.SPEED, Priority.QUALITY, Priority.COST, Priority.BALANCED)
LISTING_TIMEOUT_S = 10.0


class Speed(TypedDict):
    """Tokens per second and seconds to the first token, published or measured."""

    tokens_per_s: float | None
    ttft_s: float | None


class ModelRow(TypedDict):
    """One model. ``ranks`` is its place by priority, 1 for the best, None where it can't be used; ``why_not`` says why.

    Prices are USD per million tokens.
    """

    model: str
    status: str
    shutdown: str | None
    replaced_by: str | None
    ranks: dict[str, int | None]
    why_not: str | None
    input_usd: float | None
    cached_input_usd: float | None
    output_usd: float | None
    published: Speed
    measured: Speed
    calls: int
    failure_share: float
    limit_share: float
    quality: float | None
    context_tokens: int | None
    tools: bool
    sources: dict[str, str]


def model_rows(
    catalog: ModelCatalog, configured: frozenset[str], health: HealthSnapshot, today: date
) -> list[ModelRow]:
    """A row for each model: those that can be used by their rank in ``balanced``, then the others as in the files."""
    places: dict[str, dict[str, int]] = {}
    why_not: dict[str, str] = {}
    for priority in RANKED:
        choice = choose(
            catalog, priority=priority, configured=configured, health=health, needs=Needs(), limits=Limits()
        )
        for place, candidate in enumerate(choice.ordered, start=1):
            places.setdefault(candidate.model.name, {})[priority.value] = place
        why_not |= {passed.model: passed.why for passed in choice.passed_over}
    rows = [
        _row(model, catalog, places.get(model.name, {}), why_not.get(model.name), health, today) for model in catalog
    ]
    rows.sort(key=lambda row: row["ranks"][Priority.BALANCED] or math.inf)
    return rows


def _row(
    model: ModelSpec,
    catalog: ModelCatalog,
    places: Mapping[str, int],
    why_not: str | None,
    health: HealthSnapshot,
    today: date,
) -> ModelRow:
    known = health.models.get(model.name, ModelHealth())
    return ModelRow(
        model=model.name,
        status=(Status.RETIRED if model.expired(today) else model.status).value,
        shutdown=model.shutdown.isoformat() if model.shutdown else None,
        replaced_by=model.replaced_by,
        ranks={priority.value: places.get(priority.value) for priority in RANKED},
        why_not=why_not,
        input_usd=model.input_usd,
        cached_input_usd=model.cached_input_usd,
        output_usd=model.output_usd,
        published=Speed(tokens_per_s=model.tokens_per_s, ttft_s=model.ttft_s),
        measured=Speed(
            tokens_per_s=known.tokens_per_s.p50 if known.tokens_per_s else None,
            ttft_s=known.ttft_s.p50 if known.ttft_s else None,
        ),
        calls=known.calls,
        failure_share=known.failure_share,
        limit_share=known.limit_share,
        quality=model.quality,
        context_tokens=model.context_tokens,
        tools=model.tools,
        sources={figure: _cited(catalog, source) for figure, source in model.sources.items()},
    )


def _cited(catalog: ModelCatalog, name: str) -> str:
    source = catalog.sources[name]
    return f"{source.page} ({source.read})" + (f": {source.note}" if source.note else "")


class Listed(NamedTuple):
    """What comparing the catalogue with a provider's own list found; ``problem`` where the list can't be had."""

    provider: str
    findings: tuple[str, ...]
    problem: str | None = None


async def compare_listings(catalog: ModelCatalog, environ: Mapping[str, str], today: date) -> list[Listed]:
    """Ask every configured provider for its list of models, and compare the catalogue with it."""
    configured = catalog.configured(environ)
    providers = [provider for name, provider in catalog.providers.items() if name in configured and provider.base_url]
    async with httpx.AsyncClient(timeout=LISTING_TIMEOUT_S) as http:
        return list(
            await asyncio.gather(*(_compare(http, catalog, provider, environ, today) for provider in providers))
        )


async def _compare(
    http: httpx.AsyncClient, catalog: ModelCatalog, provider: ProviderSpec, environ: Mapping[str, str], today: date
) -> Listed:
    key = provider.key(environ)
    url = f"{str(provider.endpoint(environ)).rstrip('/')}/models"
    try:
        answer = await http.get(url, headers={"Authorization": f"Bearer {key}"} if key else {})
        answer.raise_for_status()
        listed = {str(entry["id"]): entry for entry in answer.json()["data"]}
    except httpx.HTTPStatusError as error:
        return Listed(provider.name, (), f"{url} answered {error.response.status_code}")
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return Listed(provider.name, (), f"{url} gave no list of models ({type(error).__name__})")
    models = [model for model in catalog if model.provider == provider.name]
    return Listed(provider.name, tuple(finding for model in models for finding in _findings(model, listed, today)))


def _findings(model: ModelSpec, listed: Mapping[str, Any], today: date) -> list[str]:
    entry = listed.get(model.id)
    if entry is None:
        return [] if model.expired(today) else [f"{model.id}: unknown to its provider"]
    found = []
    if model.expired(today):
        found.append(f"{model.id}: retired in the catalogue, but its provider still lists it")
    announced = entry.get("shutdown_date") if isinstance(entry, Mapping) else None
    if announced and announced != (model.shutdown.isoformat() if model.shutdown else None):
        found.append(
            f"{model.id}: its provider shuts it down on {announced}, the catalogue says {model.shutdown or 'never'}"
        )
    return found
