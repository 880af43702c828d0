"""The client before a real sandbox in a process of its own, with a proxy between that does its worst."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from httpx_aiohttp import HttpxAiohttpClient
from pydantic import SecretStr
from support.loopback import loopback, served
from support.proxy import Fate, Proxy, proxy
from support.sandbox_process import SandboxProcess, sandbox_process
from support.small_instance import write_instance

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import DeadlineExceeded, TiloresRefused, TiloresUnavailable
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.settings import Settings
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.api.wire import MAX_BODY_BYTES

TEXT = "search(input: $input) { totalCount entities { id } }"


def ann(page: int = 1) -> Lookup:
    parameters = {"email": "ann@mail.example"}
    return Lookup(TEXT, {"input": {"parameters": parameters, "page": page}}, {"input": "SearchInput!"})


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    folder = tmp_path_factory.mktemp("faults")
    with sandbox_process(write_instance(folder / "small"), cache_dir=folder) as running:
        yield running


@pytest.fixture
async def between(sandbox: SandboxProcess) -> AsyncIterator[Proxy]:
    async with proxy(port_of(sandbox.facts["api_url"])) as standing:
        yield standing


@pytest.fixture
async def client(between: Proxy, sandbox: SandboxProcess, tmp_path: Path) -> AsyncIterator[TiloresClient]:
    """Knows its token already: what goes wrong afterwards goes wrong with requests."""
    async with opened(between, sandbox.facts, tmp_path) as client:
        assert await client.look_up(ann()) == await client.look_up(ann())
        yield client


def port_of(url: str) -> int:
    return int(url.rstrip("/").rpartition(":")[2])


def opened(between: Proxy, facts: Mapping[str, str], tmp_path: Path, **more: Any) -> TiloresClient:
    return TiloresClient.from_settings(
        Settings(
            api_url=between.url,
            token_url=facts["token_url"],
            client_id="sandbox",
            client_secret=SecretStr("sandbox"),
            cache_dir=tmp_path,
            **more,
        )
    )


def once(fate: Fate, between: Proxy) -> None:
    """``fate`` meets the next exchange, and no other."""
    met = between.exchanges
    between.fate = lambda number, request: fate if number == met else Fate()


@pytest.mark.parametrize(
    "fate",
    [
        Fate(delay_s=0.05),
        Fate(slice_bytes=1),
        Fate(then="reset"),
        Fate(then="cut"),
        Fate(then="cut", after_bytes=40),
        Fate(then="cut", after_bytes=140),
    ],
    ids=lambda fate: f"{fate.then or 'passes'} {fate.after_bytes} {fate.slice_bytes}",
)
async def test_reads_survive_what_passes(fate: Fate, between: Proxy, client: TiloresClient) -> None:
    once(fate, between)
    assert (await client.look_up(ann()))["totalCount"] == 1
    once(fate, between)
    found = await asyncio.gather(*(client.look_up(ann(page)) for page in range(1, 6)))
    assert [one["totalCount"] for one in found] == [1] * 5


@pytest.mark.parametrize(
    "fate", [Fate(then="stall"), Fate(then="stall", after_bytes=60), Fate(then="swallow")], ids=str
)
async def test_the_deadline_holds_whatever_hangs(fate: Fate, between: Proxy, client: TiloresClient) -> None:
    between.fate = lambda number, request: fate
    for asked in (1, 5):
        with deadline_scope(Deadline.after(0.2)):
            found = await asyncio.gather(
                *(client.look_up(ann(page)) for page in range(1, asked + 1)), return_exceptions=True
            )
        assert {type(one) for one in found} == {DeadlineExceeded}
    assert client._limiter.busy == 0


async def test_a_slow_trickle_does_not_outlive_the_deadline(between: Proxy, client: TiloresClient) -> None:
    between.fate = lambda number, request: Fate(delay_s=60)
    with deadline_scope(Deadline.after(0.2)), pytest.raises(DeadlineExceeded):
        await client.execute("{ metrics { assemblyStatus { state } } }")


@pytest.mark.parametrize("fate", [Fate(then="reset"), Fate(then="cut"), Fate(then="cut", after_bytes=40)], ids=str)
async def test_changes_are_sent_once(fate: Fate, between: Proxy, client: TiloresClient) -> None:
    once(fate, between)
    sent = between.exchanges
    with pytest.raises(TiloresUnavailable, match="unknown whether"):
        await client.submit([{"id": "once-1", "email": "once@mail.example"}])
    assert between.exchanges == sent + 1


async def test_a_change_is_asked_once_even_when_reads_are_asked_twice(
    between: Proxy, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async with opened(between, sandbox.facts, tmp_path, hedge_reads=True, batch=1) as client:
        await measured(between, client)
        between.fate = lambda number, request: Fate(delay_s=0.3)
        sent = between.exchanges
        assert await client.submit([{"id": "twice-1", "email": "twice@mail.example"}]) == 1
        assert between.exchanges == sent + 1
        before = client.report()["hedged"]
        once(Fate(then="stall"), between)
        assert (await client.look_up(ann()))["totalCount"] == 1
        assert client.report()["hedged"] == before + 1


async def measured(between: Proxy, client: TiloresClient) -> None:
    """The client knows the instance, and that a few of its answers are late."""
    between.fate = lambda number, request: Fate(delay_s=0.5 if number % 30 == 7 else 0.02)
    client._reader.hedging = False  # or what may be asked twice is used up
    for _ in range(3):
        await asyncio.gather(*(client.look_up(ann(page)) for page in range(1, 11)))
    client._reader.hedging = True
    assert client.observed is not None


async def test_cancelled_work_stops_upstream_within_a_second(between: Proxy, client: TiloresClient) -> None:
    between.fate = lambda number, request: Fate(then="swallow")
    asked = between.exchanges
    waiting = [asyncio.create_task(client.look_up(ann(page))) for page in range(1, 11)]
    while between.exchanges == asked:
        await asyncio.sleep(0.01)
    left = len(between.left)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    cancelled_at = time.monotonic()
    while len(between.left) == left:
        await asyncio.sleep(0.01)
        assert time.monotonic() < cancelled_at + 1
    assert client._limiter.busy == 0


@pytest.mark.parametrize("batch", [None, 1])
async def test_ten_thousand_cancelled_calls_leave_nothing_behind(
    between: Proxy, sandbox: SandboxProcess, tmp_path: Path, batch: int | None
) -> None:
    """Cancelled at every moment of their life: before they are sent, in a queue, under way, at the answer."""
    async with opened(between, sandbox.facts, tmp_path, batch=batch) as client:
        await client.look_up(ann())
        between.fate = lambda number, request: Fate(delay_s=number % 7 / 1000)
        for wave in range(100):
            calls = [asyncio.create_task(client.look_up(ann(1 + (wave * 100 + at) % 3000))) for at in range(100)]
            await asyncio.sleep(wave % 9 / 1000)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        between.fate = lambda number, request: Fate()
        await asyncio.sleep(0.1)
        assert client._limiter.busy == 0
        assert not client._limiter._waiting
        assert not client._lookups._sharing._flying
        assert not client._lookups._trips._running
        assert len(between.open) <= client._limiter.limit
        found = await asyncio.gather(*(client.look_up(ann(page)) for page in range(1, 101)))
        assert [one["totalCount"] for one in found] == [1] * 100
    while between.open:
        await asyncio.sleep(0.01)
    own = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in own if "support/" not in repr(task)]


async def test_a_reply_of_fifty_megabytes_is_refused_and_never_held() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            writer.write(b"x" * 100_000)
            await writer.drain()

    async with loopback(endless) as server, TiloresClient(server.url, http=HttpxAiohttpClient()) as client:
        tracemalloc.start()
        try:
            with pytest.raises(TiloresRefused, match="larger than"):
                await client.look_up(ann())
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak_bytes < MAX_BODY_BYTES + 4 * 2**20


async def test_a_token_that_expires_under_fifty_lookups_is_renewed_once(tmp_path: Path) -> None:
    app = await create_app(load_instance(str(write_instance(tmp_path / "small"))), token_ttl_s=1)
    fetched = 0

    def fate(number: int, request: bytes) -> Fate:
        nonlocal fetched
        fetched += request.startswith(b"POST /oauth2/token")
        return Fate(delay_s=0.02)

    async with served(app) as url, proxy(port_of(url)) as between:
        between.fate = fate
        facts = {"token_url": between.url + "oauth2/token"}
        async with opened(between, facts, tmp_path, batch=1) as client:
            await client.look_up(ann())
            await asyncio.sleep(1.1)
            found = await asyncio.gather(*(client.look_up(ann(page)) for page in range(1, 51)))
            assert [one["totalCount"] for one in found] == [1] * 50
            assert fetched == 2


async def test_a_server_that_dies_under_many_lookups_fails_them_all(tmp_path: Path) -> None:
    with sandbox_process(write_instance(tmp_path / "small"), cache_dir=tmp_path) as dying:
        async with proxy(port_of(dying.facts["api_url"])) as between, opened(between, dying.facts, tmp_path) as client:
            await client.look_up(ann())
            between.fate = lambda number, request: Fate(then="swallow")
            calls = [asyncio.create_task(client.look_up(ann(page))) for page in range(1, 20)]
            await asyncio.sleep(0.05)
            dying.kill()
            between.fate = lambda number, request: Fate()
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(one, TiloresUnavailable) for one in found)
            assert client._limiter.busy == 0
