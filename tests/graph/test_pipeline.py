"""Questions from edge to edge: the embedded instance, real tools, and a model that says what a test wants."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from support.loopback import served
from support.pipeline import MODEL, customer, newest_score, pipeline, results, truth
from support.provider import Provider
from support.wire import Fault, Script

from tilores_x.errors import BudgetExceeded, DeadlineExceeded, ModelUnavailable, QuestionError, TiloresUnavailable
from tilores_x.graph.build import build_graph
from tilores_x.graph.edges import MOST_ROUNDS
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.serving.embed import Asker

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCORES = "CREDIT_RESPONSE.CREDIT_SCORE.*.Value"
Wire = list[dict[str, Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Asker, Provider]]:
    with Provider() as provider:
        async with pipeline(tmp_path_factory.mktemp("cache"), provider) as asker:
            yield asker, provider


@pytest.fixture
def asker(opened: tuple[Asker, Provider]) -> Asker:
    return opened[0]


@pytest.fixture
def provider(opened: tuple[Asker, Provider]) -> Provider:
    opened[1].forget()
    return opened[1]


def score_then(answer: str) -> Any:
    """A model that looks the scores of client 4001 up and then says ``answer``."""

    def brain(messages: Wire, tools: Wire) -> Script:
        if len(results(messages)) > 1:
            return Script(answer)
        return Script(tool_calls=(("tilores_search", {"CLIENT_ID": "4001", "fields": [SCORES]}),))

    return brain


async def test_where_the_question_names_its_customer_one_model_call_is_enough(asker: Asker, provider: Provider) -> None:
    def brain(messages: Wire, tools: Wire) -> Script:
        (found,) = results(messages)
        product = found["entities"][0]["facts"]["PRODUCT_NAME"][0]["value"]
        return Script(f"Client 4001 is enrolled in **{product}**.")

    provider.brain = brain
    reply = await asker.ask("which product is client ID 4001 enrolled in")
    known = customer("4001")
    assert reply["reply"] == f"Client 4001 is enrolled in **{known['products'][-1]['value']}**."
    assert provider.counts.requests == 1
    assert {citation["record_id"] for citation in reply["citations"]} <= set(known["record_ids"])
    assert {citation["field"] for citation in reply["citations"]} == {"CLIENT_ID", "PRODUCT_NAME"}
    assert [entity["label"]["client_id"] for entity in reply["entities"]] == [["4001"]]
    assert (reply["model"], reply["model_note"], reply["missing"], reply["cached"]) == (MODEL, None, [], False)
    assert reply["cost_usd"] == sum(attempt["cost_usd"] or 0 for attempt in reply["attempts"]) > 0


async def test_timings_show_nodes_tools_and_models(asker: Asker, provider: Provider) -> None:
    provider.brain = score_then("The score is 492.")
    reply = await asker.ask("score of client 4001")
    names = Counter((timing["kind"], timing["name"]) for timing in reply["timings"])
    assert names == {
        ("node", "route"): 1,
        ("node", "seek"): 1,
        ("node", "think"): 2,
        ("node", "act"): 1,
        ("node", "answer"): 1,
        ("tool", "tilores_search"): 2,
        ("model", MODEL): 2,
    }
    for timing in reply["timings"]:
        assert 0 <= timing["start_s"] <= timing["start_s"] + timing["seconds"] <= reply["seconds"]
    assert asker.resources.ledger.percentiles()["node", "think"].measured >= 2


async def test_a_figure_that_no_record_holds_goes_back_once_and_is_named(asker: Asker, provider: Provider) -> None:
    score = newest_score("4001")["value"]
    provider.then(
        Script(tool_calls=(("tilores_search", {"CLIENT_ID": "4001", "fields": [SCORES]}),)),
        Script("The Experian score is 777."),
        Script(f"The Experian score is {score}."),
    )
    reply = await asker.ask("score of client 4001")
    assert reply["reply"] == f"The Experian score is {score}."
    *_, draft, note = provider.received[-1].body["messages"]
    assert draft == {"role": "assistant", "content": "The Experian score is 777."}
    assert "'777'" in note["content"]
    assert str(score) not in note["content"]
    assert provider.counts.requests == 3
    assert [timing["marks"] for timing in reply["timings"] if timing["name"] == "answer"] == [["sent back"], []]


async def test_a_model_may_look_things_up_after_a_correction(asker: Asker, provider: Provider) -> None:
    score = newest_score("4001")["value"]
    search = Script(tool_calls=(("tilores_search", {"CLIENT_ID": "4001", "fields": [SCORES]}),))
    provider.then(Script("Their score is 777."), search, Script(f"Their score is {score}."))
    reply = await asker.ask("score of client 4001")
    assert reply["reply"] == f"Their score is {score}."
    sent = provider.received[-1].body["messages"]
    roles = [message["role"] for message in sent]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user", "assistant", "tool"]
    assert sent[4]["content"] == "Their score is 777."


async def test_what_comes_again_unproven_is_left_out_and_said(asker: Asker, provider: Provider) -> None:
    score = newest_score("4001")["value"]
    provider.brain = score_then(f"The Experian score is {score}. It rose to 777 on 2019-01-01.")
    reply = await asker.ask("score of client 4001")
    assert reply["reply"].startswith(f"The Experian score is {score}.\n")
    assert "777" not in reply["reply"]
    assert "left out" in reply["reply"]
    assert reply["missing"] == ["no record proves: It rose to … on …."]
    assert provider.counts.requests == 3


async def test_an_answer_of_nothing_but_inventions_says_so(asker: Asker, provider: Provider) -> None:
    provider.always(Script("The score is 777."))
    reply = await asker.ask("score of client 4001")
    assert reply["reply"] == "The records that I read don't prove an answer to this."
    assert reply["citations"] == []


def namesakes() -> tuple[str, str, list[str]]:
    """A full name that several customers bear, with their client ids."""
    names = Counter((known["first_name"], known["last_name"]) for known in truth())
    (first, last), _ = next(entry for entry in names.most_common() if entry[1] > 1)
    ids = [known["client_id"] for known in truth() if (known["first_name"], known["last_name"]) == (first, last)]
    return first, last, ids


async def test_of_several_people_none_is_chosen(asker: Asker, provider: Provider) -> None:
    first, last, ids = namesakes()

    def brain(messages: Wire, tools: Wire) -> Script:
        found = results(messages)
        if not found:
            return Script(tool_calls=(("tilores_search", {"FIRST_NAME": first, "LAST_NAME": last}),))
        person = found[0]["entities"][0]["label"]
        return Script(f"{first} {last} is {person['account_status'][0]}, client ID {person['client_id'][0]}.")

    provider.brain = brain
    reply = await asker.ask(f"is {first} {last} cancelled")
    assert reply["reply"].startswith("Several customers match. Which one do you mean?")
    assert all(client_id in reply["reply"] for client_id in ids)
    assert "Several people match" in provider.received[-1].body["messages"][-1]["content"]


async def test_a_follow_up_rests_on_what_was_found_before(asker: Asker, provider: Provider) -> None:
    score = newest_score("4001")["value"]
    provider.brain = score_then(f"The score is {score}.")
    first = await asker.ask("score of client 4001", thread_id="follow-up")
    provider.brain = None
    provider.always(Script(f"As said, {score}."))
    second = await asker.ask("what was it again", thread_id="follow-up")
    assert second["reply"] == f"As said, {score}."
    assert {citation["value"] for citation in second["citations"]} == {str(score)}
    roles = [message["role"] for message in provider.received[-1].body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "assistant", "user"]
    assert {timing["question"] for timing in second["timings"]}.isdisjoint(
        timing["question"] for timing in first["timings"]
    )
    assert len(second["attempts"]) == 1
    provider.always(Script(f"As said, {score}."))
    other = await asker.ask("what was it again", thread_id="another")
    assert str(score) not in other["reply"]


async def test_each_question_begins_with_evidence_of_its_own(asker: Asker, provider: Provider) -> None:
    provider.always(Script("Found."))
    await asker.ask("who is client 4001", thread_id="own")
    reply = await asker.ask("who is client 4002", thread_id="own")
    assert [entity["label"]["client_id"] for entity in reply["entities"]] == [["4002"]]
    state = (await asker.graph.aget_state({"configurable": {"thread_id": "own"}})).values
    assert [one["arguments"]["CLIENT_ID"] for one in state["evidence"]] == ["4002"]


async def test_what_the_model_asks_wrong_is_told_to_it(asker: Asker, provider: Provider) -> None:
    provider.then(
        Script(tool_calls=(("look_up", {"x": 1}), ("tilores_search", {"fields": ["NO_FIELD"], "CLIENT_ID": "4001"}))),
        Script("I could not look it up."),
    )
    await asker.ask("tell me more")
    first, second = results(provider.received[-1].body["messages"])
    assert (first["ok"], second["ok"]) == (False, False)
    assert "tilores_search" in first["error"]


async def test_a_model_that_never_stops_asking_gets_no_tools_in_the_end(asker: Asker, provider: Provider) -> None:
    def brain(messages: Wire, tools: Wire) -> Script:
        if not tools:
            return Script("That is all.")
        return Script(tool_calls=(("tilores_search", {"CLIENT_ID": f"9{len(messages)}"}),))

    provider.brain = brain
    reply = await asker.ask("find somebody")
    assert reply["reply"] == "That is all."
    assert provider.counts.requests == MOST_ROUNDS + 1
    provider.brain = lambda messages, tools: Script(tool_calls=(("calculate", {"operation": str(len(messages))}),))
    with pytest.raises(ModelUnavailable, match="no answer"):
        await asker.ask("find somebody")


@pytest.mark.parametrize("question", ["", " \n", "\0", "x" * 100_001])
async def test_bad_questions_reach_neither_model_nor_instance(asker: Asker, provider: Provider, question: str) -> None:
    with pytest.raises(QuestionError):
        await asker.ask(question)
    with pytest.raises(QuestionError):
        await asker.graph.ainvoke({"messages": [("user", question)]}, {"configurable": {"thread_id": "bad"}})
    assert provider.counts.requests == 0


async def test_options_that_can_t_be_used_are_named(asker: Asker) -> None:
    with pytest.raises(QuestionError, match=r"fastest.*speed, quality, cost, balanced, auto"):
        await asker.ask("who is client 4001", priority="fastest")
    with pytest.raises(QuestionError, match="deadline_s"):
        await asker.ask("who is client 4001", deadline_s=-1)
    with pytest.raises(QuestionError, match="fastest"):
        await asker.graph.ainvoke(
            {"messages": [("user", "who")]},
            {"configurable": {"thread_id": "bad"}},
            context={"priority": "fastest"},  # type: ignore[arg-type]
        )


async def test_a_question_that_a_client_would_choke_on_is_cleaned(asker: Asker, provider: Provider) -> None:
    provider.always(Script("Nobody."))
    state = await asker.graph.ainvoke(
        {"messages": [HumanMessage("who \ud800 is\0 this")]}, {"configurable": {"thread_id": "odd"}}
    )
    assert provider.received[-1].body["messages"][-1]["content"] == "who \ufffd is this"
    assert [message.content for message in state["messages"]] == ["who \ufffd is this", "Nobody."]
    reply = await asker.ask("who \ud800 is\0 this", thread_id="\0odd \ud800")
    assert reply["reply"] == "Nobody."


async def test_a_hanging_model_keeps_to_the_deadline(asker: Asker, provider: Provider) -> None:
    provider.always(Script(fault=Fault.STALL))
    async with asyncio.timeout(20):
        with pytest.raises(DeadlineExceeded):
            await asker.ask("who is client 4001", deadline_s=0.5)
    assert asker.resources.ledger.failures["DeadlineExceeded"] >= 1


async def test_a_cap_on_cost_is_held(asker: Asker, provider: Provider) -> None:
    with pytest.raises(BudgetExceeded):
        await asker.ask("who is client 4001", max_usd=0.0000001)
    assert provider.counts.requests == 0


async def test_a_question_that_stands_alone_leaves_nothing_behind(asker: Asker, provider: Provider) -> None:
    memory = asker.graph.checkpointer
    assert isinstance(memory, InMemorySaver)
    provider.always(Script("Nobody."))
    before = set(memory.storage)
    await asker.ask("who are you")
    with pytest.raises(QuestionError):
        await asker.ask("", thread_id=None)
    assert set(memory.storage) == before
    await asker.ask("who are you", thread_id="kept")
    assert set(memory.storage) == before | {"kept"}


async def test_state_is_plain_enough_for_a_strict_checkpoint(
    asker: Asker, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.brain = score_then(f"The score is {newest_score('4001')['value']}.")
    memory = InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
    graph = build_graph(asker.resources, memory)
    config: Any = {"configurable": {"thread_id": "strict"}}
    state = await graph.ainvoke({"messages": [("user", "score of client 4001")]}, config, context={"priority": "cost"})  # type: ignore[arg-type]
    kept = (await graph.aget_state(config)).values
    assert kept["reply"] == state["reply"]
    assert kept["reply"]["priority"] == "cost"
    found = [message.artifact for message in kept["messages"] if isinstance(message, ToolMessage)]
    assert all(isinstance(artifact, dict) for artifact in found)
    assert "msgpack" not in caplog.text


async def test_tokens_stream_from_think(asker: Asker, provider: Provider) -> None:
    provider.always(Script("There is nobody like that."))
    chunks = [
        (chunk, metadata)
        async for chunk, metadata in build_graph(asker.resources).astream(
            {"messages": [("user", "who are you")]}, stream_mode="messages"
        )
        if isinstance(chunk, AIMessageChunk)
    ]
    assert "".join(chunk.text for chunk, _ in chunks) == "There is nobody like that."
    assert {metadata["langgraph_node"] for _, metadata in chunks} == {"think"}


async def test_who_streams_is_told_that_a_draft_is_withdrawn(asker: Asker, provider: Provider) -> None:
    provider.then(Script("The score is 777."), Script("No score is known."))
    seen: dict[str, list[Any]] = {"messages": [], "custom": []}
    async for mode, part in build_graph(asker.resources).astream(
        {"messages": [("user", "score?")]}, stream_mode=["messages", "custom"]
    ):
        seen[mode].append(part)
    (told,) = seen["custom"]
    drafts = {chunk.id for chunk, _ in seen["messages"] if isinstance(chunk, AIMessageChunk) and "777" in chunk.text}
    assert drafts == {told["withdrawn"]}


async def test_an_instance_that_goes_away_is_a_typed_error(tmp_path: Path) -> None:
    app = await create_app(load_instance("credit"), off_loop=True)
    with Provider(default=Script("Nobody.")) as provider:
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(served(app))
            token = {"token_url": f"{url}oauth2/token", "client_id": "sandbox", "client_secret": "sandbox"}
            async with pipeline(tmp_path, provider, api_url=url, deadline_s=4, **token) as asker:
                assert not asker.resources.sandboxed
                await asker.ask("who is client 4001")
                await stack.aclose()
                with pytest.raises(TiloresUnavailable):
                    await asker.ask("who is client 4002")
                assert asker.resources.ledger.failures == {"TiloresUnavailable": 1}


async def test_progress_is_told_in_words(asker: Asker, provider: Provider) -> None:
    told: list[str] = []
    provider.brain = score_then("The score is 492.")
    await asker.ask("score of client 4001", on_progress=told.append)
    assert told[0] == "searching Tilores"
    assert f"asking {MODEL}" in told
    assert told[-1] == "checking figures"


async def test_the_graph_is_the_picture(asker: Asker) -> None:
    drawn = asker.graph.get_graph()
    edges = {(edge.source, edge.target, edge.conditional) for edge in drawn.edges}
    assert edges == {
        ("__start__", "route", False),
        ("__start__", "seek", False),
        ("route", "think", False),
        ("seek", "think", False),
        ("think", "act", True),
        ("think", "answer", True),
        ("act", "think", False),
        ("answer", "think", True),
        ("answer", "__end__", True),
    }
