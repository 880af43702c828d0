"""Lookups ahead of the model, from edge to edge: what they save, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from support.loopback import served
from support.pipeline import customer, newest_score, pipeline, results
from support.provider import Provider
from support.wire import Fault, Script

from tilores_x.errors import TiloresUnavailable
from tilores_x.graph.ahead.habits import PROBE_EVERY
from tilores_x.graph.build import build_graph
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.serving.embed import Asker

SCORES = "CREDIT_RESPONSE.CREDIT_SCORE.*.Value"
Wire = list[dict[str, Any]]


def asks_for_scores(messages: Wire, tools: Wire) -> Script:
    """A model that wants the scores of the client whom the question names, and tells the newest of Experian."""
    client_id = next(m["content"] for m in reversed(messages) if m["role"] == "user").split()[-1]
    for found in results(messages):
        for entity in found.get("entities", ()):
            if SCORES in entity.get("facts", {}):
                return Script(f"The score is {newest_score(client_id)['value']}.")
    return Script(tool_calls=(("tilores_search", {"CLIENT_ID": client_id, "fields": [SCORES]}),))


@asynccontextmanager
async def asking(
    tmp_path: Path, brain: Any = asks_for_scores, **settings: Any
) -> AsyncIterator[tuple[Asker, Provider]]:
    with Provider(brain=brain) as provider:
        async with pipeline(tmp_path, provider, **{"speculation": "on", **settings}) as asker:
            yield asker, provider


async def next_is_a_probe(asker: Asker) -> None:
    """The next question for a score is answered as if nothing were known: the model starts beside the lookups."""
    await asker.ask("score of client 4001")
    for habit in asker.resources.ahead.habits.all():
        habit.times = PROBE_EVERY - 1


def marks(reply: Any) -> list[set[str]]:
    return [set(timing["marks"]) for timing in reply["timings"] if timing["kind"] == "tool"]


async def test_what_questions_of_a_kind_need_is_there_before_the_model_is_asked(tmp_path: Path) -> None:
    async with asking(tmp_path) as (asker, provider):
        first = await asker.ask("score of client 4001")
        assert provider.counts.requests == 2
        second = await asker.ask("score of client 4002")
        assert provider.counts.requests == 3
        assert second["reply"] == f"The score is {newest_score('4002')['value']}."
        assert second["citations"]
        assert all("speculated" in one for one in marks(second))
        assert len(marks(second)) == len(marks(first)) == 2
        assert {entity["label"]["client_id"][0] for entity in second["entities"]} == {"4002"}
        report = asker.resources.ahead.report()
        assert report["lookups_started_ahead"] == report["lookups_used"] == 1
        assert report["running"] == 0


async def test_a_follow_up_finds_what_is_known_of_the_person_in_focus(tmp_path: Path) -> None:
    def brain(messages: Wire, tools: Wire) -> Script:
        found = results(messages)
        for one in found:
            if "results" in one:
                return Script(f"They have {one['count']} records.")
        known = [json.loads(m["content"]) for m in messages if m["role"] == "tool"]
        entity_id = next(e["entity_id"] for one in known for e in one.get("entities", ()))
        asked = {"entity_id": entity_id, "ask": [{"function": "count"}]}
        return Script(tool_calls=(("tilores_insights", asked),))

    async with asking(tmp_path, brain) as (asker, provider):
        for client_id, calls in (("4001", 2), ("4002", 1)):
            provider.brain = None
            provider.always(Script("Found."))
            await asker.ask(f"who is client {client_id}", thread_id=client_id)
            provider.brain, provider.counts.requests = brain, 0
            reply = await asker.ask("and their records?", thread_id=client_id)
            assert provider.counts.requests == calls
            assert reply["reply"].startswith("They have ")


async def test_the_models_own_search_brings_along_what_is_usually_asked_next(tmp_path: Path) -> None:
    def brain(messages: Wire, tools: Wire) -> Script:
        client_id = next(m["content"] for m in reversed(messages) if m["role"] == "user").split()[-1]
        found = results(messages)
        for one in found:
            if "results" in one:
                return Script(f"They have {one['count']} records.")
        if not found:
            named = {key.upper(): customer(client_id)[key] for key in ("first_name", "last_name")}
            return Script(tool_calls=(("tilores_search", {**named, "CLIENT_ID": client_id}),))
        asked = {"entity_id": found[0]["entities"][0]["entity_id"], "ask": [{"function": "count"}]}
        return Script(tool_calls=(("tilores_insights", asked),))

    async with asking(tmp_path, brain) as (asker, provider):
        asked = []
        for client_id in ("4001", "4002"):
            provider.counts.requests, before = 0, asker.resources.client.report()["requests"]
            reply = await asker.ask(f"how many records has the one numbered with {client_id}")
            assert reply["reply"].startswith("They have ")
            asked.append((provider.counts.requests, asker.resources.client.report()["requests"] - before))
        assert asked == [(3, 2), (2, 1)]


async def test_the_model_starts_beside_and_finds_the_lookups_there(tmp_path: Path) -> None:
    async with asking(tmp_path) as (asker, provider):
        await next_is_a_probe(asker)
        asked = provider.counts.requests
        reply = await asker.ask("score of client 4002")
        assert provider.counts.requests == asked + 2
        first = provider.received[-2].body["messages"]
        assert [message["role"] for message in first] == ["system", "user"]
        (search,) = [
            timing for timing in reply["timings"] if timing["kind"] == "tool" and "not used" not in timing["marks"]
        ]
        think = next(timing for timing in reply["timings"] if timing["name"] == "think")
        assert "speculated" in search["marks"]
        assert search["start_s"] < think["start_s"] + think["seconds"]
        assert reply["reply"] == f"The score is {newest_score('4002')['value']}."
        assert asker.resources.ahead.report()["model_started_beside"] == 1


async def test_what_is_kept_is_told_even_where_the_model_would_start_beside(tmp_path: Path) -> None:
    async with asking(tmp_path, cache="memory") as (asker, provider):
        await next_is_a_probe(asker)
        provider.received.clear()
        await asker.ask("the score of client 4001")  # its search is kept
        first = provider.received[0].body["messages"]
        assert [message["role"] for message in first][:4] == ["system", "user", "assistant", "tool"]


async def test_a_resumed_thread_looks_up_what_is_no_longer_there(tmp_path: Path) -> None:
    async with asking(tmp_path) as (asker, _):
        await next_is_a_probe(asker)
        memory = InMemorySaver()
        config: Any = {"configurable": {"thread_id": "resumed"}}
        graph = build_graph(asker.resources, memory)
        asked = HumanMessage("score of client 4002")
        await graph.ainvoke({"messages": [asked]}, config, interrupt_before=["act"])
        assert asker.resources.ahead.report()["running"] == 1
        await asker.resources.ahead.aclose()  # as after a restart of the process
        state = await graph.ainvoke(None, config)
        assert state["reply"]["reply"] == f"The score is {newest_score('4002')['value']}."


@asynccontextmanager
async def hanging_sandbox() -> AsyncIterator[dict[str, Any]]:
    """An instance that answers the first requests at once, and hangs when told."""
    app = await create_app(load_instance("credit"), off_loop=True)
    hang, gone = asyncio.Event(), []

    async def sometimes(scope: Any, receive: Any, send: Any) -> None:
        if hang.is_set() and scope["type"] == "http":
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.append(True)
            return
        await app(scope, receive, send)

    async with served(sometimes) as url:
        token = {"token_url": f"{url}oauth2/token", "client_id": "sandbox", "client_secret": "sandbox"}
        yield {"settings": {"api_url": url, **token}, "hang": hang, "gone": gone}


async def test_nothing_runs_on_after_a_cancelled_question(tmp_path: Path) -> None:
    async with hanging_sandbox() as sandbox, asking(tmp_path, **sandbox["settings"]) as (asker, provider):
        await next_is_a_probe(asker)
        provider.brain = None
        provider.always(Script(fault=Fault.STALL))
        sandbox["hang"].set()
        before = asyncio.all_tasks()
        asked = asyncio.create_task(asker.ask("score of client 4002"))
        async with asyncio.timeout(10):
            while asker.resources.ahead.report()["running"] == 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert asker.resources.ahead.report()["running"] == 0
            while len(sandbox["gone"]) < 1:
                await asyncio.sleep(0.01)
        left = [task for task in asyncio.all_tasks() - before if "make" in repr(task.get_coro())]
        assert left == []


async def test_nothing_runs_on_after_a_question_that_failed(tmp_path: Path) -> None:
    async with hanging_sandbox() as sandbox, asking(tmp_path, **sandbox["settings"]) as (asker, provider):
        await next_is_a_probe(asker)
        provider.brain = None
        provider.always(Script(status=401))
        sandbox["hang"].set()
        with pytest.raises(Exception):  # noqa: B017 (whichever: what counts is what is left)
            await asker.ask("score of client 4002")
        assert asker.resources.ahead.report()["running"] == 0


@pytest.mark.parametrize(
    ("mode", "first"), [("off", ["system", "user"]), ("named", ["system", "user", "assistant", "tool"])]
)
async def test_it_can_be_switched_off(tmp_path: Path, mode: str, first: list[str]) -> None:
    async with asking(tmp_path, speculation=mode) as (asker, provider):
        for _ in range(3):
            provider.received.clear()
            reply = await asker.ask("score of client 4001")
            assert reply["reply"] == f"The score is {newest_score('4001')['value']}."
            assert len(provider.received) == 2
            assert [message["role"] for message in provider.received[0].body["messages"]] == first


async def test_what_the_policy_forbids_is_not_learned(tmp_path: Path) -> None:
    def brain(messages: Wire, tools: Wire) -> Script:
        client_id = next(m["content"] for m in reversed(messages) if m["role"] == "user").split()[-1]
        if any(not found.get("ok") for found in results(messages)):
            return Script("That is not shown.")
        return Script(tool_calls=(("tilores_search", {"CLIENT_ID": client_id, "fields": ["CARD_NUMBER"]}),))

    async with asking(tmp_path, brain) as (asker, provider):
        for client_id in ("4001", "4002", "4003"):
            reply = await asker.ask(f"card number of client {client_id}")
            assert reply["reply"] == "That is not shown."
        assert provider.counts.requests == 6
        assert asker.resources.ahead.report()["lookups_started_ahead"] == 0


async def test_what_was_started_in_vain_is_counted_and_changes_no_answer(tmp_path: Path) -> None:
    async with asking(tmp_path) as (asker, provider):
        await asker.ask("score of client 4001")
        first = customer("4002")["first_name"]
        provider.brain = lambda messages, tools: Script(f"Client 4002 is {first}.")
        for _ in range(2):
            reply = await asker.ask("score of client 4002")
            assert reply["reply"] == f"Client 4002 is {first}."
            assert reply["missing"] == []
        report = asker.resources.ahead.report()
        assert report["lookups_wasted"] >= 1
        assert asker.resources.ahead.budget("default").saved < 12


# Partial failure


@asynccontextmanager
async def failing_sandbox(*values: str) -> AsyncIterator[dict[str, Any]]:
    """An instance that fails every request in which one of ``values`` stands."""
    app = await create_app(load_instance("credit"), off_loop=True)

    async def sometimes(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        message = await receive()
        if any(value.encode() in message.get("body", b"") for value in values):
            await send({"type": "http.response.start", "status": 500, "headers": []})
            return await send({"type": "http.response.body", "body": b"{}"})

        async def again() -> Any:
            return message

        return await app(scope, again, send)

    async with served(sometimes) as url:
        yield {"api_url": url, "token_url": f"{url}oauth2/token", "client_id": "sandbox", "client_secret": "sandbox"}


def says_what_it_found(messages: Wire, tools: Wire) -> Script:
    found = [entity["label"]["first_name"][0] for one in results(messages) for entity in one.get("entities", ())]
    return Script(f"Found: {', '.join(found)}." if found else "Nobody was found.")


async def test_when_one_of_several_lookups_fails_the_answer_says_what_is_missing(tmp_path: Path) -> None:
    async with (
        failing_sandbox('"4002"') as settings,
        asking(tmp_path, says_what_it_found, deadline_s=6, **settings) as (asker, _),
    ):
        reply = await asker.ask("who are clients 4001, 4002 and 4003")
        first, third = (customer(client_id)["first_name"] for client_id in ("4001", "4003"))
        text, _, word = reply["reply"].partition("\n\n")
        assert text == f"Found: {first}, {third}."
        assert word.startswith("This is incomplete. Not looked up: the search for 4002.")
        assert [missing for missing in reply["missing"] if "the search for 4002 failed" in missing]


async def test_of_several_asked_for_by_one_call_those_that_failed_are_named(tmp_path: Path) -> None:
    def brain(messages: Wire, tools: Wire) -> Script:
        if not results(messages):
            return Script(tool_calls=(("tilores_search", {"people": [{"CLIENT_ID": "4001"}, {"CLIENT_ID": "4002"}]}),))
        return Script("Found one.")

    async with (
        failing_sandbox('"4002"') as settings,
        asking(tmp_path, brain, deadline_s=6, speculation="off", **settings) as (asker, _),
    ):
        reply = await asker.ask("who are 4001 and the other one")
        assert "Not looked up: the search for 4002." in reply["reply"]
        assert any("the search for 4002 failed" in missing for missing in reply["missing"])


async def test_when_all_fail_there_is_no_answer_but_an_error(tmp_path: Path) -> None:
    async with (
        failing_sandbox('"4002"', '"4003"') as settings,
        asking(tmp_path, says_what_it_found, deadline_s=6, **settings) as (asker, _),
    ):
        with pytest.raises(TiloresUnavailable):
            await asker.ask("who are clients 4002 and 4003")
        assert asker.resources.ahead.report()["running"] == 0


async def test_what_the_bound_leaves_out_is_said(tmp_path: Path) -> None:
    async with asking(tmp_path, lambda messages, tools: Script("Those.")) as (asker, _):
        named = ", ".join(str(number) for number in range(4001, 4071))
        reply = await asker.ask(f"who are clients {named}")
        assert "6 of those named were not looked up" in reply["reply"]
        assert any("4070" in missing for missing in reply["missing"])
