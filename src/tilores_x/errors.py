"""Every error that tilores-x raises on purpose, named by who must act.

::

    TiloresXError
    ├── ConfigError             the operator: a setting is missing or wrong
    │   ├── InstanceError       the operator: an instance folder, its schema or its rules are broken
    │   └── AccessDenied        the operator: Tilores or a provider refused the credentials or the privilege
    ├── QuestionError           the caller: the question, or an option given with it, can't be used
    │   └── BudgetExceeded      the caller: a limit on cost or tokens is used up
    ├── TryAgain                nobody: the same question may succeed later
    │   ├── TiloresUnavailable  Tilores is unreachable, too slow, or failing
    │   ├── ModelUnavailable    no configured model answered
    │   └── DeadlineExceeded    the time given to the question has run out
    ├── TiloresRefused          the developer: Tilores answered, and its reply carries ``errors``
    └── ToolFailed              the model: this call of a tool can't work as asked

Every message says what happened and what to do about it, and holds no value out of a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class TiloresXError(Exception):
    """The root: catch this to catch everything that tilores-x raises on purpose.

    ``exit_code`` is the command line's exit status for an error of this class.
    """

    exit_code = 1


class ConfigError(TiloresXError):
    """A setting is missing or wrong. The message names the variable or the file, and the remedy."""

    exit_code = 78  # EX_CONFIG of sysexits.h


class InstanceError(ConfigError):
    """An instance's folder, schema or rules can't be used."""


class AccessDenied(ConfigError):
    """Credentials were refused, or they lack a privilege."""

    exit_code = 77  # EX_NOPERM


class QuestionError(TiloresXError):
    """The question, or an option given with it, can't be used."""

    exit_code = 64  # EX_USAGE


class BudgetExceeded(QuestionError):
    """A limit on cost or tokens is used up."""


class TryAgain(TiloresXError):
    """The same question may succeed later.

    ``retry_after_s`` is the wait in seconds that the other side asked for, where it asked for one.
    """

    exit_code = 75  # EX_TEMPFAIL

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TiloresUnavailable(TryAgain):
    """Tilores is unreachable, too slow, or failing."""


class ModelUnavailable(TryAgain):
    """No configured model answered."""


class DeadlineExceeded(TryAgain):
    """The time given to the question has run out."""


class TiloresRefused(TiloresXError):
    """Tilores answered, and its reply carries ``errors``.

    ``errors`` are the reply's own entries, ``data`` what came beside them (or None).
    """

    def __init__(
        self, message: str, *, errors: Sequence[Mapping[str, Any]] = (), data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.errors = list(errors)
        self.data = data


class ToolFailed(TiloresXError):
    """This call of a tool can't work as asked; the message tells the model how to ask instead."""


def public_name(error: TiloresXError) -> str:
    """The class of this module that callers know ``error`` by: a room may raise a kind of its own."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == __name__)
