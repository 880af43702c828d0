"""The sandbox and the provider, each in a process of its own on the second core; they tell what they were asked.

python -m width.servers sandbox|provider
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from width import growth, questions
from width.kept import Kept
from width.questions import ALIAS_S, FIRST_TOKEN_S, FOLDER, INSTANCES, SEARCH_S, TOKENS_PER_S

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ASKING_CORE, SERVING_CORE = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))


def environment() -> dict[str, str]:
    """For processes of the benchmark: no settings of the machine's, no tracing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TILORES_", "LANG", "OPENAI_"))}
    paths = os.pathsep.join([str(HERE.parent), str(ROOT / "tests")])
    return kept | {
        "PYTHONPATH": os.pathsep.join([paths, os.environ.get("PYTHONPATH", "")]),
        "LANGSMITH_TRACING": "false",
    }


@contextmanager
def instance(people: int) -> Iterator[str]:
    """A folder with an instance like `credit` of so many customers; the questions are about these."""
    from tilores_x.sandbox.generator import generate

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "credit"
        shutil.copytree(INSTANCES / "credit", folder)
        generate("credit", people, 7, folder)
        os.environ[FOLDER] = str(folder)
        try:
            yield str(folder)
        finally:
            del os.environ[FOLDER]


@contextmanager
def serving(what: str, *options: str) -> Iterator[dict[str, str]]:
    """What it says of itself: where it is."""
    with subprocess.Popen(
        [sys.executable, "-m", "width.servers", what, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


def counts(address: str) -> dict[str, Any]:
    """Requests since the start, and seconds of CPU."""
    with urlopen(address + "/counts") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def _sandbox(folder: str, how: str) -> None:
    import uvicorn

    from tilores_x.sandbox.instance import load_instance
    from tilores_x.sandbox.server import create_app

    app: Any = await create_app(
        load_instance(folder or "credit"), latency_ms=SEARCH_S * 1000, alias_latency_ms=ALIAS_S * 1000
    )
    kept = Kept(app)

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        """The sandbox, with paths beside it that tell what it did, and that let it answer with so many bytes."""
        if scope["path"] == "/counts":
            body = json.dumps({"requests": kept.asked, "cpu_s": time.process_time()}).encode()
        elif scope["path"] == "/flood":
            kept.flood, body = flood(int(scope["query_string"] or 0)), b"{}"
        elif scope["path"] == "/" and (how == "kept" or kept.flood is not None):
            kept.asked += 1
            raw = await _body(receive)
            answered = await kept.answer(dict(scope["headers"]), raw)
            if answered is None:
                await app(scope, _again(raw, receive), send)
                return
            body = answered
        else:
            kept.asked += scope["path"] == "/"
            await app(scope, receive, send)
            return
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(counted, log_level="warning", access_log=False, lifespan="off", backlog=4096)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    facts = {"api_url": f"{address}/", "token_url": f"{address}/oauth2/token"}
    print(json.dumps(facts | {"client_id": "sandbox", "client_secret": "sandbox"}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await running


async def _body(receive: Any) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message["body"])
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(raw: bytes, receive: Any) -> Any:
    told = iter([{"type": "http.request", "body": raw, "more_body": False}])

    async def read() -> Any:
        return next(told, None) or await receive()

    return read


def flood(size: int) -> bytes | None:
    """A search's answer of so many bytes; None for no bytes."""
    if not size:
        return None
    record = b'{"id":"r","CLIENT_ID":"1","EMAIL":"%s"}' % (b"x" * 960)
    records = b",".join([record] * (size // (len(record) + 1)))
    return b'{"data":{"search":{"totalCount":1,"entities":[{"id":"e","hits":{},"records":[%s]}]}}}' % records


def _said(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Any:
    question = next(message["content"] for message in reversed(messages) if message["role"] == "user")
    shown = "".join(str(message["content"]) for message in messages if message["role"] == "tool")
    return (growth if "paid in all" in question else questions).reply(question, shown, tools)


async def _provider() -> None:
    from dataclasses import dataclass, replace

    from support.provider import Counts, Provider, Request
    from support.wire import Dialect, Encoder, Script

    @dataclass
    class Spent(Counts):
        """``model_s``: seconds that the replies take at the model's speed."""

        model_s: float = 0.0

    class Model(Provider):
        def script_for(self, request: Request) -> Script:
            self.received.clear()
            assert isinstance(self.counts, Spent)
            said = _said(request.body["messages"], request.body.get("tools") or [])
            speaking_s = len(Encoder(said, request.body, Dialect.OPENAI).tokens()) / TOKENS_PER_S
            self.counts.model_s += FIRST_TOKEN_S + speaking_s
            if request.body.get("stream"):
                return replace(said, ttft_s=FIRST_TOKEN_S, tokens_per_s=TOKENS_PER_S)
            return replace(said, ttft_s=FIRST_TOKEN_S + speaking_s)

    async with Model(counts=Spent()).serving() as provider:
        print(json.dumps({"base_url": provider.base_url()}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    import uvloop

    os.sched_setaffinity(0, {SERVING_CORE})
    uvloop.run(_provider() if sys.argv[1] == "provider" else _sandbox(*sys.argv[2:]))
