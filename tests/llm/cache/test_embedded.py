"""The redis-server out of the wheel: started once, shared, ended by the last, brought back when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tilores_x.errors import ConfigError
from tilores_x.llm.cache.embedded import EmbeddedRedis
from tilores_x.llm.cache.opening import open_cache, place_of
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.settings import Settings

SCRIPT = """
import asyncio, sys
from pathlib import Path
from tilores_x.llm.cache.embedded import EmbeddedRedis
from tilores_x.llm.cache.redis import RedisTier

async def main():
    server = EmbeddedRedis(Path(sys.argv[1]))
    await server.start()
    await RedisTier(server.url).client.set("left", "here")
    print("up", flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


def answers(server: EmbeddedRedis) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(server.socket))
        return True
    return False


async def test_two_share_it_and_the_last_one_ends_it(tmp_path: Path) -> None:
    one, two = EmbeddedRedis(tmp_path / "r"), EmbeddedRedis(tmp_path / "r")
    await asyncio.gather(one.start(), two.start())
    tier = RedisTier(two.url)
    await tier.client.set("kept", "yes")
    await one.leave()
    assert answers(two)
    await tier.aclose()
    await two.leave()
    assert not answers(two)
    await one.start()
    tier = RedisTier(one.url)
    assert await tier.client.get("kept") == b"yes", "its data is in a file"
    await tier.aclose()
    await one.leave()
    assert not answers(one)


async def test_another_process_keeps_it_up_and_ends_it_though_nobody_closes_it(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    here = EmbeddedRedis(folder)
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert await asyncio.to_thread(other.stdout.readline) == b"up\n"
        await here.start()
        await here.leave()
        assert answers(here), "the other process still uses it"
        other.stdin.write(b"\n")
        other.stdin.flush()
        await asyncio.to_thread(other.wait, 10)
    assert not answers(here)


async def test_it_ends_after_users_that_were_killed(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        assert other.stdout is not None
        await asyncio.to_thread(other.stdout.readline)
        other.kill()
    until = time.monotonic() + 15
    while answers(EmbeddedRedis(folder)):
        assert time.monotonic() < until
        await asyncio.sleep(0.1)


async def test_a_deep_folder_will_do(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = EmbeddedRedis(deep)
    await server.start()
    assert answers(server)
    assert server.socket.parent.stat().st_mode & 0o077 == 0
    await server.leave()


async def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can be started"):
        await EmbeddedRedis(tmp_path / "file" / "r").start()


async def test_a_killed_server_is_brought_back(tmp_path: Path) -> None:
    async with open_cache(Settings(cache="embedded", cache_dir=tmp_path)) as cache:
        assert cache is not None
        await cache.ready()
        tier = cache.store.shared
        assert isinstance(tier, RedisTier)
        info = await tier.client.info("server")
        os.kill(int(info["process_id"]), signal.SIGKILL)
        until = time.monotonic() + 15
        while True:
            assert time.monotonic() < until
            await cache.store.epochs.sync()
            with contextlib.suppress(Exception):
                await tier.guard.run(lambda: tier.client.ping())
                again = await tier.client.info("server")
                if again["process_id"] != info["process_id"]:
                    break
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("cache", "api_url", "place"),
    [
        (None, None, "embedded"),
        (None, "https://t.example", "memory"),
        ("memory", None, "memory"),
        ("off", None, "off"),
        ("rediss://h", None, "rediss://h"),
    ],
)
def test_where_entries_lie(cache: str | None, api_url: str | None, place: str) -> None:
    more = {"token_url": "https://t.example", "client_id": "a", "client_secret": "b"} if api_url else {}
    assert place_of(Settings(cache=cache, api_url=api_url, **more)) == place  # type: ignore[arg-type]


def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="TILORES_CACHE must be"):
        place_of(Settings(cache="memcached://h"))
