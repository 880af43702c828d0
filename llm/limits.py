"""What a provider's response headers say about its limits: how long to wait, what is left, when it is full again.

The header names are those of OpenAI and Groq (``x-ratelimit-remaining-tokens``), of Cerebras
(``x-ratelimit-remaining-tokens-minute``) and of RFC 9110 (``retry-after``). Headers come from outside: whatever can't
be read counts as absent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

LONGEST_WAIT_S = 300.0
"""No header makes a model wait longer than this for its next trial."""

UNKNOWN_RESET_S = 60.0
"""Limits are counted per minute by every provider in the catalogue: assumed where no reset is named."""

_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+")
_COUNTED = re.compile(r"x-ratelimit-(limit|remaining|reset)-(requests|tokens)(?:-(minute|hour|day))?")


class Quota(NamedTuple):
    """What is left of one limit. ``resets_at`` is in epoch seconds; ``limit`` is None where it isn't named."""

    remaining: float
    resets_at: float
    limit: float | None = None


class Quotas(NamedTuple):
    requests: Quota | None = None
    tokens: Quota | None = None


def duration_s(text: str) -> float | None:
    """Seconds out of ``7.66s``, ``2m59.56s``, ``120ms`` or ``12``; None for anything else."""
    text = text.strip().lower()
    if len(text) > 40 or not text.isascii():
        return None
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
    return _number(text)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the provider asks to wait, at most ``LONGEST_WAIT_S``; None where it asks for nothing readable.

    ``now`` is in epoch seconds: ``retry-after`` may be a date.
    """
    found = {name.lower(): value for name, value in headers.items()}
    in_ms = _number(found.get("retry-after-ms", ""))
    if in_ms is not None:
        return min(in_ms / 1000, LONGEST_WAIT_S)
    text = found.get("retry-after")
    if text is None:
        return None
    wait_s = duration_s(text)
    if wait_s is None:
        wait_s = _until_s(text, now)
    return None if wait_s is None else min(wait_s, LONGEST_WAIT_S)


def quotas(headers: Mapping[str, str], now: float) -> Quotas | None:
    """What is left of the limits on requests and tokens; None where the headers say nothing.

    Where a provider counts over several periods, the one with the least left is the one that binds.
    """
    counted: dict[tuple[str, str], dict[str, float]] = {}
    for name, value in headers.items():
        match = _COUNTED.fullmatch(name.lower())
        if match is None:
            continue
        kind, what, period = match.groups()
        number = duration_s(value) if kind == "reset" else _number(value)
        if number is not None:
            counted.setdefault((what, period or ""), {})[kind] = number
    found: dict[str, Quota] = {}
    for (what, _), numbers in counted.items():
        if "remaining" not in numbers:
            continue
        resets_at = now + min(numbers.get("reset", UNKNOWN_RESET_S), 86400.0)
        quota = Quota(numbers["remaining"], resets_at, numbers.get("limit"))
        if what not in found or _share(quota) < _share(found[what]):
            found[what] = quota
    return Quotas(found.get("requests"), found.get("tokens")) if found else None


def _share(quota: Quota) -> float:
    return quota.remaining / quota.limit if quota.limit else quota.remaining


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _until_s(text: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
