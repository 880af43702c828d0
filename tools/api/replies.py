"""What a GraphQL answer of Tilores means: data, or a typed error that says who must act."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tilores_x.errors import AccessDenied, ConfigError, TiloresRefused, TiloresUnavailable, TiloresXError
from tilores_x.tools.api.failures import Passing, TimedOut, TooLarge
from tilores_x.tools.api.wire import Answer

#: HTTP statuses that usually pass.
PASSING = frozenset({429, 502, 503, 504})
#: The longest wait in seconds that a Retry-After header can ask for.
LONGEST_WAIT_S = 3600.0

_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|`[^`]*`")


def data_of(answer: Answer, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The ``data`` of a successful answer.

    Raises:
        AccessDenied: token or privilege refused; its cause is the TiloresRefused with ``errors`` and ``data``.
        TiloresRefused: the answer carries ``errors``, or Tilores can't read the request.
        TiloresUnavailable: Tilores fails (Passing where it usually passes).
        ConfigError: the answer is none of a GraphQL endpoint.
    """
    status = answer.status
    if status in PASSING:
        raise (TimedOut if status == 504 else Passing)(
            f"Tilores is busy or failing (HTTP status {status}). Try again later.",
            retry_after_s=_retry_after_s(answer.headers.get("retry-after")),
        )
    if status >= 500:
        raise TiloresUnavailable(f"Tilores failed with HTTP status {status}. Try again later.")
    if status == 401:
        raise AccessDenied(
            "Tilores refused the token. Check that TILORES_TOKEN_URL, TILORES_CLIENT_ID and TILORES_API_URL "
            "belong to the same instance."
        )
    if status == 403:
        raise AccessDenied(
            "Tilores forbids the request (HTTP status 403). Check the address in TILORES_API_URL and the "
            "client's privileges."
        )
    if status in (404, 405) or 300 <= status < 400:
        raise ConfigError(
            f"TILORES_API_URL answered with HTTP status {status}: is it the address of the GraphQL endpoint?"
        )
    reply = _parsed(answer)
    if errors := _errors(reply):
        raise refusal(errors, reply.get("data"), document, variables)
    if status >= 400:
        raise _unreadable(answer, reply)
    data = reply.get("data")
    if not isinstance(data, dict):
        raise ConfigError("TILORES_API_URL answered with JSON that is no GraphQL reply: is it the GraphQL endpoint?")
    return data


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        reply = orjson.loads(answer.body)
    except ValueError:
        if answer.status >= 400:
            return {}
        if "html" in answer.headers.get("content-type", "") or answer.body.lstrip()[:1] == b"<":
            raise ConfigError(
                "TILORES_API_URL answered with a web page, not with GraphQL: check the address and any proxy between."
            ) from None
        raise Passing("Tilores sent an answer that is no whole JSON. Try again.") from None
    return reply if isinstance(reply, dict) else {}


def _errors(reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errors = reply.get("errors")
    if not isinstance(errors, list):
        return []
    return [error if isinstance(error, Mapping) else {"message": str(error)} for error in errors]


def _unreadable(answer: Answer, reply: Mapping[str, Any]) -> TiloresXError:
    message = reply.get("message")
    said = message if isinstance(message, str) else answer.body[:200].decode("utf-8", "replace")
    if "too large" in said.lower():
        return TooLarge("The reply would be larger than Tilores sends (6 MiB). Ask for fewer fields or records.")
    return TiloresRefused(f"Tilores can't read the request (HTTP status {answer.status}).")


def refusal(
    errors: list[Mapping[str, Any]], data: object, document: str, variables: Mapping[str, Any]
) -> TiloresRefused | AccessDenied:
    """The error for ``errors`` of a reply, its message without values out of records or ``variables``."""
    kept = data if isinstance(data, dict) else None
    messages = [without_values(str(error.get("message", "no message")), document, variables) for error in errors]
    shown = "; ".join(dict.fromkeys(messages[:5]))
    denied = [message for message in messages if message.lower().startswith("access denied")]
    refused = TiloresRefused(f"Tilores refused: {shown}{_remedy(errors)}", errors=errors, data=kept)
    if denied:
        access = AccessDenied(f"Tilores refused: {denied[0]}. Have the privilege granted to TILORES_CLIENT_ID.")
        access.__cause__ = refused
        return access
    return refused


def _remedy(errors: list[Mapping[str, Any]]) -> str:
    codes = {code for error in errors if isinstance(code := _code(error), str)}
    if codes & {"GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"}:
        return ". The instance's schema may have changed since it was read: start again to read it anew."
    return ""


def _code(error: Mapping[str, Any]) -> object:
    extensions = error.get("extensions")
    return extensions.get("code") if isinstance(extensions, Mapping) else None


def without_values(message: str, document: str, variables: Mapping[str, Any]) -> str:
    """``message`` without what it quotes out of records or variables; names that stand in ``document`` stay."""

    def shown(match: re.Match[str]) -> str:
        inner = match[0][1:-1]
        return match[0] if inner and inner in document else "…"

    for value in sorted(set(_texts(variables)), key=len, reverse=True):
        if len(value) > 2 and value not in document:
            message = message.replace(value, "…")
    return _QUOTED.sub(shown, message)[:500]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header; None where it is absent or a date (Tilores' gateway sends seconds)."""
    try:
        seconds = float(header) if header else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_WAIT_S else None
