"""One deadline per question, handed down: every call gets what is left of it, never its own long timeout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tilores_x.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time on the monotonic clock (seconds, as ``time.monotonic()`` counts them)."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    @classmethod
    def never(cls) -> Deadline:
        return cls(float("inf"))

    def left_s(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - time.monotonic())

    def cap_s(self, timeout_s: float) -> float:
        """``timeout_s``, or what is left where that is less.

        Raises:
            DeadlineExceeded: nothing is left.
        """
        left = self.left_s()
        if left <= 0:
            raise DeadlineExceeded("The time given to the question has run out. Give it more: TILORES_DEADLINE_S.")
        return min(timeout_s, left)


_current: ContextVar[Deadline | None] = ContextVar("tilores_x_deadline", default=None)


def current_deadline() -> Deadline:
    """The deadline of the question being answered; one that never comes outside of any."""
    return _current.get() or Deadline.never()


@contextmanager
def deadline_scope(deadline: Deadline) -> Iterator[Deadline]:
    """Everything called inside, tasks started there included, is under ``deadline`` (or an earlier outer one)."""
    outer = current_deadline()
    inner = deadline if deadline.at <= outer.at else outer
    token = _current.set(inner)
    try:
        yield inner
    finally:
        _current.reset(token)


@asynccontextmanager
async def cut_off(waiting_for: str) -> AsyncIterator[None]:
    """What is awaited inside ends at the current deadline; ``waiting_for`` names it in the error.

    Raises:
        DeadlineExceeded: the deadline came first.
    """
    deadline = current_deadline()
    if deadline.at == float("inf"):
        yield
        return
    deadline.cap_s(0)
    try:
        async with asyncio.timeout(deadline.left_s()):
            yield
    except TimeoutError:
        raise DeadlineExceeded(
            f"The time given to the question ran out while waiting for {waiting_for}. Give it more: TILORES_DEADLINE_S."
        ) from None
