"""The garbage collector: rests while our own command starts, and is left alone in anybody else's process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tilores_x.serving import heap

TOLD = "atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000, *gc.get_threshold()))"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--version"], "False False"), (["ask", "who is client ID 4021"], "True True 20000 20 100")],
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
