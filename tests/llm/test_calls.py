"""How calls are retried, handed on, raced, counted and paid for."""

from __future__ import annotations

import asyncio
from collections import Counter
from email.utils import formatdate

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from support.clients import QUESTION, Calling, Clients, Heard, choice
from support.provider import Provider
from support.wire import Fault, Script, refused, tool_use_failed

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import AccessDenied, BudgetExceeded, ConfigError, DeadlineExceeded, ModelUnavailable
from tilores_x.llm.calls import Attempt
from tilores_x.llm.choice import PassedOver, Why
from tilores_x.llm.health import HEDGE_COUNT, Health, Outcome
from tilores_x.llm.progress import Floor, Overtaken, Progress
from tilores_x.llm.providers import ChatModels

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("short_pauses")]

KINDS = pytest.mark.parametrize("stock", [False, True], ids=["wire", "stock"])


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@tool
async def look(email: str) -> str:
    """Look a customer up by e-mail."""
    return ""


@KINDS
async def test_one_call_is_measured_and_paid_for(provider: Provider, made: Clients, stock: bool) -> None:
    provider.always(Script("It is 42.", ttft_s=0.05, cached_tokens=2, headers={"x-ratelimit-remaining-requests": "7"}))
    at = made.calling(stock=stock)
    called = await at.ask("groq")
    (attempt,) = called.attempts
    assert called.message.content == "It is 42."
    assert attempt["input_tokens"] == 4
    assert attempt["output_tokens"] == 3
    assert attempt["cost_usd"] == pytest.approx((2 * 1 + 2 * 0.5 + 3 * 2) / 1e6)
    assert 0.05 <= (attempt["first_token_s"] or 0) <= attempt["seconds"]
    seen = at.health.snapshot().models["groq:m"]
    assert seen.ttft_s is not None
    assert seen.requests is not None
    assert seen.requests.remaining == 7


@KINDS
async def test_tokens_are_counted_where_no_usage_is_sent(provider: Provider, made: Clients, stock: bool) -> None:
    provider.always(Script("word " * 40, usage=False))
    (attempt,) = (await made.calling(stock=stock).ask("openai")).attempts
    assert 30 <= attempt["output_tokens"] <= 80
    assert attempt["cost_usd"]


async def test_a_failure_is_tried_again_by_the_only_model(provider: Provider, made: Clients) -> None:
    provider.then(refused(503), refused(500))
    called = await made.calling().ask("openai")
    assert [one["outcome"] for one in called.attempts] == ["failed", "failed", "ok"]


async def test_after_three_tries_it_is_given_up(provider: Provider, made: Clients) -> None:
    provider.always(refused(503))
    with pytest.raises(ModelUnavailable, match="openai:m: HTTP 503"):
        await made.calling().ask("openai")
    assert provider.counts.requests == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_what_would_fail_again_is_not_tried_again(provider: Provider, made: Clients, status: int) -> None:
    provider.always(refused(status))
    with pytest.raises(Exception, match=f"HTTP {status}"):
        await made.calling().ask("openai")
    assert provider.counts.requests == 1


async def test_who_must_act_is_told_by_the_error(provider: Provider, made: Clients) -> None:
    provider.always(refused(401))
    with pytest.raises(AccessDenied, match="Check the keys"):
        await made.calling().ask("openai", "groq")
    provider.always(refused(404))
    with pytest.raises(ConfigError, match="does not know the model"):
        await made.calling().ask("openai", "groq")
    provider.always(refused(503), to="groq")
    with pytest.raises(ModelUnavailable, match=r"openai:m: HTTP 404 .*; groq:m: HTTP 503"):
        await made.calling().ask("openai", "groq")


async def test_an_empty_choice_raises_its_own_error(provider: Provider, made: Clients) -> None:
    passed = PassedOver("openai:m", "too dear", Why.TOO_DEAR)
    with pytest.raises(BudgetExceeded):
        await made.calling().caller.call(choice()._replace(passed_over=(passed,)), QUESTION)


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [("3600", 300), ("17", 17), (formatdate(1_800_000_060, usegmt=True), 60), ("soon", 5), ("-1", 5), ("", 5)],
)
async def test_retry_after_is_kept_to(provider: Provider, made: Clients, value: str, wait_s: float) -> None:
    provider.then(refused(429, headers={"retry-after": value}))
    clock = Clock()
    at = made.calling(health=Health(clock=clock))
    with pytest.raises(ModelUnavailable) as caught:
        await at.ask("groq")
    assert caught.value.retry_after_s == pytest.approx(wait_s)
    assert provider.counts.requests == 1
    with pytest.raises(ModelUnavailable, match="cooling down"):
        await at.ask("groq")
    assert provider.counts.requests == 1
    clock.now += wait_s + 0.1
    assert (await at.ask("groq")).message.content == "It is 42."


