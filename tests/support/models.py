"""Made-up catalogues and states of health, for tests of the choice of a model."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from tilores_x.llm.catalog import ModelCatalog, ModelSpec, ProviderSpec, Status
from tilores_x.llm.choice import Limits, Needs
from tilores_x.llm.health import HealthSnapshot, ModelHealth, Outage
from tilores_x.llm.limits import Quota
from tilores_x.quantiles import Quantiles

NOW = 1_800_000_000.0
TODAY = date(2027, 1, 15)
PROVIDERS = ("alpha", "beta", "gamma")


class Clock:
    """Epoch seconds that pass when a test says so."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def model(name: str, **figures: Any) -> ModelSpec:
    provider, _, model_id = name.partition(":")
    return ModelSpec(provider=provider, id=model_id, **figures)


def catalog(*models: ModelSpec) -> ModelCatalog:
    names = {spec.provider for spec in models}
    providers = {
        name: ProviderSpec(name=name, base_url="http://127.0.0.1:9/v1", key_variable=f"{name.upper()}_API_KEY")
        for name in names
    }
    return ModelCatalog(providers, {spec.name: spec for spec in models})


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


positive = st.floats(0.01, 5000, allow_nan=False)
moments = st.floats(-600, 600).map(lambda seconds: NOW + seconds)
quantiles = st.builds(
    lambda value, of: Quantiles(value, value * 2, of), st.floats(0.01, 3000, allow_nan=False), st.integers(1, 40)
)
quotas = st.builds(Quota, st.floats(0, 10_000), moments, _maybe(st.floats(1, 10_000)))

healths = st.builds(
    ModelHealth,
    calls=st.integers(0, 50),
    failure_share=st.floats(0, 1),
    limit_share=st.just(0.0),
    ttft_s=_maybe(quantiles),
    tokens_per_s=_maybe(quantiles),
    seconds=_maybe(quantiles),
    held_until=st.just(0.0) | moments,
    held_why=st.just("too many of its calls failed"),
    requests=_maybe(quotas),
    tokens=_maybe(quotas),
)


@st.composite
def specs(draw: st.DrawFn, number: int, count: int) -> ModelSpec:
    successor = draw(_maybe(st.integers(0, count - 1)))
    return ModelSpec(
        provider=PROVIDERS[number % 3],
        id=f"m{number}",
        status=draw(st.sampled_from([Status.LIVE, Status.LIVE, Status.PREVIEW, Status.RETIRED])),
        shutdown=draw(_maybe(st.dates(date(2026, 12, 1), date(2027, 3, 1)))),
        replaced_by=None if successor in (None, number) else f"{PROVIDERS[successor % 3]}:m{successor}",
        context_tokens=draw(_maybe(st.integers(1_000, 200_000))),
        input_usd=draw(_maybe(st.floats(0, 20))),
        output_usd=draw(_maybe(st.floats(0, 60))),
        tokens_per_s=draw(_maybe(positive)),
        ttft_s=draw(_maybe(st.floats(0, 20))),
        quality=draw(_maybe(st.floats(0, 100))),
        tools=draw(st.booleans() | st.just(True)),
        json_mode=draw(st.booleans()),
    )


@st.composite
def catalogs(draw: st.DrawFn) -> ModelCatalog:
    count = draw(st.integers(1, 8))
    return catalog(*(draw(specs(number, count)) for number in range(count)))


@st.composite
def snapshots(draw: st.DrawFn, models: ModelCatalog) -> HealthSnapshot:
    known = {name: draw(healths) for name in models.models if draw(st.booleans())}
    out = {name: Outage(draw(moments), "the provider refuses the key") for name in PROVIDERS if draw(st.booleans())}
    return HealthSnapshot(at=NOW, models=known, providers=out)


configured = st.sets(st.sampled_from(PROVIDERS)).map(frozenset)
needs = st.builds(Needs, st.integers(1, 100_000), st.integers(1, 4_000), st.booleans(), st.booleans())
limits = st.builds(Limits, _maybe(st.floats(0, 1)), _maybe(st.floats(0, 60)))
