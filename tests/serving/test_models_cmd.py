"""``tilores-x models`` and ``tilores-x route``, run as commands."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.redis_server import RedisServer
from typer.testing import CliRunner, Result

from tilores_x.llm.health import Health, Outcome
from tilores_x.llm.sharing import SharedHealth, connect
from tilores_x.serving.cli import app

KEYS = ("GROQ", "OPENAI", "DEEPSEEK", "FIREWORKS", "CEREBRAS")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
        monkeypatch.delenv(f"{name}_BASE_URL", raising=False)
    for name in ("CACHE", "MODEL", "MODELS", "PRIORITY", "MAX_QUESTION_USD"):
        monkeypatch.delenv(f"TILORES_{name}", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def in_json(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


class TestModels:
    def test_table_has_a_line_for_each_model_with_what_keeps_it_from_use(self):
        result = run("models")
        assert result.exit_code == 0
        lines = [line.split("\t") for line in result.output.splitlines()]
        assert lines[0][:5] == ["model", "speed", "quality", "cost", "balanced"]
        by_model = {line[0]: line for line in lines[1:]}
        assert by_model["local:planner"][1:5] == ["1", "1", "1", "1"]
        assert by_model["groq:openai/gpt-oss-120b"][-1] == "GROQ_API_KEY is not set"
        assert by_model["groq:mixtral-8x7b-32768"][-2:] == [
            "retired",
            "retired; groq:openai/gpt-oss-120b answers in its place",
        ]

    def test_json_holds_ranks_prices_and_sources(self, monkeypatch):
        monkeypatch.setenv("GROQ_API_KEY", "k")
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        rows = {row["model"]: row for row in in_json("models")["models"]}
        luna = rows["openai:gpt-6-luna"]
        assert (luna["input_usd"], luna["cached_input_usd"], luna["output_usd"]) == (0.10, 0.01, 0.50)
        assert "artificialanalysis.ai" in luna["sources"]["quality"]
        assert luna["measured"] == {"tokens_per_s": None, "ttft_s": None}
        usable = [row for row in rows.values() if row["why_not"] is None]
        for priority in ("speed", "quality", "cost", "balanced"):
            assert sorted(row["ranks"][priority] for row in usable) == list(range(1, len(usable) + 1))
        assert rows["openai:gpt-6-sol"]["ranks"]["quality"] == 1
        assert next(iter(rows)) == next(row["model"] for row in usable if row["ranks"]["balanced"] == 1)

    def test_shows_an_own_model_and_names_a_wrong_file(self, tmp_path: Path, monkeypatch):
        file = tmp_path / "own.toml"
        file.write_text('[providers.home]\nbase_url = "http://127.0.0.1:1/v1"\n[[models]]\nprovider = "home"\nid = "m"')
        monkeypatch.setenv("TILORES_MODELS", str(file))
        assert in_json("models")["models"][0]["model"] == "home:m"
        file.write_text("[[models]]\nprovider = 3")
        result = run("models")
        assert result.exit_code != 0
        assert "own.toml" in str(result.exception)

    async def _told(self, url: str) -> None:
        health = Health(clock=time.time)
        async with SharedHealth(health, connect(url)):
            for _ in range(4):
                health.finished(
                    "groq:openai/gpt-oss-120b", Outcome.OK, seconds=1.25, first_token_s=0.25, output_tokens=100
                )
            health.finished("groq:openai/gpt-oss-20b", Outcome.LIMITED, headers={"retry-after": "60"})

    def test_shows_what_the_workers_measured_where_they_share_it(self, monkeypatch):
        import asyncio

        monkeypatch.setenv("GROQ_API_KEY", "k")
        with RedisServer() as server:
            asyncio.run(self._told(server.url))
            monkeypatch.setenv("TILORES_CACHE", server.url)
            rows = {row["model"]: row for row in in_json("models")["models"]}
        assert rows["groq:openai/gpt-oss-120b"]["measured"] == {"tokens_per_s": 100.0, "ttft_s": 0.25}
        assert rows["groq:openai/gpt-oss-120b"]["calls"] == 4
        assert "its limit is used up" in rows["groq:openai/gpt-oss-20b"]["why_not"]


class Listing:
    """A provider's ``/models`` on loopback. ``status`` and ``entries`` are what it answers with."""

    def __init__(self) -> None:
        self.status = 200
        self.entries: Any = []
        self.asked: list[tuple[str, str | None]] = []
        listing = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listing.asked.append((self.path, self.headers.get("Authorization")))
                body = json.dumps({"object": "list", "data": listing.entries}).encode()
                self.send_response(listing.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listing]:
    provider = Listing()
    thread = threading.Thread(target=provider.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


LIVE = ["gpt-6-luna", "gpt-6-sol", "gpt-6.1-terra", "gpt-6.1-sol"]
ENDING = {
    "gpt-5": "2026-12-11",
    "gpt-5-mini": "2026-12-11",
    "gpt-5-nano": "2026-12-11",
    "gpt-4.1": "2027-01-14",
    "gpt-4.1-mini": "2027-01-14",
    "gpt-4o": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
}


def listed() -> list[dict[str, Any]]:
    return [{"id": name, "shutdown_date": None} for name in LIVE] + [
        {"id": name, "shutdown_date": day} for name, day in ENDING.items()
    ]


class TestCheck:
    def test_finds_nothing_where_catalogue_and_list_agree(self, listing):
        listing.entries = listed()
        found = json.loads(run("models", "--check", "--json").output)["check"]
        assert [entry["problem"] for entry in found] == [None]
        # Once a shutdown date has passed, "still listed" is the one thing that may be found.
        assert all("still lists it" in finding for finding in found[0]["findings"])
        assert listing.asked == [("/v1/models", "Bearer sk-secret")]

    def test_names_what_the_provider_does_not_know_and_what_it_shuts_down(self, listing):
        listing.entries = [entry for entry in listed() if entry["id"] != "gpt-6.1-terra"]
        listing.entries[0]["shutdown_date"] = "2031-03-01"
        result = run("models", "--check")
        assert result.exit_code == 1
        assert "openai: gpt-6.1-terra: unknown to its provider" in result.output
        assert "openai: gpt-6-luna: its provider shuts it down on 2031-03-01, the catalogue says never" in result.output

    @pytest.mark.parametrize(("status", "entries"), [(401, []), (500, []), (200, 7), (200, [{"no": "id"}])])
    def test_says_when_the_list_cannot_be_had(self, listing, status, entries):
        listing.status, listing.entries = status, entries
        result = run("models", "--check", "--json")
        assert result.exit_code == 1
        assert listing.url in json.loads(result.output)["check"][0]["problem"]
        assert "sk-secret" not in result.output

    def test_a_provider_out_of_reach_is_a_finding_and_no_crash(self, monkeypatch):
        monkeypatch.setenv("GROQ_API_KEY", "k")
        monkeypatch.setenv("GROQ_BASE_URL", "http://127.0.0.1:9/v1")
        result = run("models", "--check")
        assert result.exit_code == 1
        assert "groq: http://127.0.0.1:9/v1/models gave no list of models" in result.output

    def test_without_keys_there_is_nothing_to_ask(self):
        result = run("models", "--check")
        assert result.exit_code == 0
        assert "No provider is configured" in result.output


class TestRoute:
    def test_orders_models_with_reasons_and_calls_nothing(self, monkeypatch):
        for name in KEYS:
            monkeypatch.setenv(f"{name}_API_KEY", "k")
            monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:9/v1")
        told = in_json("route", "who is client 4021", "--priority", "quality")
        assert told["priority"] == "quality"
        assert told["ordered"][0]["model"] == "openai:gpt-6-sol"
        assert told["ordered"][-1]["model"] == "local:planner"
        assert all(entry["reason"] for entry in told["ordered"])
        assert {"groq:llama-3.1-8b-instant", "openai:gpt-6.1-sol"} <= {entry["model"] for entry in told["passed_over"]}

    @pytest.mark.parametrize(
        ("question", "priority"),
        [("who is client 4021", "speed"), ("compare Experian with TransUnion for client 4021", "quality")],
    )
    def test_auto_reads_the_priority_off_the_question(self, question, priority):
        told = in_json("route", question)
        assert (told["priority"], told["auto"]) == (priority, True)

    def test_text_says_the_same(self, monkeypatch):
        monkeypatch.setenv("GROQ_API_KEY", "k")
        output = run("route", "who is client 4021").output
        assert output.startswith("Priority: speed (read off the question)")
        assert "1\tgroq:openai/gpt-oss-120b\t" in output
        assert "OPENAI_API_KEY is not set" in output

    def test_a_retired_name_is_served_by_its_replacement_with_a_warning(self, monkeypatch):
        monkeypatch.setenv("GROQ_API_KEY", "k")
        result = run("route", "x", "--model", "mixtral-8x7b-32768")
        assert result.exit_code == 0
        assert "groq:mixtral-8x7b-32768 is retired since 2025-03-20" in result.stderr
        assert "groq:openai/gpt-oss-120b" in result.stdout

    def test_a_cap_that_no_model_fits_under_is_an_error(self, monkeypatch):
        monkeypatch.setenv("GROQ_API_KEY", "k")
        result = run("route", "x", "--max-usd", "0.0000001")
        assert type(result.exception).__name__ == "BudgetExceeded"

    def test_a_priority_that_is_none_is_an_error(self):
        result = run("route", "x", "--priority", "cheapest")
        assert type(result.exception).__name__ == "QuestionError"
        assert "balanced" in str(result.exception)
