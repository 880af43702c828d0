"""A sandbox in a process of its own, on a free loopback port."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from tilores_x.sandbox.server import serve

def ready(facts):
    print(json.dumps(facts), flush=True)

name, file, cache = sys.argv[1:]
options = {"file": Path(file)} if file else {}
asyncio.run(serve(name, ready=ready, cache_dir=Path(cache), **options))
"""


@dataclass
class SandboxProcess:
    facts: dict[str, str]
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it as ``kill -9`` does: nothing of its own runs any more."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def sandbox_process(instance: str | Path, *, cache_dir: Path, file: Path | None = None) -> Iterator[SandboxProcess]:
    """Start a sandbox; it is accepting requests when this yields, and gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(instance), str(file or ""), str(cache_dir)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the sandbox ended with {process.wait()}"
        yield SandboxProcess(json.loads(line), process)
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()
