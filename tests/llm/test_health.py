"""What is measured of a model, when it is left alone, and how it comes back."""

from __future__ import annotations

from bisect import insort

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import NOW, Clock, catalog, model

from tilores_x.llm import health as rules
from tilores_x.llm.breaker import LONGEST_COOLDOWN_S, PROBE_S
from tilores_x.llm.catalog import Priority
from tilores_x.llm.choice import Choice, Needs
from tilores_x.llm.health import Health, ModelHealth, Outcome
from tilores_x.llm.routing import choose
from tilores_x.quantiles import Recent

MODELS = catalog(model("alpha:m"), model("alpha:n"), model("beta:m"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock)


ORDINARY = Needs()


def chosen(health: Health, needs: Needs = ORDINARY) -> set[str]:
    choice: Choice = choose(
        MODELS,
        priority=Priority.SPEED,
        configured=frozenset({"alpha", "beta"}),
        health=health.snapshot(),
        needs=needs,
    )
    return {candidate.model.name for candidate in choice.ordered}


def fail(health: Health, times: int, name: str = "alpha:m") -> None:
    for _ in range(times):
        health.started(name)
        health.finished(name, Outcome.FAILED, seconds=0.1)


class TestCooldown:
    def test_begins_when_too_large_a_share_of_the_calls_failed(self, health):
        fail(health, rules.FEWEST_CALLS - 1)
        assert "alpha:m" in chosen(health)
        fail(health, 1)
        assert chosen(health) == {"alpha:n", "beta:m"}

    def test_is_not_begun_by_a_small_share(self, health):
        for _ in range(30):
            for _ in range(7):
                health.finished("alpha:m", Outcome.OK, seconds=0.1)
            fail(health, 4)
        assert "alpha:m" in chosen(health)

    def test_begins_soon_however_busy_the_model_was(self, health):
        for _ in range(500):
            health.finished("alpha:m", Outcome.OK, seconds=0.1)
        fail(health, rules.IN_A_ROW - 1)
        assert "alpha:m" in chosen(health)
        fail(health, 1)
        assert "alpha:m" not in chosen(health)

    def test_begins_when_half_of_the_last_calls_failed(self, health):
        for _ in range(100):
            health.finished("alpha:m", Outcome.OK, seconds=0.1)
        for _ in range(rules.JUDGED_CALLS // 2):
            assert "alpha:m" in chosen(health)
            fail(health, 1)
            health.finished("alpha:m", Outcome.OK, seconds=0.1)
        fail(health, 1)
        assert "alpha:m" not in chosen(health)

    def test_forgets_failures_of_long_ago(self, health, clock):
        fail(health, rules.FEWEST_CALLS - 1)
        clock.now += rules.JUDGED_S
        fail(health, 1)
        assert "alpha:m" in chosen(health)

    def test_a_model_that_comes_back_is_used_again_within_one_cooldown(self, health, clock):
        fail(health, 3)
        clock.now += rules.FAILURE_COOLDOWN_S - 0.1
        assert "alpha:m" not in chosen(health)
        clock.now += 0.1
        assert "alpha:m" in chosen(health)
        health.started("alpha:m")
        health.finished("alpha:m", Outcome.OK, seconds=0.2)
        fail(health, 2)
        assert "alpha:m" in chosen(health), "the failures from before were settled by the success"

    def test_lets_a_single_call_try_the_model(self, health, clock):
        fail(health, 3)
        clock.now += rules.FAILURE_COOLDOWN_S
        health.started("alpha:m")
        assert "alpha:m" not in chosen(health)
        health.finished("alpha:m", Outcome.OK, seconds=0.2)
        assert "alpha:m" in chosen(health)

    @pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.TOOL_USE_FAILED, Outcome.REFUSED])
    def test_a_trial_that_says_nothing_makes_room_for_another(self, health, clock, outcome):
        fail(health, 3)
        clock.now += rules.FAILURE_COOLDOWN_S
        health.started("alpha:m")
        health.finished("alpha:m", outcome)
        assert "alpha:m" in chosen(health)
        health.started("alpha:m")
        assert "alpha:m" not in chosen(health), "still half open"

    def test_a_trial_that_never_comes_back_does_not_keep_others_away_for_ever(self, health, clock):
        fail(health, 3)
        clock.now += rules.FAILURE_COOLDOWN_S
        health.started("alpha:m")
        clock.now += PROBE_S
        assert "alpha:m" in chosen(health)

    def test_doubles_with_each_trial_that_fails_up_to_a_bound(self, health, clock):
        fail(health, 3)
        waits = []
        for _ in range(8):
            waits.append(health.snapshot().models["alpha:m"].held_until - clock.now)
            clock.now += waits[-1]
            assert "alpha:m" in chosen(health)
            fail(health, 1)
        assert waits == [10, 20, 40, 80, 160, 300, 300, 300]

    def test_over_the_model_is_ranked_as_if_nothing_had_been(self, health, clock):
        fail(health, 3)
        clock.now += rules.FAILURE_COOLDOWN_S
        assert health.snapshot().models["alpha:m"].failure_share == 0.0

    def test_calls_that_were_under_way_together_count_as_one_trip(self, health, clock):
        for _ in range(20):
            health.finished("alpha:m", Outcome.LIMITED)
        assert health.snapshot().models["alpha:m"].held_until == clock.now + rules.LIMIT_COOLDOWN_S

    def test_success_of_a_call_begun_earlier_does_not_end_a_pause_that_was_asked_for(self, health):
        health.finished("alpha:m", Outcome.LIMITED, headers={"retry-after": "30"})
        health.finished("alpha:m", Outcome.OK, seconds=1.0)
        assert "alpha:m" not in chosen(health)

    @pytest.mark.parametrize("outcome", [Outcome.TOOL_USE_FAILED, Outcome.REFUSED, Outcome.CANCELLED])
    def test_what_is_not_the_models_fault_does_not_count(self, health, outcome):
        for _ in range(50):
            health.finished("alpha:m", outcome, seconds=0.1)
        known = health.snapshot().models["alpha:m"]
        assert "alpha:m" in chosen(health)
        assert (known.calls, known.failure_share) == (0, 0.0)

    def test_an_unknown_model_is_left_alone_and_its_siblings_are_not(self, health, clock):
        health.finished("alpha:m", Outcome.UNKNOWN_MODEL)
        assert chosen(health) == {"alpha:n", "beta:m"}
        clock.now += rules.UNKNOWN_COOLDOWN_S
        assert "alpha:m" in chosen(health)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "wait_s"),
        [
            ({"Retry-After": "7"}, 7),
            ({"retry-after": "1.5"}, 1.5),
            ({"retry-after": "Fri, 15 Jan 2027 08:00:42 GMT"}, 42),
            ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0),
            ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
            ({"retry-after": "3600"}, LONGEST_COOLDOWN_S),
            ({"retry-after": "2m"}, 120),
            ({"retry-after": "soon"}, rules.LIMIT_COOLDOWN_S),
            ({"retry-after": "-5"}, rules.LIMIT_COOLDOWN_S),
            ({"retry-after": "nan"}, rules.LIMIT_COOLDOWN_S),
            ({"retry-after": ""}, rules.LIMIT_COOLDOWN_S),
            ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}, 7.66),
            (None, rules.LIMIT_COOLDOWN_S),
        ],
    )
    def test_sets_the_pause_after_a_429(self, health, headers, wait_s):
        health.finished("alpha:m", Outcome.LIMITED, headers=headers)
        assert health.snapshot().models["alpha:m"].held_until - NOW == pytest.approx(wait_s)

    def test_of_a_failing_server_is_kept_too(self, health):
        health.finished("alpha:m", Outcome.FAILED, headers={"retry-after": "12"})
        assert health.snapshot().models["alpha:m"].held_until == NOW + 12


