"""`tilores-x cache`, `warm` and `erase`, as a person runs them: each in a process of its own, over one Redis."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.pipeline import MODEL, customer, keys
from support.provider import Provider
from support.redis_server import RedisServer
from support.wire import Script

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    ours = ("TILORES_", "LANGSMITH_", "LANGCHAIN_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(ours) and not k.endswith("_API_KEY")}
    environ |= {"TILORES_CACHE_DIR": str(tmp_path), "TILORES_CACHE": "embedded", "TILORES_CACHE_TIMEOUT_S": "5"}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "tilores_x.serving", *arguments]
        return subprocess.run(command, env={**environ, **more}, capture_output=True, text=True, timeout=60)

    return run


def test_warmed_answers_are_there_for_other_processes_until_they_are_erased(run: Run, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("# ahead of the morning\nwho is client ID 4001\n\nwhat is the status of client 4002\n")
    warmed = run("warm", str(questions), "--json")
    assert warmed.returncode == 0, warmed.stderr
    report = json.loads(warmed.stdout)
    assert (report["answered"], report["kept_before"], report["failed"]) == (2, 0, [])

    asked = json.loads(run("ask", "who is client ID 4001", "--json").stdout)
    assert asked["cached"]
    assert asked["cached_age_s"] > 0

    told = json.loads(run("cache", "--json").stdout)
    assert told["place"] == "embedded"
    assert told["reachable"]
    assert told["counts"]["L2 hits"] >= 1
    assert told["counts"]["L2 writes"] >= 4
    shown = run("cache").stdout
    assert "hit ratio" in shown
    assert "breaker: closed" in shown
    assert "half of its time left" in shown

    entity = asked["entities"][0]["entity_id"]
    removed = json.loads(run("erase", "--entity", entity, "--json").stdout)
    assert removed["L2 redis"] >= 2
    assert not json.loads(run("ask", "who is client ID 4001", "--json").stdout)["cached"]
    everything = json.loads(run("erase", "--tenant", "default", "--json").stdout)
    assert everything["L2 redis"] >= 3
    assert json.loads(run("erase", "--tenant", "default", "--json").stdout)["L2 redis"] == 0


def test_what_cannot_be_done_is_said(run: Run, tmp_path: Path) -> None:
    assert "off" in run("cache", TILORES_CACHE="off").stdout
    refused = run("erase", "--tenant", "a", TILORES_CACHE="memory")
    assert refused.returncode == 78
    assert "TILORES_CACHE" in refused.stderr
    assert run("erase").returncode == 64
    assert run("warm", str(tmp_path / "none")).returncode == 64
    assert "TILORES_CACHE" in run("cache", TILORES_CACHE="memcached").stderr
    assert "32 bytes in base64" in run("cache", TILORES_CACHE_KEY="short").stderr
    away = run("erase", "--tenant", "a", TILORES_CACHE=f"unix://{tmp_path}/none")
    assert away.returncode == 75
    assert "open" in run("cache", TILORES_CACHE=f"unix://{tmp_path}/none").stdout


def test_the_embedded_server_ends_with_its_last_user(run: Run, tmp_path: Path) -> None:
    assert run("ask", "who is client ID 4001").returncode == 0
    place = tmp_path / "redis"
    assert (place / "kept.rdb").exists()
    assert place.stat().st_mode & 0o077 == 0
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(place) not in listed


def test_without_any_setting_a_repeated_question_is_answered_from_what_is_kept(run: Run) -> None:
    question = "what is the status of client 4002"
    first = run("ask", question, TILORES_CACHE="")
    second = run("ask", question, TILORES_CACHE="")
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "cached" not in first.stdout
    assert re.search(r"cached, \d+ s old", second.stdout)
    assert "cached" not in run("ask", question, "--fresh", TILORES_CACHE="").stdout


def test_two_processes_over_one_redis_make_one_call(run: Run) -> None:
    """Whichever comes second waits for the other's call, or finds its answer."""
    with RedisServer() as redis, Provider() as provider, ThreadPoolExecutor() as pool:
        provider.always(Script(f"It is {customer('4001')['last_name']}.", ttft_s=3.0))
        variables = {**keys(provider), "TILORES_MODEL": MODEL, "TILORES_CACHE": redis.url}
        asking = [pool.submit(run, "ask", "who is client ID 4001", "--json", **variables) for _ in range(2)]
        replies = [json.loads(one.result().stdout) for one in asking]
        assert replies[0]["reply"] == replies[1]["reply"]
        assert [reply["model"] for reply in replies] == [MODEL, MODEL]
        assert provider.counts.requests == 1
