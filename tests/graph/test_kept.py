"""Whole answers, results and replies through the pipeline: what is given again, what never is, and to whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.pipeline import customer, pipeline
from support.provider import Provider
from support.redis_server import RedisServer
from support.small_instance import PEOPLE, write_instance
from support.wire import Script

from tilores_x.serving.embed import Asker

WHO = "who is client ID 4001"
NAME = customer("4001")["last_name"]


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        provider.always(Script(f"It is {NAME}."))
        yield provider


@pytest.fixture
async def asker(tmp_path: Path, provider: Provider) -> AsyncIterator[Asker]:
    async with pipeline(tmp_path, provider, cache="memory") as asker:
        yield asker


def searches(asker: Asker) -> int:
    """Requests that have reached Tilores."""
    sent: int = asker.resources.client.report()["requests"]
    return sent


async def test_a_repeated_question_is_answered_from_before_the_graph(asker: Asker, provider: Provider) -> None:
    first = await asker.ask(WHO)
    before = searches(asker)
    second = await asker.ask(WHO)
    assert provider.counts.requests == 1
    assert searches(asker) == before
    assert (first["cached"], first["cached_age_s"]) == (False, None)
    assert second["cached"]
    assert second["cached_age_s"] is not None
    assert second["cached_age_s"] >= 0
    assert second["citations"] == first["citations"]
    assert second["citations"]
    assert second["reply"] == first["reply"]
    assert (second["cost_usd"], second["attempts"]) == (0, [])


async def test_fresh_asks_again(asker: Asker, provider: Provider) -> None:
    await asker.ask(WHO)
    before = searches(asker)
    fresh = await asker.ask(WHO, fresh=True)
    assert not fresh["cached"]
    assert provider.counts.requests == 2
    assert searches(asker) > before


@pytest.mark.parametrize("change", [{"priority": "cost"}, {"tenant": "b"}, {"max_usd": 5.0}])
async def test_another_priority_tenant_or_budget_is_another_question(asker: Asker, change: dict[str, Any]) -> None:
    await asker.ask(WHO)
    assert (await asker.ask(WHO, **change))["cached_age_s"] is None


async def test_an_answer_ends_with_the_results_behind_it(tmp_path: Path, provider: Provider) -> None:
    async with pipeline(tmp_path, provider, cache="memory", cache_result_s=0.4) as asker:
        began = time.time()
        await asker.ask(WHO)
        again = await asker.ask(WHO)
        if time.time() < began + 0.3:
            assert again["cached_age_s"] is not None
        await asyncio.sleep(0.5)
        later = await asker.ask(WHO)
        assert later["cached_age_s"] is None
        assert later["cached"], "the reply to the same conversation is still good"
        assert provider.counts.requests == 1


async def test_a_change_through_our_client_ends_kept_answers(asker: Asker, provider: Provider) -> None:
    await asker.ask(WHO)
    before = searches(asker)
    await asker.resources.client.submit([{"id": "new-1", "CLIENT_ID": "4001", "SOURCE": "CRM"}])
    after = await asker.ask(WHO)
    assert after["cached_age_s"] is None
    assert searches(asker) > before
    assert (await asker.ask(WHO))["cached_age_s"] is None, "while Tilores links, nothing is kept"


async def test_an_answer_that_is_not_proven_leaves_nothing_behind(asker: Asker, provider: Provider) -> None:
    provider.always(Script("The credit score is 999."))
    unproven = await asker.ask(WHO)
    assert unproven["missing"]
    calls = provider.counts.requests
    provider.always(Script(f"It is {NAME}."))
    mended = await asker.ask(WHO)
    assert mended["reply"] == f"It is {NAME}."
    assert provider.counts.requests == calls + 1


async def test_a_conversation_goes_on_from_a_kept_answer(asker: Asker, provider: Provider) -> None:
    for thread in ("one", "two"):
        provider.always(Script(f"It is {NAME}."))
        await asker.ask(WHO, thread_id=thread)
        provider.always(Script("Their status is Active."))
        followed = await asker.ask("what is their account status", thread_id=thread)
        assert followed["cached"] == (thread == "two")
    assert provider.received[-1].body["messages"][1]["content"] == WHO
    calls = provider.counts.requests
    state = await asker.graph.aget_state({"configurable": {"thread_id": "two"}})
    kinds = [message.type for message in state.values["messages"]]
    assert kinds.count("human") == 2
    assert "tool" in kinds, "a follow-up rests on what was found"
    assert len({message.id for message in state.values["messages"]}) == len(kinds)
    provider.always(Script(f"It is {NAME}."))
    third = await asker.ask("and who is it", thread_id="two")
    assert not third["cached"]
    assert provider.counts.requests > calls


async def test_a_hundred_cold_questions_make_one_call_and_one_search(asker: Asker, provider: Provider) -> None:
    provider.always(Script(f"It is {NAME}.", ttft_s=0.1))
    before = searches(asker)
    replies = await asyncio.gather(*(asker.ask(WHO) for _ in range(100)))
    assert provider.counts.requests == 1
    assert searches(asker) - before == 1
    assert {reply["reply"] for reply in replies} == {f"It is {NAME}."}


async def test_cancelling_the_first_loses_none(asker: Asker, provider: Provider) -> None:
    provider.always(Script(f"It is {NAME}.", ttft_s=0.5))
    asking = [asyncio.create_task(asker.ask(WHO)) for _ in range(30)]
    await asyncio.sleep(0.3)
    asking[0].cancel()
    replies = await asyncio.gather(*asking[1:])
    assert provider.counts.requests == 1
    assert {reply["reply"] for reply in replies} == {f"It is {NAME}."}


@pytest.mark.parametrize("place", ["memory", "redis"])
async def test_no_tenant_ever_sees_anothers(
    tmp_path: Path, redis_server: RedisServer, provider: Provider, place: str
) -> None:
    """The same question, the same instance's name, different data: each canary stays with its tenant."""
    folders = {
        tenant: write_instance(tmp_path / tenant / "shop", [{**record, "city": f"Canary{tenant}"} for record in PEOPLE])
        for tenant in ("Ash", "Oak")
    }
    provider.brain = lambda messages, tools: Script(
        next((f"Lives in {tenant}." for tenant in ("CanaryAsh", "CanaryOak") if tenant in str(messages)), "Nobody.")
    )
    provider.default = Script()
    url = "memory" if place == "memory" else redis_server.url
    async with (
        pipeline(
            tmp_path / "a", provider, cache=url, cache_timeout_s=5, sandbox=str(folders["Ash"]), tenant="Ash"
        ) as ash,
        pipeline(
            tmp_path / "b", provider, cache=url, cache_timeout_s=5, sandbox=str(folders["Oak"]), tenant="Oak"
        ) as oak,
    ):
        question = "in which city does ann@mail.example live"
        for _ in range(3):
            askers = [ash, oak] * 20
            replies = await asyncio.gather(*(one.ask(question) for one in askers))
            for one, reply in zip(askers, replies, strict=True):
                mine, other = ("Ash", "Oak") if one is ash else ("Oak", "Ash")
                assert f"Canary{mine}" in reply["reply"]
                assert f"Canary{other}" not in str(reply)
            for one in (ash, oak):
                assert one.resources.cache is not None
                one.resources.cache.store.memory.drop_tagged("")


