"""The choice of a model: what holds for any catalogue, any health and any question."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support import models as made
from support.models import NOW, TODAY, Clock, catalog, model

from tilores_x.errors import BudgetExceeded, ConfigError, ModelUnavailable, QuestionError
from tilores_x.llm.catalog import PLANNER, ModelCatalog, ModelSpec, Priority
from tilores_x.llm.choice import Choice, Limits, Needs, Why
from tilores_x.llm.health import Health, HealthSnapshot, ModelHealth, Outcome
from tilores_x.llm.limits import Quota
from tilores_x.llm.routing import RESERVE_SHARE, choose, classify
from tilores_x.quantiles import Quantiles

fuzzed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
priorities = st.sampled_from(list(Priority))
HEALTHY = HealthSnapshot(at=NOW)
ALL = frozenset(made.PROVIDERS)


def names(choice: Choice) -> list[str]:
    return [candidate.model.name for candidate in choice.ordered]


@st.composite
def situations(draw: st.DrawFn) -> tuple[ModelCatalog, HealthSnapshot]:
    models = draw(made.catalogs())
    return models, draw(made.snapshots(models))


@fuzzed
@given(situations(), priorities, made.configured, made.needs, made.limits)
def test_never_chooses_what_must_not_answer(situation, priority, configured, needs, limits):
    models, health = situation
    choice = choose(models, priority=priority, configured=configured, health=health, needs=needs, limits=limits)
    for candidate in choice.ordered:
        spec = candidate.model
        known = health.models.get(spec.name, ModelHealth())
        assert not spec.expired(TODAY)
        assert spec.provider in configured
        assert spec.tools or not needs.tools
        assert spec.json_mode or not needs.json
        assert spec.context_tokens is None or needs.input_tokens + needs.output_tokens <= spec.context_tokens
        assert known.held_until <= NOW
        assert spec.provider not in health.providers or health.providers[spec.provider].until <= NOW
        if limits.max_usd is not None:
            assert candidate.expected_usd is not None
            assert candidate.expected_usd <= limits.max_usd
        for quota, wanted in ((known.tokens, needs.input_tokens + needs.output_tokens), (known.requests, 1)):
            if quota is not None and quota.resets_at > NOW:
                assert quota.remaining - RESERVE_SHARE * (quota.limit or 0) >= wanted


@fuzzed
@given(situations(), priorities, made.configured, made.needs, made.limits)
def test_every_model_is_either_chosen_or_passed_over_with_a_reason(situation, priority, configured, needs, limits):
    models, health = situation
    choice = choose(models, priority=priority, configured=configured, health=health, needs=needs, limits=limits)
    told = Counter(names(choice)) + Counter(passed.model for passed in choice.passed_over)
    assert told == Counter(models.models.keys())
    assert all(passed.why for passed in choice.passed_over)
    assert choice.reason


@fuzzed
@given(situations(), priorities, made.configured, made.needs, made.limits, st.randoms())
def test_the_same_situation_gives_the_same_choice(situation, priority, configured, needs, limits, random):
    models, health = situation
    asked = {"priority": priority, "configured": configured, "health": health, "needs": needs, "limits": limits}
    shuffled = list(models.models.items())
    random.shuffle(shuffled)
    first = choose(models, **asked)
    assert choose(models, **asked) == first
    assert choose(ModelCatalog(models.providers, dict(shuffled)), **asked).ordered == first.ordered


def better_figures(spec: ModelSpec) -> list[dict[str, float]]:
    """Every published figure of ``spec``, made better one at a time."""
    factors = {"tokens_per_s": 1.5, "ttft_s": 0.5, "input_usd": 0.5, "output_usd": 0.5, "quality": 1.2}
    found = []
    for figure, factor in factors.items():
        value = getattr(spec, figure)
        if value is not None:
            found.append({figure: min(100.0, value * factor) if figure == "quality" else value * factor})
    return found


def better_health(known: ModelHealth) -> list[ModelHealth]:
    found = [dataclasses.replace(known, failure_share=known.failure_share / 2)]
    if known.ttft_s is not None:
        found.append(dataclasses.replace(known, ttft_s=known.ttft_s._replace(p50=known.ttft_s.p50 / 2)))
    if known.tokens_per_s is not None:
        found.append(
            dataclasses.replace(known, tokens_per_s=known.tokens_per_s._replace(p50=known.tokens_per_s.p50 * 2))
        )
    return found


@fuzzed
@given(situations(), priorities, made.needs, made.limits, st.data())
def test_better_figures_never_rank_a_model_lower(situation, priority, needs, limits, data):
    models, health = situation
    asked = {"priority": priority, "configured": ALL, "needs": needs, "limits": limits}
    before = names(choose(models, health=health, **asked))
    assume(before)
    name = data.draw(st.sampled_from(before))
    spec = models.models[name]
    for change in better_figures(spec):
        improved = dict(models.models) | {name: spec.model_copy(update=change)}
        after = names(choose(ModelCatalog(models.providers, improved), health=health, **asked))
        assert after.index(name) <= before.index(name), change
    for known in better_health(health.models.get(name, ModelHealth())):
        improved_health = HealthSnapshot(
            at=health.at, models={**health.models, name: known}, providers=health.providers
        )
        after = names(choose(models, health=improved_health, **asked))
        assert after.index(name) <= before.index(name), known


@fuzzed
@given(
    situations(),
    priorities,
    made.configured,
    st.builds(Needs, st.integers(-10, 10**12), st.integers(-10, 10**12), st.booleans(), st.booleans()),
    st.builds(Limits, st.none() | st.floats(), st.none() | st.floats()),
    st.floats(),
    st.none() | st.text(),
)
def test_never_raises(situation, priority, configured, needs, limits, at, pinned):
    models, health = situation
    snapshot = HealthSnapshot(at=at, models=health.models, providers=health.providers)
    choice = choose(
        models,
        priority=priority,
        configured=configured | {"no such provider"},
        health=snapshot,
        needs=needs,
        limits=limits,
        pinned=pinned,
    )
    assert isinstance(choice.error(), Exception)


@fuzzed
@given(situations(), priorities, made.needs)
def test_fallbacks_come_from_other_providers_first(situation, priority, needs):
    models, health = situation
    providers = [
        candidate.model.provider
        for candidate in choose(models, priority=priority, configured=ALL, health=health, needs=needs).ordered
    ]
    assert len(set(providers[: len(set(providers))])) == len(set(providers))


def test_speed_puts_measured_figures_over_published_ones():
    models = catalog(
        model("alpha:boasts", tokens_per_s=3000, ttft_s=0.1), model("alpha:honest", tokens_per_s=200, ttft_s=0.4)
    )
    assert names(choose(models, priority=Priority.SPEED, configured=ALL, health=HEALTHY))[0] == "alpha:boasts"
    measured = ModelHealth(ttft_s=Quantiles(3.0, 5.0, 3), tokens_per_s=Quantiles(30, 60, 3))
    seen = HealthSnapshot(at=NOW, models={"alpha:boasts": measured})
    assert names(choose(models, priority=Priority.SPEED, configured=ALL, health=seen))[0] == "alpha:honest"
    glimpsed = ModelHealth(ttft_s=Quantiles(3.0, 5.0, 2), tokens_per_s=Quantiles(30, 60, 2))
    barely = HealthSnapshot(at=NOW, models={"alpha:boasts": glimpsed})
    assert names(choose(models, priority=Priority.SPEED, configured=ALL, health=barely))[0] == "alpha:boasts"


def test_each_priority_favours_what_it_is_named_for():
    models = catalog(
        model("alpha:fast", tokens_per_s=2000, ttft_s=0.2, input_usd=1, output_usd=3, quality=10),
        model("alpha:clever", tokens_per_s=50, ttft_s=2, input_usd=5, output_usd=30, quality=60),
        model("alpha:cheap", tokens_per_s=60, ttft_s=2, input_usd=0.01, output_usd=0.02, quality=5),
        model("alpha:fair", tokens_per_s=300, ttft_s=0.5, input_usd=0.2, output_usd=0.8, quality=45),
    )
    first = {
        priority: names(choose(models, priority=priority, configured=ALL, health=HEALTHY))[0] for priority in Priority
    }
    assert first == {
        Priority.SPEED: "alpha:fast",
        Priority.QUALITY: "alpha:clever",
        Priority.COST: "alpha:cheap",
        Priority.BALANCED: "alpha:fair",
        Priority.AUTO: "alpha:fair",
    }


def test_longer_answers_weigh_the_speed_and_short_ones_the_first_token():
    models = catalog(
        model("alpha:sprinter", ttft_s=0.1, tokens_per_s=50), model("alpha:runner", ttft_s=1.0, tokens_per_s=2000)
    )
    short = choose(models, priority=Priority.SPEED, configured=ALL, health=HEALTHY, needs=Needs(output_tokens=10))
    long = choose(models, priority=Priority.SPEED, configured=ALL, health=HEALTHY, needs=Needs(output_tokens=2000))
    assert names(short)[0] == "alpha:sprinter"
    assert names(long)[0] == "alpha:runner"


def test_what_would_miss_the_deadline_goes_to_the_back_but_stays():
    models = catalog(
        model("alpha:clever", ttft_s=9, tokens_per_s=100, quality=90), model("alpha:fast", ttft_s=0.1, quality=10)
    )
    choice = choose(
        models,
        priority=Priority.QUALITY,
        configured=ALL,
        health=HEALTHY,
        limits=Limits(deadline_s=11),
        needs=Needs(output_tokens=300),
    )
    assert names(choice) == ["alpha:fast", "alpha:clever"]


NEEDS = Needs(input_tokens=900, output_tokens=200)


@pytest.mark.parametrize(
    ("spec", "known", "needs"),
    [
        (model("alpha:m", context_tokens=1_099), ModelHealth(), NEEDS),
        (model("alpha:m", tools=False), ModelHealth(), NEEDS),
        (model("alpha:m", json_mode=False), ModelHealth(), NEEDS._replace(json=True)),
        (model("alpha:m"), ModelHealth(tokens=Quota(1_099, NOW + 9)), NEEDS),
        (model("alpha:m"), ModelHealth(tokens=Quota(1_599, NOW + 9, limit=10_000)), NEEDS),
        (model("alpha:m"), ModelHealth(requests=Quota(0, NOW + 9)), NEEDS),
        (model("alpha:m"), ModelHealth(requests=Quota(50, NOW + 9, limit=1_000)), NEEDS),
        (model("alpha:m"), ModelHealth(held_until=NOW + 0.1, held_why="it failed"), NEEDS),
    ],
)
def test_a_model_that_only_just_does_not_suffice_is_passed_over(spec, known, needs):
    health = HealthSnapshot(at=NOW, models={"alpha:m": known})
    assert not choose(catalog(spec), priority=Priority.SPEED, configured=ALL, health=health, needs=needs).ordered


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        (model("alpha:m", context_tokens=1_100, tools=True, json_mode=False), ModelHealth()),
        (model("alpha:m"), ModelHealth(tokens=Quota(1_100, NOW + 9))),
        (model("alpha:m"), ModelHealth(tokens=Quota(1_600, NOW + 9, limit=10_000))),
        (model("alpha:m"), ModelHealth(requests=Quota(51, NOW + 9, limit=1_000))),
        (model("alpha:m"), ModelHealth(requests=Quota(0, NOW))),
        (model("alpha:m"), ModelHealth(held_until=NOW, held_why="it failed")),
    ],
)
def test_a_model_that_only_just_suffices_may_answer(spec, known):
    health = HealthSnapshot(at=NOW, models={"alpha:m": known})
    assert choose(catalog(spec), priority=Priority.SPEED, configured=ALL, health=health, needs=NEEDS).ordered


def test_calls_that_fail_make_a_model_slower():
    models = catalog(model("alpha:m", ttft_s=1.0, tokens_per_s=100), model("alpha:n", ttft_s=1.2, tokens_per_s=100))
    shaky = HealthSnapshot(at=NOW, models={"alpha:m": ModelHealth(calls=10, failure_share=0.3)})
    assert names(choose(models, priority=Priority.SPEED, configured=ALL, health=HEALTHY))[0] == "alpha:m"
    assert names(choose(models, priority=Priority.SPEED, configured=ALL, health=shaky))[0] == "alpha:n"


def test_of_two_equally_fast_models_the_better_one_comes_first():
    alike = {"ttft_s": 1.0, "tokens_per_s": 100.0, "input_usd": 1.0, "output_usd": 1.0}
    models = catalog(model("alpha:a", quality=10, **alike), model("alpha:b", quality=20, **alike))
    for priority in Priority:
        assert names(choose(models, priority=priority, configured=ALL, health=HEALTHY))[0] == "alpha:b"


def test_a_figure_that_is_not_published_counts_as_a_poor_one():
    models = catalog(
        model("alpha:silent"),
        model("alpha:open", tokens_per_s=100, ttft_s=1, input_usd=2, output_usd=8, quality=1),
    )
    for priority in Priority:
        assert names(choose(models, priority=priority, configured=ALL, health=HEALTHY))[0] == "alpha:open"


@pytest.mark.parametrize(
    ("spec", "asked", "expected"),
    [
        (model("alpha:m", input_usd=5, output_usd=5), {"limits": Limits(max_usd=0.001)}, BudgetExceeded),
        (model("alpha:m"), {"limits": Limits(max_usd=1.0)}, BudgetExceeded),
        (model("alpha:m", context_tokens=100), {}, QuestionError),
        (model("alpha:m"), {"configured": frozenset()}, ConfigError),
        (model("alpha:m"), {"pinned": "alpha:other"}, ConfigError),
    ],
)
def test_says_who_must_act_when_no_model_may_answer(spec, asked, expected):
    choice = choose(catalog(spec), **({"priority": Priority.SPEED, "configured": ALL, "health": HEALTHY} | asked))
    assert choice.ordered == ()
    with pytest.raises(expected, match="alpha"):
        _ = choice.best


def test_a_model_that_cools_down_is_named_with_the_wait():
    clock = Clock()
    health = Health(clock=clock)
    health.finished("alpha:m", Outcome.LIMITED, headers={"Retry-After": "20"})
    choice = choose(catalog(model("alpha:m")), priority=Priority.SPEED, configured=ALL, health=health.snapshot())
    with pytest.raises(ModelUnavailable, match="limit") as raised:
        _ = choice.best
    assert raised.value.retry_after_s == pytest.approx(20)
    assert choice.passed_over[0].kind is Why.COOLING


class TestPlanner:
    models = catalog(model("alpha:m", input_usd=1, output_usd=1), model(PLANNER, input_usd=0, output_usd=0))

    @pytest.mark.parametrize("priority", list(Priority))
    def test_answers_where_no_key_is_set(self, priority):
        choice = choose(self.models, priority=priority, configured=frozenset({"local"}), health=HEALTHY)
        assert names(choice) == [PLANNER]

    @pytest.mark.parametrize("priority", list(Priority))
    def test_is_the_last_resort_and_never_the_first_where_a_model_may_answer(self, priority):
        assert names(choose(self.models, priority=priority, configured=ALL, health=HEALTHY)) == ["alpha:m", PLANNER]

    def test_answers_while_every_model_cools_down(self):
        held = HealthSnapshot(at=NOW, models={"alpha:m": ModelHealth(held_until=NOW + 9, held_why="it failed")})
        assert names(choose(self.models, priority=Priority.SPEED, configured=ALL, health=held)) == [PLANNER]

    def test_does_not_get_round_a_cap_on_cost(self):
        choice = choose(
            self.models, priority=Priority.SPEED, configured=ALL, health=HEALTHY, limits=Limits(max_usd=1e-9)
        )
        assert choice.ordered == ()

    def test_can_be_pinned(self):
        choice = choose(self.models, priority=Priority.SPEED, configured=ALL, health=HEALTHY, pinned=PLANNER)
        assert names(choice) == [PLANNER]


def test_a_pinned_model_is_the_only_one():
    models = catalog(model("alpha:m"), model("beta:m"), model(PLANNER, input_usd=0, output_usd=0))
    choice = choose(models, priority=Priority.SPEED, configured=ALL, health=HEALTHY, pinned="beta:m")
    assert names(choice) == ["beta:m"]


def test_a_pinned_model_that_is_retired_is_served_by_its_replacement_with_a_warning():
    models = catalog(model("alpha:old", shutdown=TODAY, replaced_by="beta:new"), model("beta:new"))
    choice = choose(models, priority=Priority.SPEED, configured=ALL, health=HEALTHY, pinned="alpha:old")
    assert names(choice) == ["beta:new"]
    assert choice.warning is not None
    assert "alpha:old" in choice.warning
    assert "beta:new" in choice.warning


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("who is ann@example.com", Priority.SPEED),
        ("account status for client ID 4021", Priority.SPEED),
        ("what is the most recent Experian score of ann@example.com?", Priority.SPEED),
        ("when was the last payment?", Priority.SPEED),
        ("and client 4021?", Priority.SPEED),
        ("", Priority.SPEED),
        ("how does Experian compare with TransUnion for ann@example.com", Priority.QUALITY),
        ("compare the newest with the second newest Experian report", Priority.QUALITY),
        ("how could they improve their score", Priority.QUALITY),
        ("how do payment patterns relate to credit changes", Priority.QUALITY),
        ("WHY ARE THESE RECORDS ONE PERSON, WHICH VALUES CONFLICT?", Priority.QUALITY),
        ("customer info for Ann Lee: her status and her payments", Priority.BALANCED),
        ("status, product and balance of 4021", Priority.BALANCED),
    ],
)
def test_auto_reads_the_priority_off_the_question(question, expected):
    assert classify(question) is expected


@fuzzed
@given(st.text())
def test_any_text_has_a_priority(question):
    assert classify(question) in (Priority.SPEED, Priority.QUALITY, Priority.BALANCED)
