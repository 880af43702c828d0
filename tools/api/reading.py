"""Reads: within a time that follows what was measured, tried again where that helps, and asked twice when late.

A request that is sent twice when the first copy is late cuts the slowest answers, for a few per cent more requests
(J. Dean, L. A. Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013). What changes data is never read
through here.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tilores_x.deadline import Deadline
from tilores_x.errors import TryAgain
from tilores_x.marks import mark
from tilores_x.retry import RetryBudget, retrying
from tilores_x.tools.api.endpoint import Endpoint, Reply
from tilores_x.tools.api.failures import Late, Passing
from tilores_x.tools.api.requests import Request

#: A request may take this many times the measured 99th percentile, so that the timeout cuts off what hangs and
#: nothing that is merely slow …
TIMEOUT_FACTOR = 3.0
#: … but never less than this share of the profile's timeout, which is also the most.
LEAST_SHARE = 0.2
#: A tail begins where the next percentile (of the 90th, 95th and 99th) is this many times as late. Reads are asked a
#: second time after the 95th, or the 90th where the tail begins there; without a tail never, as the second answer would
#: come no sooner than the first.
TAIL = 1.5


@dataclass(slots=True)
class Reader:
    """``longest_s`` is the profile's timeout of a read; ``pinned_s`` one that the operator set in place of it all."""

    endpoint: Endpoint
    longest_s: float
    pinned_s: float | None = None
    hedging: bool = True
    retried: int = 0
    hedged: int = 0
    _budget: RetryBudget = field(default_factory=RetryBudget)

    def timeout_s(self, lookups: int = 1) -> float:
        """Seconds that a request for so many lookups may take at its first try."""
        if self.pinned_s is not None:
            return self.pinned_s
        observed, line = self.endpoint.pace.observed(), self.endpoint.pace.line
        if observed is None or line is None:
            return self.longest_s
        late_s = TIMEOUT_FACTOR * (observed.p99 + (lookups - 1) * line.lookup_s)
        return min(self.longest_s, max(LEAST_SHARE * self.longest_s, late_s))

    async def read(
        self, request: Request, *, deadline: Deadline, timeout_s: float | None = None, measured: bool = False
    ) -> Reply:
        """What the request returned. ``timeout_s`` bounds each try, in place of the measured one.

        Raises:
            TiloresXError: as ``Endpoint.send`` raises.
        """
        tried = 0
        bound_s = timeout_s or (self.timeout_s(request.lookups) if measured else self.longest_s)
        longest_s = timeout_s or self.pinned_s or self.longest_s

        async def once() -> Reply:
            nonlocal tried, bound_s
            if tried:
                self.retried += 1
                mark("retried")
                bound_s = longest_s
            tried += 1
            return await self._soon(request, bound_s, measured)

        def again(error: Exception) -> bool:
            if isinstance(error, Late):
                # Together they may simply be too much: whoever put them together asks for less. One alone that ran
                # into a timeout of our own guessing gets the whole time.
                return request.lookups == 1 and (isinstance(error, Passing) or bound_s < longest_s)
            return isinstance(error, Passing)

        return await retrying(once, again=again, budget=self._budget, deadline=deadline)

    async def _soon(self, request: Request, bound_s: float, measured: bool) -> Reply:
        after_s = self._late_s(request.lookups) if measured and self.hedging else None
        if after_s is None or after_s >= bound_s:
            return await self.endpoint.send(request, bound_s, measured=measured)
        start = time.monotonic()
        running = {first := asyncio.create_task(self.endpoint.send(request, bound_s, measured=measured))}
        try:
            done, _ = await asyncio.wait(running, timeout=after_s)
            if not done and self.endpoint.limiter.free and self._budget.spend(leaving=1):
                self.hedged += 1
                mark("hedged")
                running.add(asyncio.create_task(self.endpoint.send(request, bound_s, measured=measured)))
            reply = await _first(running)
            if not first.done():  # it is late: forgotten, it would make the tail look cut
                self.endpoint.pace.add(request.lookups, time.monotonic() - start)
            return reply
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _late_s(self, lookups: int) -> float | None:
        observed, line = self.endpoint.pace.observed(), self.endpoint.pace.line
        if observed is None or line is None:
            return None
        steps = ((observed.p95, observed.p99), (observed.p90, observed.p95))
        before_tail = next((before for before, after in steps if after >= TAIL * before), None)
        return None if before_tail is None else before_tail + (lookups - 1) * line.lookup_s


async def _first(running: set[asyncio.Task[Reply]]) -> Reply:
    """The first answer, be it a refusal; the last failure where none comes."""
    waiting = set(running)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not waiting or not isinstance(task.exception(), TryAgain):
                return task.result()
