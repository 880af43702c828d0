"""Failures of a request, told apart by what may be tried next."""

from __future__ import annotations

from tilores_x.errors import TiloresRefused, TiloresUnavailable


class Passing(TiloresUnavailable):
    """A failure that usually passes (connection refused or broken, 429, 502, 503, 504): a read is tried again."""


class Late(TiloresUnavailable):
    """No answer within the time of one request: lookups that travelled together are asked for in smaller parts."""


class TimedOut(Passing, Late):
    """Tilores itself, or what stands before it, gave up waiting (504)."""


class TooLarge(TiloresRefused):
    """The reply is larger than Tilores sends, or than the client reads."""
