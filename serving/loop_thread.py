"""One event loop in a thread of its own, for callers that have none or must not block theirs."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs until the process ends."""

    def __init__(self, at_exit: Callable[[LoopThread], None]) -> None:
        """``at_exit`` is called when the process ends, while the loop still runs."""
        self._at_exit = at_exit
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="tilores-x", daemon=True)
        self._thread.start()
        atexit.register(self._stop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("ask() was called on its own event loop. Use `await aask(...)` there.")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _stop(self) -> None:
        self._at_exit(self)
        self.loop.call_soon_threadsafe(self.loop.stop)
