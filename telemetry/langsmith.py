"""LangSmith, made safe: its own variables switch it on, a dead endpoint costs nothing, and contents stay here.

Left to itself the client waits for its endpoint at exit (12 to 100 s) and keeps up to 10,000 runs in memory. Here its
threads are daemons, its queue is short, and what is still on its way at the end is waited for only while the endpoint
answers.
"""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from typing import Any

QUEUE = 100
"""Batches of runs that wait to be sent; more are dropped."""

FLUSH_S = 2.0
"""The longest wait, at the end, for runs on their way to an endpoint that answers."""

PROBE_S = 1.0

_lock = threading.Lock()
_tracing: _Tracing | None = None


class _Tracing:
    def __init__(self, client: Any, endpoint: str) -> None:
        self.client = client
        self.endpoint = endpoint
        self.reachable = False
        self._start(self._probe)

    def flush(self, timeout_s: float) -> None:
        if self.reachable:
            self._start(self._flush).join(timeout_s)

    def _probe(self) -> None:
        try:
            with urllib.request.urlopen(f"{self.endpoint.rstrip('/')}/info", timeout=PROBE_S):  # noqa: S310  the operator's
                self.reachable = True
        except urllib.error.HTTPError:
            self.reachable = True
        except (OSError, ValueError):
            self.reachable = False

    def _flush(self) -> None:
        from langchain_core.tracers.langchain import wait_for_all_tracers

        wait_for_all_tracers()
        self.client.flush()

    @staticmethod
    def _start(work: Any) -> threading.Thread:
        thread = threading.Thread(target=work, name="tilores-x-tracing", daemon=True)
        thread.start()
        return thread


def set_up_tracing(*, content: bool = False) -> bool:
    """Prepare LangSmith's client where its variables switch tracing on; True where they do. Later calls change nothing.

    ``content`` lets traces hold questions, answers and records. Call it before the first traced run.
    """
    global _tracing
    if not tracing_wanted():
        return False
    with _lock:
        if _tracing is None:
            os.environ.setdefault("LANGSMITH_USE_DAEMON", "true")
            os.environ.setdefault("LANGSMITH_TRACING_QUEUE_MAX_SIZE", str(QUEUE))
            _tracing = _prepared(content)
    return True


def tracing_wanted() -> bool:
    """Whether the usual variables (``LANGSMITH_TRACING``, or the older names) switch tracing on."""
    names = ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING")
    return any(os.environ.get(name, "").lower() in ("true", "1") for name in names)


def flush_tracing(timeout_s: float = FLUSH_S) -> None:
    """Wait for what is on its way, up to ``timeout_s`` seconds; not at all when the endpoint doesn't answer."""
    if _tracing is not None:
        _tracing.flush(timeout_s)


def _prepared(content: bool) -> _Tracing:
    import langsmith
    from langsmith import utils

    from tilores_x.telemetry.redact import redacted

    getattr(utils.get_env_var, "cache_clear", lambda: None)()  # it may have been read without the two above

    class SafeClient(langsmith.Client):
        """Lets a run leave only after it was redacted."""

        def create_run(self, name: str, inputs: dict[str, Any], run_type: Any, **kwargs: Any) -> None:
            super().create_run(name, **redacted({"inputs": inputs, "run_type": run_type, **kwargs}))

        def update_run(self, run_id: Any, **kwargs: Any) -> None:
            super().update_run(run_id, **redacted(kwargs))

    client = langsmith.Client() if content else SafeClient(omit_traced_runtime_info=True)
    langsmith.configure(client=client)
    return _Tracing(client, client.api_url)
