"""Equal lookups in flight are one: whoever asks for what is under way waits for that.

The request lives as long as somebody waits for it, and each who waits keeps a deadline of its own: one who began it and
leaves takes it from nobody, and with the last one it is cancelled.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tilores_x.deadline import Deadline, current_deadline, cut_off
from tilores_x.marks import mark
from tilores_x.tenant import current_tenant
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.api.requests import as_json

Key = tuple[str | None, str, bytes]


@dataclass(slots=True, eq=False)
class Shared:
    """A lookup and those who wait for it, each with its deadline (monotonic seconds).

    ``leave`` is what is to be done when the last one goes before the answer is there.
    """

    key: Key
    lookup: Lookup
    timeout_s: float | None
    leave: Callable[[], None] | None = None
    marks: set[str] = field(default_factory=set)
    done: bool = False
    result: Any = None
    error: Exception | None = None
    _waiting: dict[asyncio.Future[None], float] = field(default_factory=dict)
    _taken: bool = False

    @property
    def wanted(self) -> bool:
        return bool(self._waiting)

    @property
    def until(self) -> float:
        """The latest deadline of those who wait."""
        return max(self._waiting.values(), default=0.0)

    def answer(self, result: Any) -> None:
        self.result = result
        self._end()

    def fail(self, error: Exception) -> None:
        self.error = error
        self._end()

    def _end(self) -> None:
        self.done = True
        self.leave = None  # it knows all that travelled together, this one too: a ring, left to the collector
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def waited(self) -> Any:
        """The result, the caller's own to change.

        Raises:
            TiloresXError: the lookup failed, or the caller's time ran out.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = current_deadline().at
        try:
            async with cut_off("Tilores"):
                await future
        finally:
            del self._waiting[future]
            if not self._waiting and not self.done and self.leave is not None:
                self.leave()
        for word in self.marks:
            mark(word)  # type: ignore[arg-type]
        first, self._taken = not self._taken, True
        if self.error is not None:
            raise self.error if first else _another(self.error)
        return self.result if first else orjson.loads(orjson.dumps(self.result))


@dataclass(frozen=True, slots=True)
class Longest(Deadline):
    """The latest deadline of all who wait for any of these lookups, as it is at the moment of asking."""

    of: Sequence[Shared] = ()

    def left_s(self) -> float:
        return max(0.0, max((shared.until for shared in self.of), default=0.0) - time.monotonic())


class Sharing:
    """``start`` sends a lookup that nobody waits for yet; it sees to it that the lookup ends."""

    def __init__(self, start: Callable[[Shared], None]) -> None:
        self.coalesced = 0
        self._start = start
        self._flying: dict[Key, Shared] = {}

    async def ask(self, lookup: Lookup, timeout_s: float | None) -> Any:
        """What the lookup's field returned.

        Raises:
            TiloresXError: as ``Reader.read`` raises; QuestionError too.
        """
        key = (current_tenant(), lookup.text, as_json(lookup.variables))
        shared = self._flying.get(key)
        if shared is None or shared.done:
            shared = self._flying[key] = Shared(key, lookup, timeout_s)
            self._start(shared)
        else:
            self.coalesced += 1
            mark("coalesced")
            if shared.timeout_s is not None:
                shared.timeout_s = None if timeout_s is None else max(timeout_s, shared.timeout_s)
        try:
            return await shared.waited()
        finally:
            if (shared.done or not shared.wanted) and self._flying.get(key) is shared:
                del self._flying[key]

    def forget(self) -> None:
        """Data has changed, or may have: what is asked for from now on is asked anew."""
        self._flying.clear()


def _another(error: Exception) -> Exception:
    """The same error with a traceback of its own."""
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin.with_traceback(None)