async def test_two_pipelines_over_one_redis_make_one_call(
    tmp_path: Path, redis_server: RedisServer, provider: Provider
) -> None:
    provider.always(Script(f"It is {NAME}.", ttft_s=0.3))
    async with (
        pipeline(tmp_path, provider, cache=redis_server.url, cache_timeout_s=5) as one,
        pipeline(tmp_path, provider, cache=redis_server.url, cache_timeout_s=5) as two,
    ):
        replies = await asyncio.gather(*(asker.ask(WHO) for asker in (one, two) for _ in range(20)))
        assert provider.counts.requests == 1
        assert {reply["reply"] for reply in replies} == {f"It is {NAME}."}
        assert one.resources.cache is not None
        removed = await one.resources.cache.store.erase("default", [replies[0]["entities"][0]["entity_id"]])
        assert min(removed.values()) > 0
        assert two.resources.cache is not None
        await two.resources.cache.store.epochs.sync()
        assert (await two.ask(WHO))["cached"] is False


async def test_a_makeshift_of_an_outage_is_not_kept(tmp_path: Path, provider: Provider) -> None:
    from support.wire import refused

    provider.always(refused(401))
    async with pipeline(tmp_path, provider, model=None, cache="memory") as asker:
        makeshift = await asker.ask(WHO)
        assert makeshift["model"] == "local:planner"
        assert (await asker.ask(WHO))["cached_age_s"] is None
