"""The client against servers that misbehave, and against the sandbox over a real socket."""

from __future__ import annotations

import asyncio
import gzip
import logging
import traceback
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from httpx_aiohttp import HttpxAiohttpClient
from pydantic import SecretStr
from support.loopback import Reply, hangs, loopback, resets, says, sends, served
from support.small_instance import PEOPLE, write_instance

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import (
    AccessDenied,
    ConfigError,
    DeadlineExceeded,
    QuestionError,
    TiloresRefused,
    TiloresUnavailable,
    TiloresXError,
)
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.settings import Settings
from tilores_x.tools.api.client import TiloresClient

QUERY = "query q($id: ID!) { entity(input: {id: $id}) { entity { id } } }"
FOUND: dict[str, Any] = {"data": {"entity": {"entity": {"id": "e1"}}}}
CANARY = "jane.canary@example.com"


@asynccontextmanager
async def client_of(url: str, **options: Any) -> AsyncIterator[TiloresClient]:
    async with TiloresClient(url, http=HttpxAiohttpClient(), **options) as client:
        yield client


def settings_of(url: str, tmp_path: Path, **more: Any) -> Settings:
    return Settings(
        api_url=url,
        token_url=url + "oauth2/token",
        client_id=more.pop("client_id", "sandbox"),
        client_secret=SecretStr(more.pop("secret", "sandbox")),
        cache_dir=tmp_path,
        **more,
    )


async def test_data_is_returned_and_variables_travel_apart() -> None:
    async with loopback(says(FOUND)) as server, client_of(server.url) as client:
        assert await client.execute(QUERY, {"id": "e1"}) == FOUND["data"]
    assert server.requests[0].json == {"query": QUERY, "variables": {"id": "e1"}}
    assert server.requests[0].headers["accept-encoding"] == "gzip"