class TestRefusedKey:
    def test_takes_the_whole_provider_out_and_no_other(self, health):
        health.finished("alpha:m", Outcome.DENIED)
        assert chosen(health) == {"beta:m"}

    def test_is_tried_again_by_a_single_call(self, health, clock):
        health.finished("alpha:m", Outcome.DENIED)
        clock.now += rules.DENIED_COOLDOWN_S
        assert chosen(health) == {"alpha:m", "alpha:n", "beta:m"}
        health.started("alpha:n")
        assert chosen(health) == {"beta:m"}
        health.finished("alpha:n", Outcome.OK, seconds=1.0)
        assert chosen(health) == {"alpha:m", "alpha:n", "beta:m"}

    def test_is_not_taken_for_accepted_because_the_server_failed(self, health, clock):
        health.finished("alpha:m", Outcome.DENIED)
        clock.now += rules.DENIED_COOLDOWN_S
        health.started("alpha:n")
        health.finished("alpha:n", Outcome.FAILED)
        health.started("alpha:n")
        assert chosen(health) == {"beta:m"}, "one call at a time, until one is let in"

    def test_that_is_refused_again_stays_out(self, health, clock):
        health.finished("alpha:m", Outcome.DENIED)
        clock.now += rules.DENIED_COOLDOWN_S
        health.started("alpha:n")
        health.finished("alpha:n", Outcome.DENIED)
        clock.now += rules.DENIED_COOLDOWN_S - 1
        assert chosen(health) == {"beta:m"}


