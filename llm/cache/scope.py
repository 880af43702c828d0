"""For whom work is done, and whether kept work may be used: set once per question, seen by everything inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from tilores_x.tenant import tenant_scope


@dataclass(slots=True)
class Reads:
    """What a question has read of Tilores: how often, and until when (epoch seconds) all of it holds."""

    count: int = 0
    expires_at: float = float("inf")

    def note(self, expires_at: float) -> None:
        self.count += 1
        self.expires_at = min(self.expires_at, expires_at)


@dataclass(frozen=True, slots=True)
class Scope:
    """``fresh``: what is kept is passed over; what is found anew is kept all the same."""

    tenant: str
    fresh: bool = False
    reads: Reads = field(default_factory=Reads)


_current: ContextVar[Scope | None] = ContextVar("tilores_x_cache_scope", default=None)

upstream: ContextVar[bool] = ContextVar("tilores_x_cache_upstream", default=False)
"""A call that the pipeline has looked up already: LangChain's global cache, where it is ours, stands aside."""


def current_scope() -> Scope | None:
    return _current.get()


@contextmanager
def scope(tenant: str, *, fresh: bool = False) -> Iterator[Scope]:
    """Everything called inside, tasks started there included, is for ``tenant``. What is read adds to an outer scope's
    reads where that is for the same tenant."""
    outer = _current.get()
    reads = outer.reads if outer is not None and outer.tenant == tenant else Reads()
    token = _current.set(Scope(tenant, fresh, reads))
    try:
        with tenant_scope(tenant):
            yield _current.get() or Scope(tenant)
    finally:
        _current.reset(token)
