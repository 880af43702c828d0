"""Which model answers, and which ones stand in for it: pure functions over catalogue, health, needs and limits.

*speed* orders by expected seconds: time to first token plus output tokens over speed, measured figures (``ENOUGH`` or
more) over published ones, divided by the share of calls that succeed. *cost* orders by expected USD. *quality* orders
by the published index. *balanced* orders by ::

    index - 6 log2(1 + seconds / 1 s) - 3 log2(1 + USD / 0.001 USD)

so that at one second twice the time must be worth about four points of the index, and at a tenth of a cent twice
the cost about two. A model's figure depends on that model alone: nothing that happens to one of them changes the order
of two others.

A figure that is not published counts as a poor one, never as a good one: ``UNPUBLISHED_TTFT_S``,
``UNPUBLISHED_TOKENS_PER_S``, ``UNPUBLISHED_USD`` (and the last place when cost is the priority), an index of 0. A model
that its provider names as the replacement of rated ones counts as the best of these.

The order is then dealt out over the providers: first the best model of each, then the second best of each, so that a
fallback does not fail together with what it stands in for. The rule-based planner comes last of all.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import log2
from typing import NamedTuple

from tilores_x.errors import ConfigError
from tilores_x.llm.catalog import LOCAL, PLANNER, ModelCatalog, ModelSpec, Priority
from tilores_x.llm.choice import Candidate, Choice, Limits, Needs, PassedOver, Why
from tilores_x.llm.classify import classify
from tilores_x.llm.health import HealthSnapshot, ModelHealth
from tilores_x.llm.limits import Quota

__all__ = ["Candidate", "Choice", "Limits", "Needs", "PassedOver", "Why", "choose", "classify", "expected_s"]

UNPUBLISHED_TTFT_S = 2.0
UNPUBLISHED_TOKENS_PER_S = 30.0
UNPUBLISHED_USD = 1.0
ENOUGH = 3
RESERVE_SHARE = 0.05
"""The share of a limit that is left alone: other workers have calls under way that its headers don't know of yet."""

_NEVER_CALLED = ModelHealth()
_NEEDS = Needs()
_LIMITS = Limits()


class _Rated(NamedTuple):
    key: tuple[float, ...]
    name: str
    model: ModelSpec
    seconds: float
    usd: float | None
    quality: float | None
    known: ModelHealth


def choose(
    catalog: ModelCatalog,
    *,
    priority: Priority,
    configured: frozenset[str],
    health: HealthSnapshot,
    needs: Needs = _NEEDS,
    limits: Limits = _LIMITS,
    pinned: str | None = None,
) -> Choice:
    """Put the models in order. Pure and total: it reads no clock, raises nothing and leaves its arguments alone.

    ``configured`` are the providers that can be called. ``pinned`` allows that one model, or its replacement where it
    is retired, and nothing else. ``Priority.AUTO`` counts as ``balanced``; ``classify`` turns it into another one.
    """
    today = _day(health.at)
    needs = needs._replace(input_tokens=max(0, needs.input_tokens), output_tokens=max(0, needs.output_tokens))
    models, warning = catalog.models, None
    if pinned is not None:
        try:
            resolved = catalog.resolve(pinned, today)
        except ConfigError as error:
            return Choice((), str(error), priority, (PassedOver(pinned, str(error), Why.UNKNOWN),), at=health.at)
        models, warning = {resolved.model.name: resolved.model}, resolved.warning
        if resolved.model.local:
            only = Candidate(resolved.model, "pinned", 0.0, 0.0)
            return Choice((only,), f"{PLANNER}: pinned", priority, (), warning, health.at)
    rated: list[_Rated] = []
    passed_over: list[PassedOver] = []
    for name, model in models.items():
        if model.local:
            continue
        known = health.models.get(name, _NEVER_CALLED)
        usd = model.cost_usd(needs.input_tokens, needs.output_tokens)
        hindrance = _hindrance(catalog, name, model, usd, today, configured, health, known, needs, limits)
        if hindrance is not None:
            passed_over.append(hindrance)
            continue
        seconds = expected_s(model, known, needs.output_tokens)
        late = limits.deadline_s is not None and seconds > limits.deadline_s
        index = catalog.quality.get(name)
        key = _key(priority, late, seconds, UNPUBLISHED_USD if usd is None else usd, index or 0.0, usd is None)
        rated.append(_Rated(key, name, model, seconds, usd, index, known))
    ordered = [Candidate(rate.model, _in_words(rate), rate.seconds, rate.usd) for rate in _dealt_out(rated)]
    resort = _last_resort(catalog, bool(ordered), passed_over, configured) if pinned is None else None
    if resort is not None:
        ordered.append(resort)
    reason = _reason(priority, ordered, passed_over, pinned)
    return Choice(tuple(ordered), reason, priority, tuple(passed_over), warning, health.at)


def expected_s(model: ModelSpec, known: ModelHealth, output_tokens: int) -> float:
    """Seconds until ``model`` has written ``output_tokens``; failed calls make it longer, as they must be repeated."""
    ttft_s = UNPUBLISHED_TTFT_S if model.ttft_s is None else model.ttft_s
    if known.ttft_s is not None and known.ttft_s.of >= ENOUGH:
        ttft_s = known.ttft_s.p50
    tokens_per_s = model.tokens_per_s or UNPUBLISHED_TOKENS_PER_S
    if known.tokens_per_s is not None and known.tokens_per_s.of >= ENOUGH:
        tokens_per_s = known.tokens_per_s.p50
    failing = known.failure_share * known.calls / (known.calls + 2)  # one failed call is no proof
    return (ttft_s + output_tokens / tokens_per_s) / (1.0 - min(failing, 0.9))


