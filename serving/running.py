"""How a command runs its coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. Retries are told in traces; a line about each would stand amid what the command prints."""
    import stamina  # takes a tenth of a second, which --help need not wait for

    stamina.instrumentation.set_on_retry_hooks([])
    return asyncio.run(work)
