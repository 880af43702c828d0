"""OAuth2 client credentials: random tokens that expire, each with its scopes (RFC 6749, section 4.4)."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from tilores_x.sandbox.api.resolvers import PRIVILEGES

SCOPES: Final = frozenset(PRIVILEGES.values())


class Tokens:
    """Issues and checks the tokens of one client. ``clock`` counts seconds."""

    def __init__(
        self, client_id: str, client_secret: str, *, ttl_s: float = 3600, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = f"{client_id}:{client_secret}".encode()
        self._ttl_s = ttl_s
        self._clock = clock
        self._issued: dict[str, tuple[float, frozenset[str]]] = {}

    def issue(self, authorization: str | None, form: bytes) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to a token request; without a ``scope`` all scopes are given."""
        given = {name: values[0] for name, values in parse_qs(form.decode("utf-8", "replace")).items()}
        client = _basic(authorization)
        if client is None:
            client = f"{given.get('client_id', '')}:{given.get('client_secret', '')}".encode()
        if not hmac.compare_digest(client, self._client):
            return 401, {"error": "invalid_client"}
        if given.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type" if given.get("grant_type") else "invalid_request"}
        scopes = frozenset(given.get("scope", "").split()) or SCOPES
        if not scopes <= SCOPES:
            return 400, {"error": "invalid_scope"}
        now = self._clock()
        self._issued = {token: entry for token, entry in self._issued.items() if entry[0] > now}
        token = secrets.token_urlsafe(32)
        self._issued[token] = (now + self._ttl_s, scopes)
        return 200, {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self._ttl_s),
            "scope": " ".join(sorted(scopes)),
        }

    def scopes(self, authorization: str | None) -> frozenset[str] | None:
        """The scopes of a request's bearer token; None where it has no valid one."""
        kind, _, token = (authorization or "").partition(" ")
        entry = self._issued.get(token.strip())
        if kind.lower() != "bearer" or entry is None or entry[0] <= self._clock():
            return None
        return entry[1]


def _basic(authorization: str | None) -> bytes | None:
    kind, _, encoded = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
