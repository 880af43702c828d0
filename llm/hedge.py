"""Two models race for the first token: the one that speaks first answers, the other is cancelled.

A request that is sent twice when the first copy is late cuts the slowest answers, for a few per cent more calls
(J. Dean, L. A. Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from langchain_core.messages import AIMessage

from tilores_x.llm.attempt import AttemptFailed, Trial
from tilores_x.llm.progress import Floor, Overtaken, Progress


async def race(first: Trial, after_s: float, rival: Callable[[], Awaitable[Trial | None]], floor: Floor) -> AIMessage:
    """Run ``first``; where its first token takes longer than ``after_s`` seconds, run the rival beside it.

    ``rival`` is called only then, and may decline with None. Both trials share ``floor``.

    Raises:
        AttemptFailed: no trial answered; the failure of the one that had spoken, else the first's.
    """
    running = {asyncio.create_task(first.run()): first}
    try:
        await asyncio.wait(running, timeout=after_s)
        second = None if first.heard or all(task.done() for task in running) else await rival()
        if second is not None:
            running[asyncio.create_task(second.run())] = second
        floor.on_taken = lambda holder: _silence(running, holder)
        if floor.holder is not None:
            _silence(running, floor.holder)
        return await _answer(running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _silence(running: dict[asyncio.Task[AIMessage], Trial], holder: Progress) -> None:
    for task, trial in running.items():
        if not trial.holds(holder):
            task.cancel()


async def _answer(running: dict[asyncio.Task[AIMessage], Trial]) -> AIMessage:
    waiting = set(running)
    failures: list[AttemptFailed] = []
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            try:
                return task.result()
            except AttemptFailed as failed:
                failures.append(failed)
            except (asyncio.CancelledError, Overtaken):
                continue
    raise next((failed for failed in failures if failed.spoken), failures[0])
