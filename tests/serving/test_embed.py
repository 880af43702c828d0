"""Asking from Python, as an application, a script, a thread and a notebook do."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, MessagesState, StateGraph
from support.pipeline import customer, pipeline

import tilores_x
from tilores_x.errors import QuestionError, TiloresUnavailable
from tilores_x.serving.embed import aask, ask, open_graph
from tilores_x.settings import load_settings

QUESTION = "who is client ID 4001"
NAME = customer("4001")["last_name"]


@pytest.fixture(autouse=True)
def at_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded instance and the planner, whatever the machine's own variables say."""
    for name in list(os.environ):
        if name.startswith(("TILORES_", "LANGSMITH_", "LANGCHAIN_")) or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TILORES_CACHE", "memory")
    monkeypatch.setenv("TILORES_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "embed-cache"))


def test_what_is_exported_exists_and_is_loaded_late() -> None:
    assert all(getattr(tilores_x, name) is not None for name in tilores_x.__all__)
    assert set(tilores_x.__all__) <= set(dir(tilores_x))
    with pytest.raises(AttributeError, match="no attribute 'asks'"):
        tilores_x.asks  # noqa: B018
    code = "import sys, tilores_x; print(tilores_x.__version__, 'langgraph' in sys.modules, 'pydantic' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split()[1:] == ["False", "False"]


async def test_aask_answers_and_shares_one_pipeline_per_loop() -> None:
    first, second = await asyncio.gather(aask(QUESTION), aask(QUESTION))
    assert NAME in first["reply"]
    assert first["reply"] == second["reply"]
    assert first["model_note"] == "rule-based planner, no language model"
    with pytest.raises(QuestionError):
        await aask(" ")
    await _closed()


async def test_who_gives_up_at_the_first_question_stops_nobody_else() -> None:
    gone, waiting = asyncio.create_task(aask(QUESTION)), asyncio.create_task(aask(QUESTION))
    await asyncio.sleep(0)
    gone.cancel()
    assert NAME in (await waiting)["reply"]
    assert gone.cancelled()
    await _closed()


async def test_aask_over_given_resources_keeps_conversations(tmp_path: Path) -> None:
    async with pipeline(tmp_path) as asker:
        await aask(QUESTION, thread_id="one", resources=asker.resources)
        followed = await aask("what is their account status", thread_id="one", resources=asker.resources)
        assert customer("4001")["statuses"][-1]["value"] in followed["reply"]


async def _closed() -> None:
    from tilores_x.serving import embed

    for opening in list(embed._shared.values()):
        if opening.get_loop() is asyncio.get_running_loop():
            await opening.result().aclose()


def test_ask_works_from_a_script_and_from_threads() -> None:
    assert NAME in ask(QUESTION)["reply"]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(ask, [QUESTION] * 8))
    assert len({reply["reply"] for reply in replies}) == 1
    with pytest.raises(QuestionError):
        ask("")


async def test_ask_works_where_a_loop_runs_already() -> None:
    assert NAME in ask(QUESTION)["reply"]  # as in a notebook's cell


def test_ask_remembers_a_conversation() -> None:
    ask(QUESTION, thread_id="remembered")
    followed = ask("what is their account status", thread_id="remembered")
    assert customer("4001")["statuses"][-1]["value"] in followed["reply"]


def test_ask_on_its_own_loop_is_refused() -> None:
    from tilores_x.serving import embed

    async def inside() -> None:
        ask(QUESTION)

    with pytest.raises(RuntimeError, match="await aask"):
        embed._loop_thread().run(inside())


def test_a_script_ends_by_itself_without_a_word() -> None:
    code = f"from tilores_x import ask; print(ask({QUESTION!r})['reply'])"
    said = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert NAME in said.stdout
    assert (said.returncode, said.stderr) == (0, "")


async def test_the_graph_can_be_invoked_streamed_and_embedded(tmp_path: Path) -> None:
    async with open_graph(load_settings(cache_dir=tmp_path)) as graph:
        state: Any = await graph.ainvoke({"messages": [("user", QUESTION)]}, context={"priority": "speed"})  # type: ignore[arg-type]
        assert NAME in state["reply"]["reply"]
        assert state["messages"][-1].text == state["reply"]["reply"]
        assert set(state) == {"messages", "reply"}

        nodes = [name async for update in graph.astream({"messages": [("user", QUESTION)]}) for name in update]
        assert set(nodes[:2]) == {"route", "seek"}
        assert nodes[2:] == ["think", "answer"]

        outer = StateGraph(MessagesState)
        outer.add_node("customers", graph)
        outer.add_edge(START, "customers")
        outer.add_edge("customers", END)
        embedded = await outer.compile().ainvoke({"messages": [("user", QUESTION)]})
        assert NAME in embedded["messages"][-1].text


async def test_an_instance_out_of_reach_is_named_at_once(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    settings = load_settings(
        api_url=url, token_url=url + "oauth2/token", client_id="a", client_secret="b", deadline_s=2, profile="local"
    )
    with pytest.raises(TiloresUnavailable):
        async with open_graph(settings):
            pass


def test_a_reply_is_plain_data() -> None:
    reply = ask(QUESTION)
    assert json.loads(json.dumps(reply)) == reply
