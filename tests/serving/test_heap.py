"""The garbage collector: rests while our own command starts, and is left alone in anybody else's process."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.pipeline import pipeline, results
from support.provider import Provider
from support.sandbox_process import sandbox_process
from support.wire import Script

from tilores_x.serving import heap

MOST_LEFT = 50
"""Objects in rings that a question may leave; it used to be some five hundred."""

TOLD = "atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000, *gc.get_threshold()))"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--version"], "False False"), (["ask", "who is client ID 4021"], "True True 50000 20 100")],
)
def test_a_command_starts_without_collections_and_spares_what_stays(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    code = f"import atexit, gc; from tilores_x.serving.__main__ import run; {TOLD}; run()"
    environment = {**os.environ, "TILORES_CACHE_DIR": str(tmp_path), "TILORES_CACHE": "off"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(told)


def test_an_application_keeps_its_own() -> None:
    before = gc.isenabled(), gc.get_freeze_count(), gc.get_threshold()
    heap.started()
    assert (gc.isenabled(), gc.get_freeze_count(), gc.get_threshold()) == before


async def test_a_question_leaves_nothing_to_the_collector(tmp_path: Path) -> None:
    people = [{"CLIENT_ID": str(number)} for number in range(4001, 4011)]

    def brain(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Script:
        if results(messages):
            return Script("There you are.")
        return Script(tool_calls=(("tilores_search", {"people": people, "fields": ["STATUS"]}),))

    with sandbox_process("credit", cache_dir=tmp_path) as sandbox, Provider(brain=brain) as provider:
        async with pipeline(tmp_path, provider, **sandbox.facts) as asker:
            for _ in range(3):
                await asker.ask("What is the status of all in my book?")
            gc.collect()
            gc.disable()
            try:
                for _ in range(10):
                    await asker.ask("What is the status of all in my book?")
                await asyncio.sleep(0.1)
                assert gc.collect() < 10 * MOST_LEFT
            finally:
                gc.enable()