def _key(
    priority: Priority, late: bool, seconds: float, usd: float, index: float, price_unknown: bool
) -> tuple[float, ...]:
    """What to order by, the lowest first; the further figures settle a tie."""
    if priority is Priority.SPEED:
        return (late, seconds, usd, -index)
    if priority is Priority.COST:
        return (late, price_unknown, usd, seconds, -index)
    if priority is Priority.QUALITY:
        return (late, -index, seconds, usd)
    return (late, 6 * log2(1 + seconds) + 3 * log2(1 + 1000 * usd) - index, seconds, usd)


def _dealt_out(rated: list[_Rated]) -> list[_Rated]:
    rated.sort()
    taken: dict[str, int] = {}
    rounds: list[tuple[int, int]] = []
    for place, rate in enumerate(rated):
        provider = rate.model.provider
        turn = taken.get(provider, 0)
        taken[provider] = turn + 1
        rounds.append((turn, place))
    rounds.sort()
    return [rated[place] for _, place in rounds]


def _hindrance(
    catalog: ModelCatalog,
    name: str,
    model: ModelSpec,
    usd: float | None,
    today: date,
    configured: frozenset[str],
    health: HealthSnapshot,
    known: ModelHealth,
    needs: Needs,
    limits: Limits,
) -> PassedOver | None:
    if model.expired(today):
        after = catalog.serving(model, today)
        return PassedOver(name, f"retired; {after.name if after else 'nothing'} answers in its place", Why.RETIRED)
    if model.provider not in configured:
        provider = catalog.providers.get(model.provider)
        missing = (
            f"{provider.key_variable} is not set" if provider and provider.key_variable else "it is not configured"
        )
        return PassedOver(name, missing, Why.NO_KEY)
    if (needs.tools and not model.tools) or (needs.json and not model.json_mode):
        return PassedOver(name, "can't call tools" if not model.tools else "has no JSON mode", Why.LACKS)
    if model.context_tokens is not None and needs.input_tokens + needs.output_tokens > model.context_tokens:
        return PassedOver(name, f"holds {model.context_tokens:,} tokens at most", Why.TOO_SMALL)
    if limits.max_usd is not None and (usd is None or usd > limits.max_usd):
        dear = "its price is not known" if usd is None else f"would cost {usd:.4f} USD"
        return PassedOver(name, f"{dear}, {limits.max_usd:.4f} USD are left", Why.TOO_DEAR)
    at = health.at
    outage = health.providers.get(model.provider)
    if outage is not None and outage.until > at:
        return PassedOver(name, f"{outage.why}, for {outage.until - at:.0f} s", Why.OUT, outage.until)
    if known.held_until > at:
        return PassedOver(name, f"{known.held_why}, for {known.held_until - at:.0f} s", Why.COOLING, known.held_until)
    if known.tokens is not None and _short(known.tokens, needs.input_tokens + needs.output_tokens, at):
        return _nearly_spent(name, known.tokens, "tokens", at)
    if known.requests is not None and _short(known.requests, 1, at):
        return _nearly_spent(name, known.requests, "requests", at)
    return None


def _short(quota: Quota, wanted: float, at: float) -> bool:
    return quota.resets_at > at and quota.remaining - RESERVE_SHARE * (quota.limit or 0.0) < wanted


def _nearly_spent(name: str, quota: Quota, what: str, at: float) -> PassedOver:
    left = f"{quota.remaining:.0f} {what} left for {quota.resets_at - at:.0f} s"
    return PassedOver(name, left, Why.QUOTA, quota.resets_at)


def _last_resort(
    catalog: ModelCatalog, any_ready: bool, passed_over: list[PassedOver], configured: frozenset[str]
) -> Candidate | None:
    """The planner: where no provider is configured, or where those that are may all fail."""
    planner = catalog.models.get(PLANNER)
    if planner is None:
        return None
    if not configured - {LOCAL}:
        return Candidate(planner, "no provider's key is set", 0.0, 0.0)
    if any_ready or any(passed.until is not None for passed in passed_over):
        return Candidate(planner, "the last resort, should every provider fail", 0.0, 0.0)
    return None


def _in_words(rate: _Rated) -> str:
    index = "not rated" if rate.quality is None else f"quality {rate.quality:.0f}"
    price = "price not published" if rate.usd is None else f"{rate.usd:.5f} USD"
    ttft_s = rate.known.ttft_s
    if ttft_s is not None and ttft_s.of >= ENOUGH:
        basis = "measured"
    elif rate.model.ttft_s is None or rate.model.tokens_per_s is None:
        basis = "in part assumed"
    else:
        basis = "published"
    return f"{rate.seconds:.2f} s expected ({basis}), {price}, {index}"


def _reason(priority: Priority, ordered: list[Candidate], passed_over: list[PassedOver], pinned: str | None) -> str:
    if ordered:
        first = ordered[0]
        return f"{'pinned' if pinned else priority.value}: {first.model.name}, {first.reason}"
    usable = [passed for passed in passed_over if passed.kind not in (Why.NO_KEY, Why.RETIRED)] or passed_over
    told = "; ".join(f"{passed.model}: {passed.why}" for passed in usable[:4])
    return f"No model can answer. {told or 'The catalogue is empty.'}"


def _day(at: float) -> date:
    """The UTC day of ``at``; a moment that no calendar holds counts as the last day, on which all dates have passed."""
    try:
        return datetime.fromtimestamp(at, UTC).date()
    except (ValueError, OverflowError, OSError):
        return date.max
