"""A process that asks, in one of the ways, what it is told to on its standard input.

python -m width.asking "tilores-x"
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tilores_x.serving.heap import THRESHOLDS
from width import growth
from width.questions import Question
from width.rivals import RIVALS, Ask, Where
from width.servers import ASKING_CORE, environment


class Asking:
    """Another process that asks; it does nothing between questions."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, **what: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self.told()

    def told(self) -> dict[str, Any]:
        """The next thing that it tells; the first is that it is ready."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, question: Question) -> dict[str, Any]:
        """seconds and cpu_s of one question, and grown_bytes: by what the resident memory grew at its peak."""
        return self.do(question=asdict(question))

    def total(self, question: growth.Total, *, may_fail: bool = False) -> dict[str, Any]:
        return self.do(total=asdict(question), may_fail=may_fail)

    def offered(self, questions: list[Question], rate: float, longest_s: float) -> dict[str, Any]:
        """``questions`` at ``rate`` per second: ``took`` has the seconds of each since it was due, None of the lost."""
        return self.do(rate=rate, longest_s=longest_s, questions=[asdict(question) for question in questions])


@contextmanager
def asking(way: str, where: Where) -> Iterator[Asking]:
    with subprocess.Popen(
        [sys.executable, "-m", "width.asking", way, json.dumps(where)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        try:
            yield Asking(process)
        finally:
            process.stdin.close()
            process.wait(30)


async def _one(ask: Ask, question: Question | growth.Total, may_fail: bool) -> dict[str, Any]:
    gc.collect()
    before_bytes = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    cpu_s, began = time.process_time(), time.perf_counter()
    try:
        reply = await ask(question.text)
    except Exception as error:
        if not may_fail:
            raise
        return {
            "failed": f"{type(error).__name__}: {error}"[:200],
            "seconds": time.perf_counter() - began,
            "grown_bytes": _memory("VmHWM") - before_bytes,
        }
    took = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_s}
    took["grown_bytes"] = _memory("VmHWM") - before_bytes
    if may_fail:
        return took | {"reply": reply}
    took["wrong"] = not question.answered_by(reply)
    if took["wrong"]:
        print(f"{question.text!r} was answered with {reply!r}", file=sys.stderr)
    return took


def _memory(name: str) -> int:
    """VmRSS or VmHWM, the resident memory and its peak, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


async def _offered(ask: Ask, questions: list[Question], rate: float, longest_s: float) -> dict[str, Any]:
    """Questions at fixed times, whether or not those before are answered; seconds from the time when each was due."""
    loop = asyncio.get_running_loop()
    took: list[float | None] = [None] * len(questions)
    wrong = 0

    async def one(at: int, due: float) -> None:
        nonlocal wrong
        try:
            reply = await ask(questions[at].text)
        except Exception as error:
            wrong += 1
            if wrong == 1:
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
        else:
            if not questions[at].answered_by(reply):
                wrong += 1
                print(f"{questions[at].text!r} was answered with {reply!r}", file=sys.stderr)
            took[at] = loop.time() - due

    gc.collect()
    cpu_s, began = time.process_time(), loop.time() + 0.05
    tasks = []
    for at in range(len(questions)):
        due = began + at / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        tasks.append(asyncio.create_task(one(at, due)))
    await asyncio.wait(tasks, timeout=longest_s)
    spent_s = time.process_time() - cpu_s
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"took": took, "wrong": wrong, "cpu_s": spent_s, "over_s": loop.time() - began}


async def _main(way: str, where: Where) -> None:
    loop = asyncio.get_running_loop()
    async with (RIVALS | growth.WAYS)[way](where) as ask:
        gc.collect()
        gc.freeze()  # as our own commands do, and as servers should: see heap.py
        gc.set_threshold(*THRESHOLDS)
        print(json.dumps({"ready": True}), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            what = json.loads(line)
            if "rate" in what:
                questions = [Question(**one) for one in what["questions"]]
                found = await _offered(ask, questions, what["rate"], what["longest_s"])
            elif "total" in what:
                found = await _one(ask, growth.Total(**what["total"]), what["may_fail"])
            else:
                found = await _one(ask, Question(**what["question"]), False)
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the SDK is written against pydantic 1
    os.sched_setaffinity(0, {ASKING_CORE})
    asyncio.run(_main(sys.argv[1], json.loads(sys.argv[2])))
