"""What went wrong with an upstream call, in words that hold neither a key nor anything out of a record.

The SDKs of OpenAI, Groq and Fireworks are made by one generator: their errors carry ``status_code``, ``response`` and
``body`` under the same names, so that no SDK needs to be imported to read them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tilores_x.errors import ModelUnavailable
from tilores_x.llm.health import Outcome


class CutShort(ModelUnavailable):
    """The answer ended without a finish reason, or could not be read as one: what came is a fragment."""


class BadToolCall(ModelUnavailable):
    """The model wrote a tool call whose arguments are no JSON object."""


class Fault(NamedTuple):
    """``text`` is safe to show: the class of error, the status and the provider's error code, never its message."""

    outcome: Outcome
    text: str
    headers: Mapping[str, str] | None = None

    @property
    def again(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.outcome in (Outcome.FAILED, Outcome.LIMITED)


_CODE = re.compile(r"[a-z][a-z0-9_]{2,39}")
_LIMITS = {"rate_limit_exceeded", "rate_limit_error", "tokens", "requests", "too_many_requests", "insufficient_quota"}
_BY_STATUS = {
    401: Outcome.DENIED,
    403: Outcome.DENIED,
    404: Outcome.UNKNOWN_MODEL,
    408: Outcome.FAILED,
    409: Outcome.FAILED,
    425: Outcome.FAILED,
    429: Outcome.LIMITED,
}


def fault_of(error: BaseException) -> Fault:
    """Read an exception that a chat model raised; whatever isn't known counts as a failure of the provider."""
    if isinstance(error, BadToolCall):
        return Fault(Outcome.TOOL_USE_FAILED, str(error))
    if isinstance(error, CutShort):
        return Fault(Outcome.FAILED, str(error))
    if isinstance(error, UnicodeEncodeError):
        return Fault(Outcome.REFUSED, "the conversation holds characters that can't be sent (lone surrogates)")
    status = getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None)
    code = _code(getattr(error, "body", None))
    if status is None and isinstance(response_status := getattr(response, "status_code", None), int):
        status = response_status if response_status >= 400 else None
    if not isinstance(status, int):
        return Fault(_by_code(code), _words(type(error).__name__, code), headers)
    text = _words(f"HTTP {status}", code)
    if code == "tool_use_failed":
        return Fault(Outcome.TOOL_USE_FAILED, text, headers)
    outcome = _BY_STATUS.get(status, Outcome.FAILED if status >= 500 else Outcome.REFUSED)
    return Fault(outcome, text, headers)


def _by_code(code: str | None) -> Outcome:
    if code == "tool_use_failed":
        return Outcome.TOOL_USE_FAILED
    return Outcome.LIMITED if code in _LIMITS else Outcome.FAILED


def _words(what: str, code: str | None) -> str:
    return f"{what} ({code})" if code else what


def _code(body: Any) -> str | None:
    """The provider's error code, where it is a code indeed and not a text that could hold anything."""
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error", body)
    if not isinstance(inner, Mapping):
        return None
    for name in ("code", "type"):
        value = inner.get(name)
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
    return None