class TestMeasuring:
    def test_speed_counts_from_the_first_token(self, health):
        health.finished("alpha:m", Outcome.OK, seconds=1.5, first_token_s=0.5, output_tokens=100)
        known = health.snapshot().models["alpha:m"]
        assert known.ttft_s == (0.5, 0.5, 1)
        assert known.tokens_per_s == (100.0, 100.0, 1)
        assert known.seconds == (1.5, 1.5, 1)

    @pytest.mark.parametrize(("seconds", "tokens"), [(0.51, 400), (1.5, 5)])
    def test_a_stream_too_short_to_time_has_no_speed(self, health, seconds, tokens):
        health.finished("alpha:m", Outcome.OK, seconds=seconds, first_token_s=0.5, output_tokens=tokens)
        known = health.snapshot().models["alpha:m"]
        assert known.tokens_per_s is None
        assert known.ttft_s is not None

    def test_failed_calls_are_not_timed(self, health):
        health.finished("alpha:m", Outcome.FAILED, seconds=30, first_token_s=29)
        assert health.snapshot().models["alpha:m"].ttft_s is None

    def test_a_late_first_token_that_nobody_waited_for_counts_as_late(self, health):
        for _ in range(20):
            health.finished("alpha:m", Outcome.OK, seconds=1.0, first_token_s=0.1)
        for seconds, first_token_s in ((0.05, None), (0.5, None), (9.0, 0.1)):
            health.finished("alpha:m", Outcome.CANCELLED, seconds=seconds, first_token_s=first_token_s)
        assert health.snapshot().models["alpha:m"].ttft_s == (0.1, 0.1, 21)
        health.finished("alpha:m", Outcome.CANCELLED, seconds=0.5)
        assert health.hedge_after_s("alpha:m") == 0.5

    def test_shares_are_of_the_last_minute(self, health, clock):
        health.finished("alpha:m", Outcome.FAILED)
        clock.now += rules.JUDGED_S - 1
        for outcome in (Outcome.OK, Outcome.OK, Outcome.LIMITED):
            health.finished("alpha:m", outcome, headers={"retry-after": "0"})
        known = health.snapshot().models["alpha:m"]
        assert (known.calls, known.failure_share, known.limit_share) == (4, 0.25, 0.25)
        clock.now += 1
        known = health.snapshot().models["alpha:m"]
        assert (known.calls, known.failure_share) == (3, 0.0)

    def test_old_measurements_are_forgotten(self, health, clock):
        health.finished("alpha:m", Outcome.OK, seconds=9, first_token_s=8, output_tokens=100)
        clock.now += 900
        assert health.snapshot().models["alpha:m"].ttft_s is None

    def test_a_snapshot_does_not_change_afterwards(self, health):
        before = health.snapshot()
        fail(health, 3)
        assert before.models == {}

    def test_hedging_waits_for_enough_measurements(self, health):
        for tenths in range(rules.HEDGE_COUNT):
            assert health.hedge_after_s("alpha:m") is None
            health.finished("alpha:m", Outcome.OK, seconds=3, first_token_s=tenths / 10)
        assert health.hedge_after_s("alpha:m") == pytest.approx(1.8)
        assert health.hedge_after_s("alpha:other") is None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 1e6)), min_size=1, max_size=60),
    st.integers(1, 20),
)
def test_quantiles_are_those_of_the_last_measurements(steps, size):
    recent, now, kept = Recent(size=size, memory_s=100), 0.0, []
    for step, value in steps:
        now += step
        recent.add(now, value)
        recent.forget(now)
        kept = [pair for pair in [*kept, (now, value)][-size:] if pair[0] > now - 100]
        ordered: list[float] = []
        for _, known in kept:
            insort(ordered, known)
        found = recent.quantiles()
        assert found is not None
        assert found.of == len(ordered)
        assert sum(known <= found.p50 for known in ordered) * 2 >= len(ordered)
        assert sum(known < found.p50 for known in ordered) * 2 < len(ordered)
        assert sum(known <= found.p95 for known in ordered) >= 0.95 * len(ordered)
        assert sum(known < found.p95 for known in ordered) < 0.95 * len(ordered)


