"""`langgraph dev` serves the pipeline, offline and without a key, to a client of the LangGraph SDK."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from support.pipeline import customer

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
QUESTION = {"messages": [{"role": "user", "content": "who is client ID 4001"}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LangGraphClient]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("dev")
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TILORES_", "LANGSMITH_", "LANGCHAIN_")) and not name.endswith("_API_KEY")
    }
    environ |= {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "TILORES_CACHE_DIR": str(folder)}
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n-jobs-per-worker", "10"]
    with (folder / "log").open("w+") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True)
        try:
            await _ready(f"http://127.0.0.1:{port}", server, folder / "log")
            async with get_client(url=f"http://127.0.0.1:{port}") as client:
                yield client
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


async def _ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    async with httpx.AsyncClient() as http, asyncio.timeout(90):
        while server.poll() is None:
            try:
                if (await http.get(f"{url}/ok")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.3)
    raise AssertionError(log.read_text()[-3000:])


async def test_the_assistant_its_graph_and_its_schemas_can_be_read(client: LangGraphClient) -> None:
    (assistant,) = await client.assistants.search()
    assert assistant["graph_id"] == "tilores_x"
    graph = await client.assistants.get_graph(assistant["assistant_id"])
    assert {node["id"] for node in graph["nodes"]} == {
        "__start__",
        "route",
        "seek",
        "think",
        "act",
        "answer",
        "__end__",
    }
    schemas = await client.assistants.get_schemas(assistant["assistant_id"])
    assert list(schemas["input_schema"]["properties"]) == ["messages"]  # type: ignore[index]
    assert set(schemas["output_schema"]["properties"]) == {"messages", "reply"}  # type: ignore[index]
    context = schemas["context_schema"]
    assert context is not None
    priorities = context["$defs"]["Priority"]["enum"]
    assert priorities == ["speed", "quality", "cost", "balanced", "auto"]
    assert context["properties"]["priority"]["$ref"] == "#/$defs/Priority"


async def test_a_run_streams_its_nodes_and_its_tokens(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    parts = [
        part
        async for part in client.runs.stream(
            thread["thread_id"],
            "tilores_x",
            input=QUESTION,
            context={"priority": "speed"},
            stream_mode=["updates", "messages-tuple"],
        )
    ]
    assert [part for part in parts if part.event == "error"] == []
    updates = [part.data for part in parts if part.event == "updates"]
    assert {name for update in updates for name in update} == {"route", "seek", "think", "answer"}
    (reply,) = [update["answer"]["reply"] for update in updates if "answer" in update]
    assert customer("4001")["last_name"] in reply["reply"]
    assert reply["priority"] == "speed"
    chunks = [part.data[0] for part in parts if part.event == "messages"]
    streamed = "".join(chunk["content"] for chunk in chunks if chunk["type"] == "AIMessageChunk")
    assert streamed == reply["reply"]


async def test_a_thread_is_a_conversation(client: LangGraphClient) -> None:
    thread: Any = await client.threads.create()
    await client.runs.wait(thread["thread_id"], "tilores_x", input=QUESTION)
    followed: Any = await client.runs.wait(
        thread["thread_id"],
        "tilores_x",
        input={"messages": [{"role": "user", "content": "what is their account status"}]},
    )
    assert customer("4001")["statuses"][-1]["value"] in followed["reply"]["reply"]


async def test_an_empty_question_is_an_error_with_its_name(client: LangGraphClient) -> None:
    empty: Any = {"messages": [{"role": "user", "content": " "}]}
    parts = [part async for part in client.runs.stream(None, "tilores_x", input=empty)]
    (error,) = [part.data for part in parts if part.event == "error"]
    assert error["error"] == "QuestionError"
