"""Clients for every kind of Redis: one server, TLS, a Unix socket, Sentinel, Cluster.

``redis://``, ``rediss://``, ``unix://`` as redis-py reads them; ``redis+sentinel://host:port,host:port/service/db`` and
``redis+cluster://host:port`` (``rediss+…`` with TLS). User and password stand before the host, as usual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tilores_x.errors import ConfigError
from tilores_x.llm.cache.guard import TIMEOUT_S

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.cluster import RedisCluster

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
MOST_CONNECTIONS = 16
"""Opening one costs more than waiting for one: a server answers tens of thousands of calls a second on few of them."""
SENTINEL_PORT = 26379


def is_redis(url: str | None) -> bool:
    return bool(url) and str(url).partition("://")[0] in SCHEMES and "://" in str(url)


def connect(url: str, timeout_s: float = TIMEOUT_S) -> Redis | RedisCluster:
    """A client that gives up after ``timeout_s`` and tries nothing twice. It belongs to the running event loop.

    Raises:
        ConfigError: the URL can't be used.
    """
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    bounds: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    quiet = {"driver_info": None}  # two round trips less for each connection
    never = {"retry": Retry(NoBackoff(), 0)}
    scheme, _, _ = url.partition("://")
    try:
        if scheme.endswith("+sentinel"):
            return _by_sentinel(url, bounds, never)
        if scheme.endswith("+cluster"):
            from redis.asyncio.cluster import RedisCluster

            plain = url.replace("+cluster", "", 1)
            return RedisCluster.from_url(plain, **bounds, **never)
        pool = BlockingConnectionPool.from_url(
            url, max_connections=MOST_CONNECTIONS, timeout=timeout_s, protocol=2, **bounds, **never, **quiet
        )
        return Redis.from_pool(pool)
    except ValueError as error:
        raise ConfigError(f"TILORES_CACHE is no URL of a Redis: {error}.") from None


def _by_sentinel(url: str, bounds: dict[str, Any], never: dict[str, Any]) -> Redis:
    from redis.asyncio.sentinel import Sentinel

    parts = urlsplit(url)
    hosts = [host.rpartition(":") for host in parts.netloc.rpartition("@")[2].split(",")]
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise ConfigError("TILORES_CACHE names no Sentinel service: redis+sentinel://host:26379/service.")
    access = {
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
    }
    sentinels = [(host or port, int(port) if host else SENTINEL_PORT) for host, _, port in hosts]
    tls = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    options = {**bounds, **never, **access, **tls}
    sentinel = Sentinel(sentinels, sentinel_kwargs={**bounds, **never, **tls}, **options)  # type: ignore[no-untyped-call]
    master: Redis = sentinel.master_for(service, db=int(db or 0), max_connections=MOST_CONNECTIONS)
    return master