async def test_an_outage_of_all_providers_costs_them_little(provider: Provider, made: Clients) -> None:
    provider.always(refused(503))
    at = made.calling()
    for _ in range(10):
        outcomes = await asyncio.gather(*(at.ask("groq", "openai") for _ in range(10)), return_exceptions=True)
        assert all(isinstance(outcome, ModelUnavailable) for outcome in outcomes)
    assert provider.counts.requests <= 1.2 * 100


async def test_an_outage_of_all_providers_costs_them_little_when_all_ask_at_once(
    provider: Provider, made: Clients
) -> None:
    provider.always(Script(status=503, ttft_s=0.05))
    at = made.calling()
    await asyncio.gather(*(at.ask("groq", "openai", "cerebras") for _ in range(100)), return_exceptions=True)
    assert provider.counts.requests <= 1.2 * 100


async def test_when_one_provider_is_out_the_other_answers_everybody(provider: Provider, made: Clients) -> None:
    provider.always(Script(status=503, ttft_s=0.05), to="groq")
    provider.always(Script("From the other.", ttft_s=0.05))
    at = made.calling()
    called = await asyncio.gather(*(at.ask("groq", "cerebras") for _ in range(100)))
    assert {one.message.content for one in called} == {"From the other."}


async def test_a_stand_in_that_hangs_keeps_nobody_beyond_the_deadline(provider: Provider, made: Clients) -> None:
    provider.always(Script(status=503), to="groq")
    provider.always(Script(fault=Fault.STALL))
    at = made.calling(deadline_s=0.4)
    outcomes = await asyncio.gather(*(at.ask("groq", "cerebras") for _ in range(30)), return_exceptions=True)
    assert all(isinstance(outcome, DeadlineExceeded | ModelUnavailable) for outcome in outcomes)
    assert provider.counts.requests <= 40


async def test_retries_stay_within_a_fifth_of_the_calls(provider: Provider, made: Clients) -> None:
    """Every question's first call fails. A health that forgets keeps the cooldown out of it."""
    at, questions = made.calling(), 60
    for _ in range(questions):
        provider._next.clear()
        provider.then(refused(503))
        at.health._models.clear()
        await asyncio.gather(at.ask("openai"), return_exceptions=True)
    assert questions < provider.counts.requests <= 1.2 * questions + 3


async def test_the_deadline_of_the_question_holds(provider: Provider, made: Clients) -> None:
    provider.always(Script(fault=Fault.STALL))
    with deadline_scope(Deadline.after(0.2)), pytest.raises(DeadlineExceeded):
        await made.calling(deadline_s=30).ask("groq", "openai")
    assert provider.counts.requests == 2


