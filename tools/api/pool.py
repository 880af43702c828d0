"""Connections to the configured instance, or to the embedded one.

The transport is aiohttp's under httpx' interface: httpx' own collapses with a large pool, and loses slots for good when
requests are cancelled at the wrong moment.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx
from pydantic import SecretStr

from tilores_x.errors import ConfigError
from tilores_x.settings import Settings
from tilores_x.tools.api.auth import ClientCredentials
from tilores_x.tools.api.limiter import HIGHEST

#: Where the embedded sandbox is spoken to; the host is no real one, requests go straight to the ASGI application.
EMBEDDED_URL = "http://sandbox/"
#: Seconds that an idle connection is kept open.
KEEPALIVE_S = 30.0


class Pool(NamedTuple):
    """Where requests go, and what carries them."""

    api_url: str
    http: httpx.AsyncClient
    token: ClientCredentials


def open_pool(settings: Settings, app: Any = None) -> Pool:
    """As many connections as requests may ever be under way, so that no request waits for one.

    Raises:
        ConfigError: neither an instance is set nor ``app``, the embedded one's ASGI application, given.
    """
    if settings.api_url is None:
        if app is None:
            raise ConfigError("No Tilores instance: set TILORES_API_URL, or give the embedded sandbox.")
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
        token = ClientCredentials(
            EMBEDDED_URL + "oauth2/token",
            "sandbox",
            SecretStr("sandbox"),
            http=http,
            timeout_s=settings.timeouts.init_s,
        )
        return Pool(EMBEDDED_URL, http, token)
    # Imported here: half a second that the embedded sandbox needs not pay.
    from httpx_aiohttp import HttpxAiohttpClient

    most = settings.concurrency or int(HIGHEST)
    limits = httpx.Limits(max_connections=most + 1, max_keepalive_connections=most + 1, keepalive_expiry=KEEPALIVE_S)
    http = HttpxAiohttpClient(limits=limits)
    assert settings.token_url
    assert settings.client_id
    assert settings.client_secret
    token = ClientCredentials(
        settings.token_url, settings.client_id, settings.client_secret, http=http, timeout_s=settings.timeouts.init_s
    )
    return Pool(settings.api_url, http, token)
