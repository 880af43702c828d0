"""Lookups under way: as many requests as are soonest, each lookup's answer or failure brought to those who wait."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from tilores_x.errors import AccessDenied, TiloresRefused, TiloresUnavailable, TiloresXError
from tilores_x.marks import collect_marks
from tilores_x.tools.api.endpoint import Reply
from tilores_x.tools.api.failures import Late, Passing, TooLarge
from tilores_x.tools.api.pace import PRIOR_WEIGHT, Pace
from tilores_x.tools.api.parting import parted
from tilores_x.tools.api.portions import portions, requests_for
from tilores_x.tools.api.reading import Reader
from tilores_x.tools.api.sharing import Longest, Shared
from tilores_x.tools.api.together import request_of
from tilores_x.tools.api.weights import Weights

#: So many lookups at least are put into requests of unequal size, where what a lookup adds is not known (any more).
LEAST_EXPLORED = 4


class Trips:
    """``most_together`` pins the lookups of one request; otherwise they follow what was measured."""

    def __init__(self, reader: Reader, most_together: int | None = None) -> None:
        self.batched = 0
        self._reader = reader
        self._pinned = most_together
        self._weights = Weights()
        self._running: set[asyncio.Task[None]] = set()
        self._explored = 0

    def send(self, came: Sequence[Shared]) -> None:
        """Put the lookups on their way; those of one tenant never travel with another's."""
        wanted = [shared for shared in came if shared.wanted]
        # In order of their texts: equal questions become equal documents, which servers keep parsed.
        wanted.sort(key=lambda shared: (shared.key[0] or "", shared.lookup.text))
        for _, own in groupby(wanted, key=lambda shared: shared.key[0]):
            parts = [part for run in self._runs(list(own)) for part in self._weights.fitting(run)]
            group = Group(self._reader.endpoint.pace, len(parts))
            for part in parts:
                self._start(part, group)

    def requests_for(self, lookups: int) -> int:
        """Into how many requests so many lookups go at present."""
        if self._pinned is not None:
            return -(-lookups // self._pinned)
        endpoint = self._reader.endpoint
        return requests_for(lookups, endpoint.pace.line, endpoint.limiter.free)

    async def aclose(self) -> None:
        """Stop everything; whoever waits is told that the client was closed."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _runs(self, shared: list[Shared]) -> list[list[Shared]]:
        if len(shared) == 1:
            return [shared]
        requests, pace = self.requests_for(len(shared)), self._reader.endpoint.pace
        if self._pinned is not None or pace.spread >= PRIOR_WEIGHT or len(shared) < LEAST_EXPLORED:
            pace.rested()
            return portions(shared, requests)
        runs = portions(shared, max(2, requests), uneven=True)
        # Larger now the first, now the second: texts are in order, so that each run has its own kind of lookups.
        self._explored += 1
        if self._explored % 2:
            larger = len(runs[0])
            both = runs[0] + runs[1]
            runs[:2] = [both[: len(both) - larger], both[len(both) - larger :]]
        return runs

    def _start(self, part: list[Shared], group: Group) -> None:
        # A context of its own: no deadline of one who asks may cut short what others wait for.
        task = asyncio.create_task(self._run(part, group), context=contextvars.Context())
        self._running.add(task)
        task.add_done_callback(partial(self._ended, part))
        for shared in part:
            shared.leave = partial(_stop_unless_wanted, task, part)

    def _ended(self, part: list[Shared], task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        for shared in part:
            if not shared.done and isinstance(error, Exception):
                shared.fail(error)  # a mistake of ours: whoever waits shall see it
            elif not shared.done:
                shared.fail(closed())

    async def _run(self, part: list[Shared], group: Group) -> None:
        with collect_marks() as marks:
            for shared in part:
                shared.marks = marks
            reply = await self._travel(part)
        group.ended(len(part), None if reply is None or marks & {"retried", "hedged"} else reply.seconds)

    async def _travel(self, part: list[Shared], *, round_: int = 0) -> Reply | None:
        """Bring each lookup its answer or failure. Gives the reply where it was one for all."""
        part = [shared for shared in part if shared.wanted]
        if not part:
            return None
        if len(part) > 1:
            self.batched += len(part)
            for shared in part:
                shared.marks.add("batched")
        try:
            request = request_of([shared.lookup for shared in part])
            limits = [shared.timeout_s for shared in part]
            given = [limit for limit in limits if limit is not None]
            reply = await self._reader.read(
                request,
                deadline=Longest(float("inf"), part),
                timeout_s=max(given) if given and len(given) == len(limits) else None,
                measured=True,
            )
        except TiloresXError as error:
            await self._failed(part, error, round_)
            return None
        self._weights.learn(part, reply.size)
        for at, shared in enumerate(part):
            shared.answer(reply.data[shared.lookup.field if len(part) == 1 else f"x{at}"])
        return reply

    async def _failed(self, part: list[Shared], error: TiloresXError, round_: int) -> None:
        refused = error if isinstance(error, TiloresRefused) else error.__cause__
        if isinstance(error, TooLarge):
            self._weights.learn(part, 2 * 6 * 2**20)
        if len(part) == 1:
            part[0].fail(error)
        elif isinstance(error, TooLarge | Late):
            middle = len(part) // 2
            await asyncio.gather(self._travel(part[:middle]), self._travel(part[middle:]))
        elif isinstance(refused, TiloresRefused):
            await self._part(part, refused, round_)
        elif isinstance(error, AccessDenied | Passing) or not isinstance(error, TiloresUnavailable):
            for shared in part:
                shared.fail(error)
        else:  # an internal error of Tilores: one of them may have caused it
            await self._each(part)

    async def _part(self, part: list[Shared], refused: TiloresRefused, round_: int) -> None:
        found = parted(refused, [shared.lookup for shared in part])
        for at, answer in found.answered.items():
            part[at].answer(answer)
        for at, error in found.failed.items():
            part[at].fail(error)
        lost = [part[at] for at in found.lost]
        if found.failed and round_ == 0:
            await self._travel(lost, round_=1)
        else:
            await self._each(lost, suspect=not found.failed)

    async def _each(self, part: list[Shared], *, suspect: bool = False) -> None:
        """Every lookup in a request of its own. ``suspect``: texts that are refused once more stay alone."""
        await asyncio.gather(*(self._travel([shared]) for shared in part))
        if suspect:
            for shared in part:
                if isinstance(shared.error, TiloresRefused):
                    self._weights.leave_alone(shared.lookup.text)


@dataclass(slots=True)
class Group:
    """Requests that are sent at the same moment: what they took is compared once all are answered at the first try."""

    pace: Pace
    waiting: int
    _took: list[tuple[int, float]] = field(default_factory=list)

    def ended(self, lookups: int, seconds: float | None) -> None:
        """A request ended; ``seconds`` is None where it is no measure of the others."""
        self.waiting -= 1
        if seconds is not None:
            self._took.append((lookups, seconds))
        if not self.waiting and len(self._took) > 1:
            self.pace.compare(self._took)


def closed() -> TiloresUnavailable:
    """What those are told who wait when the client is closed."""
    return TiloresUnavailable("The client was closed before Tilores answered.")


def _stop_unless_wanted(task: asyncio.Task[None], part: Sequence[Shared]) -> None:
    if not any(shared.wanted for shared in part if not shared.done):
        task.cancel()
