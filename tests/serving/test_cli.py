"""The command line: what it prints, and how it says that something is wrong."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.loopback import Reply, loopback, says
from support.pipeline import keys, newest_score, results, truth
from support.provider import Provider
from support.wire import Script

from tilores_x.serving.cli import main

QUESTION = f"who is client ID {truth()[0]['client_id']}"


@dataclass
class Printed:
    code: int
    out: str
    err: str


Run = Callable[..., Printed]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the command line in this process, away from any setting of the machine."""

    def command(*arguments: str, stdin: bytes = b"", **variables: str) -> Printed:
        for name in ("GROQ_API_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY", "FIREWORKS_API_KEY", "CEREBRAS_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TILORES_CACHE_DIR", str(tmp_path))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["tilores-x", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        printed = capsys.readouterr()
        return Printed(code, printed.out, printed.err)

    return command


@contextmanager
def tilores(*script: Reply) -> Iterator[dict[str, str]]:
    """A scripted Tilores in a thread, as the variables that lead to it."""
    ready, stop, where = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with loopback(*script) as server:
            where.append(server.url)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield _variables(where[0])
    finally:
        stop.set()
        thread.join(10)


def _variables(url: str) -> dict[str, str]:
    return {
        "TILORES_API_URL": url,
        "TILORES_TOKEN_URL": f"{url}oauth2/token",
        "TILORES_CLIENT_ID": "client-of-mine",
        "TILORES_CLIENT_SECRET": "a-secret-of-mine",
    }


def wrong(printed: Printed, *words: str) -> None:
    """A typed error in one line that holds ``words``; nothing on standard output, no traceback, no secret."""
    assert printed.code not in (0, None), printed.out
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert "a-secret-of-mine" not in printed.err
    for word in words:
        assert word.lower() in printed.err.lower(), printed.err


def test_ask_prints_the_answer_what_proves_it_and_what_it_cost(run: Run) -> None:
    customer = truth()[0]
    printed = run("ask", QUESTION)
    assert printed.code == 0, printed.err
    assert customer["first_name"] in printed.out
    assert "FIRST_NAME" in printed.out
    assert "rule-based planner, no language model" in printed.out
    assert "embedded sandbox" in printed.out


def test_ask_as_json_holds_what_is_promised(run: Run) -> None:
    reply = json.loads(run("ask", "--json", QUESTION).out)
    promised = {
        "reply", "citations", "entities", "model", "priority", "cost_usd", "cached", "seconds", "timings",
    }  # fmt: skip
    assert promised <= set(reply)
    assert {"record_id", "field", "value"} <= set(reply["citations"][0])
    assert {"name", "kind", "start_s", "seconds"} <= set(reply["timings"][0])
    assert {timing["name"] for timing in reply["timings"]} >= {"route", "seek", "think", "answer"}


def test_the_question_may_come_from_standard_input(run: Run) -> None:
    assert run("ask", "--json", stdin=QUESTION.encode()).code == 0
    assert run("ask", "-", stdin=QUESTION.encode()).code == 0


def test_the_trace_shows_nodes_tools_and_models(run: Run) -> None:
    printed = run("ask", "--trace", QUESTION).out
    for name in ("route", "seek", "think", "answer", "tilores_search"):
        assert name in printed


@pytest.mark.parametrize("stock", ["false", "true"])
@pytest.mark.parametrize("first", ["groq", "openai"])
def test_two_providers_answer_with_tools_streams_and_usage(run: Run, first: str, stock: str) -> None:
    score = newest_score("4001")["value"]

    def brain(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Script:
        if len(results(messages)) > 1:
            return Script(f"The newest Experian score is {score}.")
        fields = ["CREDIT_RESPONSE.CREDIT_SCORE.*.Value", "CREDIT_RESPONSE.CREDIT_BUREAU"]
        return Script(tool_calls=(("tilores_search", {"CLIENT_ID": "4001", "fields": fields}),))

    other = {"groq": "openai", "openai": "groq"}[first]
    pinned = {"groq": "groq:openai/gpt-oss-120b", "openai": "openai:gpt-6-luna"}[first]
    with Provider(brain=brain) as provider:
        settings = {"TILORES_MODEL": pinned, "TILORES_STOCK_CLIENTS": stock}
        asked = ("ask", "--json", "--fresh", "what is the newest Experian score of client ID 4001")
        reply = json.loads(run(*asked, **keys(provider), **settings).out)
        assert all(request.body["stream"] for request in provider.received if "messages" in request.body)
        # The same again, with the provider that speed puts first out of order: the other one stands in.
        ranked = json.loads(run(*asked, "--priority", "speed", **keys(provider), TILORES_MODEL="").out)["model"]
        broken, stand_in = (first, other) if ranked.startswith(first) else (other, first)
        provider.brain = None
        provider.always(Script(status=503), to=broken)
        provider.always(Script(f"Client 4001 has an Experian score of {score}."), to=stand_in)
        helped = json.loads(run(*asked, "--priority", "speed", **keys(provider), TILORES_MODEL="").out)
    assert reply["model"] == pinned
    assert str(score) in reply["reply"]
    assert reply["reason"]
    assert [timing["name"] for timing in reply["timings"] if timing["kind"] == "model"] == [pinned, pinned]
    assert [attempt["outcome"] for attempt in reply["attempts"]] == ["ok", "ok"]
    assert all(attempt["input_tokens"] and attempt["output_tokens"] for attempt in reply["attempts"])
    assert reply["cost_usd"] == pytest.approx(sum(attempt["cost_usd"] for attempt in reply["attempts"]))
    assert reply["cost_usd"] > 0
    assert helped["model"].startswith(stand_in)
    assert {attempt["provider"]: attempt["outcome"] for attempt in helped["attempts"]}[stand_in] == "ok"
    assert broken in {attempt["provider"] for attempt in helped["attempts"] if attempt["outcome"] != "ok"}


def test_a_piped_answer_is_plain_text(run: Run) -> None:
    assert "\x1b" not in run("ask", QUESTION).out


def test_chat_remembers_whom_one_spoke_of(run: Run) -> None:
    customer = truth()[0]
    printed = run("chat", stdin=f"who is client ID {customer['client_id']}\nis the account cancelled?\n\n".encode())
    assert printed.code == 0, printed.err
    assert printed.out.count("priority") == 2
    assert customer["statuses"][-1]["value"] in printed.out.split("priority", 1)[1]


@pytest.mark.parametrize("question", ["", "   \n\t", "\0"])
def test_an_empty_question(run: Run, question: str) -> None:
    wrong(run("ask", question), "question")


def test_a_question_that_is_too_long(run: Run) -> None:
    wrong(run("ask", stdin=b"x" * 100_001), "100,000")


def test_lone_surrogates_and_nul_do_no_harm(run: Run) -> None:
    assert run("ask", f"{QUESTION}\ud800\0").code == 0


def test_an_unknown_priority(run: Run) -> None:
    printed = run("ask", QUESTION, "--priority", "cheapest")
    assert printed.code != 0
    assert "balanced" in printed.err
    wrong(run("ask", QUESTION, TILORES_PRIORITY="cheapest"), "TILORES_PRIORITY", "balanced")


def test_settings_that_do_not_go_together(run: Run) -> None:
    wrong(run("ask", QUESTION, TILORES_API_URL="https://tilores.example/"), "TILORES_TOKEN_URL")


def test_wrong_credentials(run: Run) -> None:
    with tilores(says({"error": "invalid_client"}, status=401)) as variables:
        wrong(run("ask", QUESTION, **variables), "TILORES_CLIENT_SECRET")


def test_a_tilores_that_cannot_be_reached(run: Run) -> None:
    with tilores(says({})) as variables:
        pass  # its port is free again
    wrong(run("ask", QUESTION, "--deadline", "1", **variables), "TILORES_")


TOKEN = says({"access_token": "t", "expires_in": 3600})


def test_a_tilores_that_is_too_slow(run: Run) -> None:
    with tilores(TOKEN, says({}, after_s=3)) as variables:
        wrong(run("ask", QUESTION, TILORES_DEADLINE_S="0.5", **variables))


def test_errors_with_status_200(run: Run) -> None:
    with tilores(
        TOKEN, says({"data": None, "errors": [{"message": "access denied, required privilege"}]})
    ) as variables:
        wrong(run("ask", QUESTION, **variables), "privilege")


def test_a_schema_without_the_expected_types(run: Run) -> None:
    schema = {"queryType": {"name": "Query"}, "types": [{"kind": "OBJECT", "name": "Query", "fields": []}]}
    with tilores(TOKEN, says({"data": {"__schema": schema}})) as variables:
        wrong(run("ask", QUESTION, **variables), "Record")


def test_a_broken_instance_folder(run: Run, tmp_path: Path) -> None:
    wrong(run("ask", QUESTION, TILORES_SANDBOX=str(tmp_path / "nowhere")), "nowhere")
    (tmp_path / "half").mkdir()
    wrong(run("sandbox", "--instance", str(tmp_path / "half")), "schema.graphql")


def test_doctor_says_what_is_wrong_and_what_to_do(run: Run) -> None:
    well = run("doctor", "--json")
    assert well.code == 0
    assert {finding["what"] for finding in json.loads(well.out)} >= {"settings", "Tilores", "models", "tracing"}
    with tilores(says({"error": "invalid_client"}, status=401)) as variables:
        ill = run("doctor", **variables)
    assert ill.code == 1
    assert "TILORES_CLIENT_SECRET" in ill.out
    assert "models" in ill.out


def test_help_imports_nothing_heavy() -> None:
    heavy = ("langchain_core", "langgraph", "graphql", "openai", "tilores_x.tools.api.client")
    code = (
        "import sys; sys.argv = ['tilores-x', 'ask', '--help']\n"
        "import atexit; from tilores_x.serving.cli import main\n"
        f"atexit.register(lambda: print('HEAVY', [name for name in {heavy!r} if name in sys.modules]))\n"
        "main()"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--priority" in printed
    assert printed.splitlines()[-1] == "HEAVY []"


def test_the_sandbox_says_in_one_line_of_json_where_it_listens(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tilores_x.serving", "sandbox", "--instance", "people"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as served:
        assert served.stdout is not None
        try:
            where = json.loads(served.stdout.readline())
            assert set(where) == {"api_url", "token_url", "client_id", "client_secret"}
            form = {"grant_type": "client_credentials", "scope": "tilores/query.search"}
            token = httpx.post(where["token_url"], data=form, auth=(where["client_id"], where["client_secret"])).json()
            answer = httpx.post(
                where["api_url"],
                json={"query": "{ __typename }"},
                headers={"Authorization": f"Bearer {token['access_token']}"},
            )
            assert answer.json() == {"data": {"__typename": "Query"}}
        finally:
            served.terminate()