GROQ = {
    "x-ratelimit-limit-requests": "14400",
    "x-ratelimit-remaining-requests": "14370",
    "x-ratelimit-reset-requests": "2m59.56s",
    "x-ratelimit-limit-tokens": "250000",
    "x-ratelimit-remaining-tokens": "20000",
    "x-ratelimit-reset-tokens": "7.66s",
}
CEREBRAS = {
    "x-ratelimit-limit-tokens-minute": "60000",
    "x-ratelimit-remaining-tokens-minute": "58000",
    "x-ratelimit-reset-tokens-minute": "33.5",
    "x-ratelimit-limit-tokens-day": "1000000",
    "x-ratelimit-remaining-tokens-day": "9000",
    "x-ratelimit-reset-tokens-day": "3601",
}


class TestQuota:
    needs = Needs(input_tokens=3000, output_tokens=500)

    def test_routing_turns_away_before_it_is_gone(self, health, clock):
        health.finished("alpha:m", Outcome.OK, seconds=1, headers=GROQ)
        assert "alpha:m" in chosen(health, self.needs)
        for _ in range(2):  # 20,000 are left, 12,500 of them in reserve: two questions of 3,500 fit
            assert "alpha:m" in chosen(health, self.needs)
            health.started("alpha:m", 3500)
        assert "alpha:m" not in chosen(health, self.needs)
        clock.now += 7.66
        assert "alpha:m" in chosen(health, self.needs), "it is full again"

    def test_what_the_headers_say_last_counts(self, health):
        health.finished("alpha:m", Outcome.OK, seconds=1, headers=GROQ | {"x-ratelimit-remaining-tokens": "100"})
        assert "alpha:m" not in chosen(health, self.needs)
        health.finished("alpha:m", Outcome.OK, seconds=1, headers=GROQ)
        assert "alpha:m" in chosen(health, self.needs)

    def test_of_several_periods_the_one_that_binds_counts(self, health):
        health.finished("alpha:m", Outcome.OK, seconds=1, headers=CEREBRAS)
        known = health.snapshot().models["alpha:m"]
        assert known.tokens == (9000, NOW + 3601, 1_000_000)
        assert known.requests is None

    def test_requests_count_too(self, health):
        spent = GROQ | {"x-ratelimit-remaining-requests": "720", "x-ratelimit-remaining-tokens": "250000"}
        health.finished("alpha:m", Outcome.OK, seconds=1, headers=spent)
        assert "alpha:m" not in chosen(health, self.needs)

    def test_headers_without_limits_leave_what_is_known(self, health):
        health.finished("alpha:m", Outcome.OK, seconds=1, headers=GROQ)
        health.finished("alpha:m", Outcome.OK, seconds=1, headers={"content-type": "text/event-stream"})
        assert health.snapshot().models["alpha:m"].tokens is not None


names = st.sampled_from([*GROQ, *CEREBRAS, "retry-after", "retry-after-ms", "Retry-After", "x-ratelimit-limit-tokens"])


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(names | st.text(), st.text() | st.floats().map(str) | st.integers().map(str)),
    st.sampled_from(Outcome),
)
def test_no_header_can_do_harm(headers, outcome):
    clock = Clock()
    health = Health(clock=clock)
    health.finished("alpha:m", outcome, seconds=1.0, headers=headers)
    clock.now += LONGEST_COOLDOWN_S
    known = health.snapshot().models.get("alpha:m", ModelHealth())
    assert known.held_until <= clock.now
    assert health.snapshot().providers == {}