async def test_making_the_client_is_under_the_deadline_too(
    provider: Provider, made: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(*args: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(ChatModels, "get", slowly)
    at = made.calling(deadline_s=0.2)
    with pytest.raises(DeadlineExceeded):
        await at.ask("groq")
    assert not at.health.snapshot().models


async def test_once_the_first_token_is_there_only_the_deadline_counts(provider: Provider, made: Clients) -> None:
    provider.always(Script("word " * 15, tokens_per_s=20), to="groq")
    called = await made.calling(deadline_s=1.2).ask("groq", "openai")
    assert [one["model"] for one in called.attempts] == ["groq:m"]
    assert called.attempts[0]["seconds"] > 0.6


async def test_a_model_that_is_given_too_little_time_is_not_blamed(provider: Provider, made: Clients) -> None:
    provider.always(Script(fault=Fault.STALL))
    at = made.calling(deadline_s=0.1)
    with pytest.raises(DeadlineExceeded):
        await at.caller.call(choice("groq", expected_s=5), QUESTION)
    assert at.health.snapshot().models["groq:m"].failure_share == 0


@KINDS
async def test_a_tool_call_that_cannot_be_read_gets_one_more_chance(
    provider: Provider, made: Clients, stock: bool
) -> None:
    provider.then(tool_use_failed(), Script(tool_calls=(("look", {"email": "a@example.com"}),)))
    at = made.calling(stock=stock)
    called = await at.ask("groq", "openai", tools=[look])
    assert called.message.tool_calls[0]["args"] == {"email": "a@example.com"}
    assert [one["outcome"] for one in called.attempts] == ["tool_use_failed", "ok"]
    first, second = (request.body["messages"] for request in provider.received)
    assert second[:-1] == first
    assert "could not be read" in second[-1]["content"]
    assert at.health.snapshot().models["groq:m"].failure_share == 0


@KINDS
@pytest.mark.parametrize("broken", [tool_use_failed(), Script(tool_calls=(("look", '{"email": "a@exam'),))])
async def test_after_that_the_next_model_is_asked(
    provider: Provider, made: Clients, stock: bool, broken: Script
) -> None:
    provider.then(broken, broken)
    called = await made.calling(stock=stock).ask("groq", "openai", tools=[look])
    assert [one["outcome"] for one in called.attempts] == ["tool_use_failed", "tool_use_failed", "ok"]
    assert called.message.content == "It is 42."
    assert "could not be read" not in str(provider.received[2].body)


async def test_the_planner_answers_when_all_have_given_up(provider: Provider, made: Clients) -> None:
    provider.always(refused(503))
    called = await made.calling().ask("groq", "local:planner")
    assert called.attempts[-1]["model"] == "local:planner"
    assert called.attempts[-1]["cost_usd"] == 0
    assert provider.counts.requests == 3
    provider.forget()
    provider.always(Script(fault=Fault.STALL))
    called = await made.calling(deadline_s=0.5).ask("groq", "local:planner")
    assert called.attempts[-1]["model"] == "local:planner"


async def test_attempts_are_known_although_the_call_raises(provider: Provider, made: Clients) -> None:
    provider.always(refused(401))
    attempts: list[Attempt] = []
    with pytest.raises(AccessDenied):
        await made.calling().ask("groq", attempts=attempts)
    assert [one["outcome"] for one in attempts] == ["denied"]


async def test_a_cached_answer_makes_no_call_and_costs_nothing(provider: Provider, made: Clients) -> None:
    cache = InMemoryCache()
    set_llm_cache(cache)
    try:
        at = made.calling()
        provider.then(Script("one two three", fault=Fault.TRUNCATE, after=2))
        with pytest.raises(ModelUnavailable):
            await at.ask("openai")
        assert not cache._cache
        first = await at.ask("openai")
        second = await at.ask("openai")
    finally:
        set_llm_cache(None)
    assert first.message.content == second.message.content
    assert [one["cached"] for one in (*first.attempts, *second.attempts)] == [False, True]
    assert second.attempts[0]["cost_usd"] == 0
    assert provider.counts.requests == 2


async def test_cancelling_the_call_cancels_the_stream(provider: Provider, made: Clients) -> None:
    provider.always(Script("word " * 1000, tokens_per_s=100))
    at = made.calling()
    task = asyncio.create_task(at.ask("groq", "openai"))
    while provider.counts.streams == 0:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while provider.counts.streams:
        await asyncio.sleep(0.01)
    assert provider.counts.aborted == 1
    assert at.health.snapshot().models["groq:m"].failure_share == 0


async def _measured(at: Calling, provider: Provider, *names: str) -> None:
    """As many calls as it takes for the time to the first token to be known."""
    provider.always(Script("quick"))
    for name in names:
        for _ in range(HEDGE_COUNT):
            at.health.started(f"{name}:m")
            at.health.finished(f"{name}:m", Outcome.OK, seconds=0.03, first_token_s=0.02, output_tokens=1)


@KINDS
async def test_when_the_first_token_is_late_a_second_model_starts_and_the_first_to_speak_wins(
    provider: Provider, made: Clients, stock: bool
) -> None:
    at = made.calling(stock=stock, hedging=True)
    await _measured(at, provider, "groq")
    provider.always(Script("The late one.", ttft_s=5), to="groq")
    provider.always(Script("The quick one."))
    heard = Heard()
    called = await at.ask("groq", "openai", config={"callbacks": [heard]})
    assert called.message.content == heard.text == "The quick one."
    assert [(one["model"], one["outcome"]) for one in called.attempts] == [("groq:m", "cancelled"), ("openai:m", "ok")]
    while provider.counts.streams:
        await asyncio.sleep(0.01)
    assert provider.counts.aborted == 1
    assert at.health.snapshot().models["groq:m"].failure_share == 0


async def test_the_slower_one_is_cancelled_at_once(provider: Provider, made: Clients) -> None:
    at = made.calling(hedging=True)
    await _measured(at, provider, "groq")
    provider.always(Script("late", ttft_s=10), to="groq")
    provider.always(Script("word " * 1000, tokens_per_s=20))
    task = asyncio.create_task(at.ask("groq", "openai"))
    async with asyncio.timeout(5):  # the slower one would wait for 7.5 s
        while provider.counts.aborted == 0:
            await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_only_one_of_two_may_speak() -> None:
    floor = Floor()
    first, second = Progress(floor), Progress(floor)
    first.received(AIMessageChunk("", additional_kwargs={"reasoning_content": "Hm."}))
    second.received(AIMessageChunk("one"))
    with pytest.raises(Overtaken):
        first.received(AIMessageChunk("two"))
    assert first.first_token_at is None
    assert not first.spoken


async def test_a_first_model_that_speaks_at_last_still_wins(provider: Provider, made: Clients) -> None:
    at = made.calling(hedging=True)
    await _measured(at, provider, "groq")
    provider.always(Script("The first one.", ttft_s=0.2), to="groq")
    provider.always(Script("The second one.", ttft_s=5))
    called = await at.ask("groq", "openai")
    assert called.message.content == "The first one."
    assert called.attempts[-1]["model"] == "groq:m"


@pytest.mark.parametrize("broken", ["groq", "openai"])
async def test_of_two_in_a_race_one_may_fail(provider: Provider, made: Clients, broken: str) -> None:
    at = made.calling(hedging=True)
    await _measured(at, provider, "groq")
    provider.always(Script("Here.", ttft_s=0.3))
    provider.always(Script("Here.", ttft_s=0.3), to="groq")
    provider.always(Script(status=503, ttft_s=0.15), to=broken)
    called = await at.ask("groq", "openai")
    assert called.message.content == "Here."
    assert Counter(one["outcome"] for one in called.attempts) == {"failed": 1, "ok": 1}


async def test_two_that_speak_at_once_are_never_spliced(provider: Provider, made: Clients) -> None:
    at = made.calling(hedging=True)
    for _ in range(20):
        await _measured(at, provider, "groq")
        provider.always(Script("aaaa aaaa aaaa", ttft_s=0.1), to="groq")
        provider.always(Script("bbbb bbbb bbbb", ttft_s=0.08))
        heard = Heard()
        called = await at.ask("groq", "openai", config={"callbacks": [heard]})
        assert heard.text == called.message.content


async def test_a_quick_model_is_not_raced(provider: Provider, made: Clients) -> None:
    at = made.calling(hedging=True)
    for _ in range(HEDGE_COUNT):
        at.health.finished("groq:m", Outcome.OK, seconds=3.0, first_token_s=2.0)
    await at.ask("groq", "openai")
    assert provider.counts.requests == 1


async def test_races_stay_within_the_budget(provider: Provider, made: Clients) -> None:
    at = made.calling(hedging=True)
    await _measured(at, provider, "groq")
    provider.always(Script("late", ttft_s=0.1), to="groq")
    provider.always(Script("later", ttft_s=1.0))
    await asyncio.gather(*(at.ask("groq", "openai") for _ in range(30)))
    assert provider.counts.requests <= 30 * 1.2 + 3


async def test_quick_answers_earn_the_races_of_later_ones(provider: Provider, made: Clients) -> None:
    at = made.calling(hedging=True)
    await _measured(at, provider, "groq")
    for _ in range(4):
        provider.always(Script("late", ttft_s=5), to="groq")
        assert (await at.ask("groq", "openai")).attempts[-1]["model"] == "openai:m"
        provider.always(Script("quick"), to="groq")
        for _ in range(5):
            await at.ask("groq", "openai")


async def test_without_the_setting_nothing_is_raced(provider: Provider, made: Clients) -> None:
    at = made.calling()
    await _measured(at, provider, "groq")
    provider.always(Script("late", ttft_s=0.1), to="groq")
    assert (await at.ask("groq", "openai")).message.content == "late"
    assert provider.counts.requests == 1