ERRORS: dict[str, tuple[Reply, type[TiloresXError], str]] = {
    "a resolver's error": (says({"errors": [{"message": "no such rule set"}]}), TiloresRefused, "no such rule set"),
    "a missing privilege": (
        says({"errors": [{"message": "access denied, required privilege: tilores/query.search", "path": ["search"]}]}),
        AccessDenied,
        "tilores/query.search.*TILORES_CLIENT_ID",
    ),
    "an invalid document": (
        says(
            {
                "errors": [
                    {
                        "message": 'Cannot query field "hits" on type "Entity".',
                        "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"},
                    }
                ],
                "data": None,
            },
            status=422,
        ),
        TiloresRefused,
        "schema may have changed",
    ),
    "bad JSON sent": (says({"message": "bad"}, status=400), TiloresRefused, "400"),
    "a reply too large for Tilores": (
        says({"message": "Response body too large: 7000000"}, status=400),
        TiloresRefused,
        "fewer fields",
    ),
    "a forbidden address": (says({"message": "Missing Authentication Token"}, status=403), AccessDenied, "403"),
    "a wrong address": (says({"message": "Not Found"}, status=404), ConfigError, "TILORES_API_URL"),
    "a redirect": (says("", status=302, headers={"Location": "http://127.0.0.1:1/"}), ConfigError, "302"),
    "a web page": (says("<!doctype html><p>Login", kind="text/html"), ConfigError, "web page"),
    "JSON that is no GraphQL": (says({"hello": "world"}), ConfigError, "no GraphQL reply"),
    "a list": (says("[]"), ConfigError, "no GraphQL reply"),
    "half of some JSON": (says('{"data": {"enti'), TiloresUnavailable, "no whole JSON"),
    "failing for good": (says("oops", status=500), TiloresUnavailable, "500"),
    "failing as a web page": (says("<html>", status=502, kind="text/html"), TiloresUnavailable, "502"),
    "too many requests": (says("", status=429), TiloresUnavailable, "429"),
    "a broken connection": (resets(), TiloresUnavailable, "broke"),
    "no HTTP at all": (sends(b"SSH-2.0-OpenSSH\r\n\r\n"), TiloresUnavailable, "broke"),
    "half of a body": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"), TiloresUnavailable, "broke"),
    "a wrong encoding": (says("x", headers={"Content-Encoding": "br"}), TiloresUnavailable, "br"),
    "no gzip": (says("plain", headers={"Content-Encoding": "gzip"}), TiloresUnavailable, "decompress"),
    "half of some gzip": (
        says(gzip.compress(b'{"data": {}}' * 99)[:40], headers={"Content-Encoding": "gzip"}),
        TiloresUnavailable,
        "too early",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
async def test_each_failure_has_its_type_cause_and_remedy(case: str) -> None:
    reply, kind, said = ERRORS[case]
    async with loopback(reply) as server, client_of(server.url) as client:
        with pytest.raises(kind, match=said):
            await client.execute(QUERY, {"id": CANARY})


async def test_data_beside_errors_is_kept() -> None:
    reply = {"data": {"a": {"entity": None}, "b": None}, "errors": [{"message": "no", "path": ["b"]}]}
    async with loopback(says(reply)) as server, client_of(server.url) as client:
        with pytest.raises(TiloresRefused) as caught:
            await client.execute(QUERY, {"id": "e1"})
    assert caught.value.data == reply["data"]
    assert caught.value.errors == reply["errors"]


async def test_data_beside_a_denied_privilege_is_kept_too() -> None:
    reply = {"data": {"a": {"id": "e1"}}, "errors": [{"message": "access denied, required privilege: x"}]}
    async with loopback(says(reply)) as server, client_of(server.url) as client:
        with pytest.raises(AccessDenied) as caught:
            await client.execute(QUERY, {"id": "e1"})
    assert isinstance(caught.value.__cause__, TiloresRefused)
    assert caught.value.__cause__.data == reply["data"]


async def test_no_value_gets_into_errors_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    message = f'Variable "$id" got invalid value "{CANARY}"; strconv.ParseFloat: parsing "4111 1111": bad, {CANARY}'
    reply = says({"errors": [{"message": message, "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]}, status=422)
    async with loopback(reply) as server, client_of(server.url) as client:
        with pytest.raises(TiloresRefused) as caught:
            await client.execute(QUERY, {"id": CANARY})
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert CANARY not in told
    assert "4111" not in told
    assert '"$id"' in str(caught.value)


@pytest.mark.parametrize(
    "first", [resets(), says("", status=429), says("", status=502), says("", status=503), says("", status=504)]
)
async def test_reads_are_tried_again(first: Reply) -> None:
    async with loopback(first, says(FOUND)) as server, client_of(server.url) as client:
        assert await client.execute(QUERY, {"id": "e1"}) == FOUND["data"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("first", [resets(), says("", status=503), says("", status=429)])
@pytest.mark.parametrize("through", ["submit", "execute"])
async def test_changes_are_never_tried_again(first: Reply, through: str) -> None:
    done = {"data": {"submit": {"recordsAdded": 1}}}
    async with loopback(first, says(done)) as server, client_of(server.url) as client:
        document = "fragment f on SubmitOutput { recordsAdded } mutation m { submit { ...f } }"
        change = client.submit([{"id": "r1"}]) if through == "submit" else client.execute(document)
        with pytest.raises(TiloresUnavailable) as caught:
            await change
    assert len(server.requests) == 1
    assert through == "execute" or "unknown whether" in str(caught.value)


async def test_a_lasting_failure_is_tried_three_times() -> None:
    async with loopback(says("", status=503)) as server, client_of(server.url) as client:
        with pytest.raises(TiloresUnavailable):
            await client.execute(QUERY, {"id": "e1"})
    assert len(server.requests) == 3


async def test_a_wait_that_reaches_past_the_deadline_is_not_waited() -> None:
    busy = says("", status=503, headers={"Retry-After": "60"})
    async with loopback(busy, says(FOUND)) as server, client_of(server.url) as client:
        with deadline_scope(Deadline.after(5)), pytest.raises(TiloresUnavailable) as caught:
            await client.execute(QUERY, {"id": "e1"})
    assert caught.value.retry_after_s == 60
    assert len(server.requests) == 1


async def test_slow_answers_end_at_the_timeout_or_at_the_deadline() -> None:
    async with loopback(hangs()) as server, client_of(server.url) as client:
        with pytest.raises(TiloresUnavailable, match=r"within 0\.05 s"):
            await client.execute(QUERY, {"id": "e1"}, timeout_s=0.05)
        with deadline_scope(Deadline.after(0.05)), pytest.raises(DeadlineExceeded):
            await client.execute(QUERY, {"id": "e1"})
        with deadline_scope(Deadline.after(0)), pytest.raises(DeadlineExceeded):
            await client.execute(QUERY, {"id": "e1"})
    assert len(server.requests) == 2


async def test_a_body_that_never_ends_is_bounded_in_time() -> None:
    started = sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", then_close=False)

    async def stalled(writer: asyncio.StreamWriter) -> None:
        await started(writer)
        await asyncio.sleep(60)

    async with loopback(stalled) as server, client_of(server.url) as client:
        with pytest.raises(TiloresUnavailable):
            await client.execute(QUERY, {"id": "e1"}, timeout_s=0.1)


async def test_gzip_is_read() -> None:
    body = gzip.compress(b'{"data": {"a": 1}}')
    async with (
        loopback(says(body, headers={"Content-Encoding": "gzip"})) as server,
        client_of(server.url) as client,
    ):
        assert await client.execute(QUERY, {"id": "e1"}) == {"a": 1}


@pytest.mark.parametrize("packed", [False, True])
async def test_bodies_over_the_cap_are_not_read(packed: bool) -> None:
    body = b'{"data": "' + b"x" * 50_000_000 + b'"}'
    headers = {"Content-Encoding": "gzip"} if packed else {}
    reply = says(gzip.compress(body, 1) if packed else body, headers=headers)
    async with loopback(reply) as server, client_of(server.url, max_body_bytes=100_000) as client:
        tracemalloc.start()
        try:
            with pytest.raises(TiloresRefused, match="larger than 100,000 bytes"):
                await client.execute(QUERY, {"id": "e1"})
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    # A few KB of gzip can swell to many MB at once.
    assert not packed or peak_bytes < 5_000_000


async def test_an_unreachable_address_is_named() -> None:
    async with client_of("http://127.0.0.1:1/") as client:
        with pytest.raises(TiloresUnavailable, match=r"can't be reached.*TILORES_API_URL"):
            await client.execute(QUERY, {"id": "e1"})


async def test_text_that_is_no_unicode_is_the_callers_fault() -> None:
    async with client_of("http://127.0.0.1:1/") as client:
        with pytest.raises(QuestionError, match="Unicode"):
            await client.execute(QUERY, {"id": "\ud800"})


async def test_a_token_refused_under_fifty_callers_is_renewed_once(tmp_path: Path) -> None:
    seen: list[str] = []

    def reply(writer: asyncio.StreamWriter) -> Any:
        request = server.requests[-1]
        if request.path == "/oauth2/token":
            seen.append("token")
            return says({"access_token": f"t{seen.count('token')}", "expires_in": 3600}, after_s=0.05)(writer)
        fresh = request.headers["authorization"] == "Bearer t2"
        return (says(FOUND) if fresh else says({"message": "Unauthorized"}, status=401))(writer)

    async with loopback(reply) as server, TiloresClient.from_settings(settings_of(server.url, tmp_path)) as client:
        found = await asyncio.gather(*(client.execute(QUERY, {"id": "e1"}) for _ in range(50)))
    assert found == [FOUND["data"]] * 50
    assert seen == ["token", "token"]


async def test_a_token_refused_again_is_an_error_of_the_operators(tmp_path: Path) -> None:
    def reply(writer: asyncio.StreamWriter) -> Any:
        if server.requests[-1].path == "/oauth2/token":
            return says({"access_token": f"t{len(server.requests)}", "expires_in": 3600})(writer)
        return says({"message": "Unauthorized"}, status=401)(writer)

    async with loopback(reply) as server, TiloresClient.from_settings(settings_of(server.url, tmp_path)) as client:
        with pytest.raises(AccessDenied, match="TILORES_TOKEN_URL"):
            await client.execute(QUERY, {"id": "e1"})
    assert len(server.requests) == 4


async def test_closing_stops_what_runs_in_the_background() -> None:
    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async with client_of("http://127.0.0.1:1/") as client:
        client.spawn(work())
        await asyncio.sleep(0)
    assert stopped.is_set()


def test_without_an_instance_nothing_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TILORES_API_URL"):
        TiloresClient.from_settings(Settings(cache_dir=tmp_path))


# Against the sandbox, behind a socket.

SEARCH = "query s($input: SearchInput!) { search(input: $input) { totalCount entities { id records { id } } } }"


async def test_many_searches_over_a_socket_while_tokens_expire(tmp_path: Path) -> None:
    app = await create_app(load_instance(str(write_instance(tmp_path / "small"))), token_ttl_s=1)
    async with served(app) as url, TiloresClient.from_settings(settings_of(url, tmp_path)) as client:
        asked = {"input": {"parameters": {"email": "ann@mail.example"}}}
        for _ in range(4):
            found = await asyncio.gather(*(client.execute(SEARCH, asked) for _ in range(50)))
            assert {data["search"]["totalCount"] for data in found} == {1}
            await asyncio.sleep(0.5)


async def test_wrong_credentials_and_missing_fields_against_the_sandbox(tmp_path: Path) -> None:
    app = await create_app(load_instance(str(write_instance(tmp_path / "small"))))
    async with served(app) as url:
        async with TiloresClient.from_settings(settings_of(url, tmp_path, secret="wrong")) as client:
            with pytest.raises(AccessDenied, match="TILORES_CLIENT_SECRET"):
                await client.execute(SEARCH, {"input": {"parameters": {}}})
        async with TiloresClient.from_settings(settings_of(url, tmp_path)) as client:
            with pytest.raises(TiloresRefused, match="nosuch"):
                await client.execute("{ nosuch }")


async def test_submit_status_and_disassemble(tmp_path: Path) -> None:
    app = await create_app(load_instance(str(write_instance(tmp_path / "small", PEOPLE))))
    async with TiloresClient.from_settings(Settings(cache_dir=tmp_path), app=app) as client:
        assert await client.submit([{"id": "new-1", "email": "bob@mail.example", "city": "Ogdenville"}]) == 1
        while not (await client.assembly_status())["ready"]:
            await asyncio.sleep(0.01)

        async def bob() -> list[set[str]]:
            data = await client.execute(SEARCH, {"input": {"parameters": {"email": "bob@mail.example"}}})
            return sorted(({r["id"] for r in e["records"]} for e in data["search"]["entities"]), key=len)

        assert await bob() == [{"crm-4", "bureau-1", "new-1"}]
        assert await client.disassemble(record_ids=["new-1"], ban=True, user="tester", reason="a mistake")
        while not (await client.assembly_status())["ready"]:
            await asyncio.sleep(0.01)
        assert await bob() == [{"new-1"}, {"crm-4", "bureau-1"}]


@pytest.mark.parametrize("records", [[], [{"email": "x"}], [{"id": "a:b"}], [{"id": ""}], [{"id": 7}]])
async def test_records_that_tilores_cannot_take_are_not_sent(records: list[dict[str, Any]]) -> None:
    async with loopback(says(FOUND)) as server, client_of(server.url) as client:
        with pytest.raises(QuestionError, match="id"):
            await client.submit(records)
        with pytest.raises(QuestionError, match="at least one"):
            await client.disassemble(user="u", reason="r")
    assert server.requests == []
