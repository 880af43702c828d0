"""For whom work is done: set once per question, seen by everything inside, tasks started there included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("tilores_x_tenant", default=None)


def current_tenant() -> str | None:
    """The tenant of the question being answered; None outside of any."""
    return _current.get()


@contextmanager
def tenant_scope(tenant: str) -> Iterator[None]:
    """Everything called inside is for ``tenant``: nothing of it is shared with another's work."""
    token = _current.set(tenant)
    try:
        yield
    finally:
        _current.reset(token)
