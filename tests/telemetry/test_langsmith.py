"""A question traced to a LangSmith endpoint on loopback, in a process of its own: the variables are read once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.collector import Collector, first_token_s, seconds
from support.pipeline import customer, keys
from support.provider import Provider
from support.wire import Script

ASK = """
import asyncio
from tilores_x import Asker

async def main():
    async with Asker.open() as asker:
        reply = await asker.ask("score of client 4001", thread_id="jane@example.com")
        print(reply["reply"], flush=True)

asyncio.run(main())
"""
TTFT_S = 0.2


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        search = {"CLIENT_ID": "4001", "fields": ["CREDIT_RESPONSE.CREDIT_SCORE.*.Value"]}
        provider.then(Script(tool_calls=(("tilores_search", search),)))
        provider.always(Script("Gary's Experian score is 492.", ttft_s=TTFT_S))
        yield provider


@contextmanager
def ask(cache_dir: Path, provider: Provider, endpoint: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    environ: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LANG", "TILORES"))},
        **keys(provider),
        "TILORES_MODEL": "openai:gpt-6-luna",
        "TILORES_CACHE_DIR": str(cache_dir),
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_API_KEY": "a-key",
        "LANGSMITH_ENDPOINT": endpoint,
        **more,
    }
    with subprocess.Popen([sys.executable, "-c", ASK], env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_question_is_one_trace_with_its_latencies_and_nothing_personal(tmp_path: Path, provider: Provider) -> None:
    with Collector() as collector, ask(tmp_path, provider, collector.url) as process:
        said, _ = process.communicate(timeout=60)
    assert "492" in said
    (root,) = collector.named("tilores_x")
    assert all(run["trace_id"] == root["id"] for run in collector.runs.values())

    def parent(run: dict[str, str]) -> str:
        return str(collector.runs[run["parent_run_id"]]["name"])

    nodes = [node for name in ("route", "seek", "think", "act", "answer") for node in collector.named(name)]
    assert [node["name"] for node in nodes] == ["route", "seek", "think", "think", "act", "answer"]
    assert {parent(node) for node in nodes} == {"tilores_x"}
    assert all(0 <= seconds(node) <= seconds(root) for node in nodes)

    assert [parent(tool) for tool in collector.named("tilores_search")] == ["seek", "act"]
    models = [run for run in collector.runs.values() if run["run_type"] == "llm"]
    models.sort(key=lambda run: str(run["start_time"]))
    assert [parent(model) for model in models] == ["think", "think"]
    assert {model["name"] for model in models} == {"openai:gpt-6-luna"}
    assert [model["extra"]["metadata"]["ls_model_name"] for model in models] == ["gpt-6-luna"] * 2
    assert TTFT_S <= first_token_s(models[1]) <= seconds(models[1])
    assert models[1]["outputs"]["usage_metadata"]["output_tokens"] > 0

    known = customer("4001")
    secrets = [known["first_name"], known["last_name"], *known["record_ids"]]
    secrets += ["client 4001", '"4001"', '"492"', "jane", "Experian"]
    assert [secret for secret in secrets if secret in collector.text] == []


def test_the_operator_may_let_contents_out(tmp_path: Path, provider: Provider) -> None:
    with Collector() as collector, ask(tmp_path, provider, collector.url, TILORES_TRACE_CONTENT="true") as process:
        process.communicate(timeout=60)
    assert "score of client 4001" in collector.text


@pytest.mark.parametrize("kind", ["refuses", "never answers"])
def test_an_endpoint_out_of_reach_holds_nothing_up(tmp_path: Path, provider: Provider, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if kind == "refuses":
            listener.close()
        with ask(tmp_path, provider, endpoint) as process:
            assert process.stdout is not None
            assert "492" in process.stdout.readline()
            # Left to itself the client waits for 12 s and more; nothing is measured here.
            process.wait(timeout=8)
            assert process.returncode == 0
