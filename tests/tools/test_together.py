"""Lookups that travel together: what one of them suffers is not the others' affair."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from httpx_aiohttp import HttpxAiohttpClient
from support.loopback import Reply, hangs, loopback, says
from support.small_instance import write_instance

from tilores_x.errors import AccessDenied, QuestionError, TiloresRefused, TiloresUnavailable
from tilores_x.marks import collect_marks
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.settings import Settings
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.api.together import request_of

TYPES = {"input": "SearchInput!"}


def search(page: int = 1, text: str = "search(input: $input) { totalCount entities { id } }", **more: Any) -> Lookup:
    return Lookup(text, {"input": {"parameters": {"email": "ann@mail.example"}, "page": page, **more}}, TYPES)


#: A list is asked of a field that holds none: the error takes everything above it along, up to ``data``.
BUBBLING = search(text='search(input: $input) { entities { recordInsights { flatten(field: "email") } } }')
#: Only the field itself becomes null.
PARTIAL = Lookup(
    'entityByRecord(input: $input) { entity { recordInsights { count sum(field: "email") } } }',
    {"input": {"id": "crm-1"}},
    {"input": "EntityByRecordInput!"},
)
UNKNOWN_FIELD = search(text="search(input: $input) { nosuch }")
WRONG_VALUE = search(nosuch=1)
UNREADABLE = search(text="search(input: $input) { totalCount")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TiloresClient]:
    app = await create_app(load_instance(str(write_instance(tmp_path / "small"))))
    settings = Settings(cache_dir=tmp_path, batch=32)
    async with TiloresClient.from_settings(settings, app=app) as client:
        yield client


async def ask(client: TiloresClient, *lookups: Lookup) -> list[Any]:
    return await asyncio.gather(*(client.look_up(lookup) for lookup in lookups), return_exceptions=True)


async def test_lookups_of_one_moment_are_one_request(client: TiloresClient) -> None:
    await client.look_up(search())
    before = client.report()["requests"]
    found = await ask(client, *(search(page) for page in range(1, 21)), PARTIAL_FREE)
    assert [one["totalCount"] for one in found[:-1]] == [1] * 20
    assert found[-1]["entity"]["id"] == found[0]["entities"][0]["id"]
    assert client.report()["requests"] == before + 1
    assert client.report()["batched"] == 21


PARTIAL_FREE = Lookup(
    "entityByRecord(input: $input) { entity { id } }", {"input": {"id": "crm-1"}}, {"input": "EntityByRecordInput!"}
)


async def test_what_comes_a_few_turns_later_is_taken_along(client: TiloresClient) -> None:
    class Slow:
        """A cache that takes longer for some lookups than for others."""

        async def fetch(self, document: str, variables: Any, load: Any) -> Any:
            for _ in range(5 * variables["input"]["page"]):
                await asyncio.sleep(0)
            return await load()

        async def changed(self) -> None: ...

    await client.look_up(search())
    client.results = Slow()
    before = client.report()["requests"]
    await ask(client, *(search(page) for page in range(1, 6)))
    assert client.report()["requests"] == before + 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (BUBBLING, "flatten|array"),
        (UNKNOWN_FIELD, "nosuch"),
        (WRONG_VALUE, "nosuch"),
        (UNREADABLE, "Syntax|Expected"),
        (PARTIAL, "email|number|sum"),
    ],
    ids=["bubbling", "unknown field", "wrong value", "unreadable", "partial"],
)
@pytest.mark.parametrize("others", [1, 4])
async def test_one_that_fails_fails_alone_and_as_it_would_have_alone(
    client: TiloresClient, bad: Lookup, said: str, others: int
) -> None:
    alone = (await ask(client, bad))[0]
    assert isinstance(alone, TiloresRefused)
    before = client.report()["requests"]
    found = await ask(client, *(search(page) for page in range(1, others + 1)), bad)
    assert [one["totalCount"] for one in found[:-1]] == [1] * others
    failed = found[-1]
    assert isinstance(failed, TiloresRefused)
    assert str(failed) == str(alone)
    assert failed.data == alone.data
    assert [error.get("path") for error in failed.errors] == [error.get("path") for error in alone.errors]
    assert client.report()["requests"] <= before + 2 + others


async def test_what_took_others_down_travels_alone_from_then_on(client: TiloresClient) -> None:
    await ask(client, search(1), search(2), UNKNOWN_FIELD)
    before = client.report()["requests"]
    found = await ask(client, search(3), search(4), UNKNOWN_FIELD)
    assert client.report()["requests"] == before + 2
    assert [type(one) for one in found] == [dict, dict, TiloresRefused]


async def test_many_that_fail_end_within_bounds(client: TiloresClient) -> None:
    failing = [search(text=BUBBLING.text.replace("flatten", f"f{at}: flatten")) for at in range(8)]
    lookups = [search(page) for page in range(1, 9)] + failing
    found = await ask(client, *lookups)
    assert [type(one) for one in found] == [dict] * 8 + [TiloresRefused] * 8
    assert client.report()["requests"] <= 2 + len(lookups)


async def test_values_that_are_no_json_are_their_callers_fault_alone(client: TiloresClient) -> None:
    found = await ask(client, search(1), search(2, searchRules="\ud800"), search(3))
    assert [type(one) for one in found] == [dict, QuestionError, dict]


# Against servers that do what the sandbox doesn't.


def replying(server: Any, answer: Any) -> Reply:
    """``answer`` gets the aliases of the request (the field's own name where there is none) and gives a reply."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        document = server.requests[-1].json["query"]
        names = re.findall(r"(x\d+): search", document) or ["search"]
        await answer(names)(writer)

    return reply


def found_all(names: list[str], size: int = 0) -> Reply:
    return says({"data": {name: {"totalCount": 1, "pad": "x" * size} for name in names}})


@pytest.mark.parametrize("kind", ["too large for Tilores", "too large for us", "failing inside", "late", "gateway"])
async def test_what_is_too_much_together_is_asked_for_in_parts(kind: str) -> None:
    def answer(names: list[str]) -> Reply:
        if len(names) <= 2:
            return found_all(names)
        return {
            "too large for Tilores": says({"message": "Response body too large: 7000000"}, status=400),
            "too large for us": found_all(names, 20_000),
            "failing inside": says("oops", status=500),
            "late": hangs(),
            "gateway": says({"message": "Endpoint request timed out"}, status=504),
        }[kind]

    async with loopback(hangs()) as server:
        server.script[0] = replying(server, answer)
        options: dict[str, Any] = {"timeout_s": 0.5 if kind == "late" else 5, "max_body_bytes": 50_000, "batch": 32}
        async with TiloresClient(server.url, http=HttpxAiohttpClient(), **options) as client:
            found = await ask(client, *(search(page) for page in range(1, 9)))
        assert [one["totalCount"] for one in found if isinstance(one, dict)] == [1] * 8
        assert len(server.requests) <= 9


async def test_denied_together_is_denied_each_with_its_own_reason() -> None:
    def answer(names: list[str]) -> Reply:
        denied = {"message": "access denied, required privilege: tilores/query.search", "path": [names[-1]]}
        return says({"data": None, "errors": [denied]}) if len(names) == 3 else found_all(names)

    async with loopback(hangs()) as server:
        server.script[0] = replying(server, answer)
        async with TiloresClient(server.url, http=HttpxAiohttpClient(), batch=32) as client:
            found = await ask(client, search(1), search(2), search(3))
        assert sorted(type(one).__name__ for one in found) == ["AccessDenied", "dict", "dict"]
        assert len(server.requests) == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_client_is_not_asked_for_each(status: int) -> None:
    async with loopback(says({"message": "no"}, status=status)) as server:
        async with TiloresClient(server.url, http=HttpxAiohttpClient(), batch=32) as client:
            found = await ask(client, *(search(page) for page in range(1, 9)))
        assert {type(one) for one in found} == {AccessDenied}
        assert len(server.requests) == 1


async def test_an_instance_that_is_down_is_not_asked_for_each() -> None:
    async with loopback(says("", status=503)) as server:
        async with TiloresClient(server.url, http=HttpxAiohttpClient(), batch=32) as client:
            found = await ask(client, *(search(page) for page in range(1, 9)))
        assert all(isinstance(one, TiloresUnavailable) for one in found)
        assert len(server.requests) == 3


async def test_marks_say_what_befell_each() -> None:
    async def marked(lookup: Lookup) -> set[str]:
        with collect_marks() as marks:
            await client.look_up(lookup)
        return marks

    async with loopback(says("", status=503), hangs()) as server:
        server.script[1] = replying(server, found_all)
        async with TiloresClient(server.url, http=HttpxAiohttpClient(), batch=32) as client:
            assert await marked(search(1)) == {"retried"}
            first, twin, other = await asyncio.gather(marked(search(1)), marked(search(1)), marked(search(2)))
        assert (first, twin, other) == ({"batched"}, {"batched", "coalesced"}, {"batched"})


def test_variables_are_renamed_and_strings_are_not() -> None:
    text = 'search(input: $input) { a: values(field: "$input") b(re: "x\\"$input", n: $input_2) c(t: """$input""") }'
    lookup = Lookup(text, {"input": 1, "input_2": 2}, {"input": "A", "input_2": "B!"})
    request = request_of([lookup, lookup])
    sent = orjson.loads(request.content)
    assert sent["variables"] == {"x0_input": 1, "x0_input_2": 2, "x1_input": 1, "x1_input_2": 2}
    assert "($x0_input: A, $x0_input_2: B!, $x1_input: A, $x1_input_2: B!)" in request.document
    renamed = 'search(input: $x1_input) { a: values(field: "$input") b(re: "x\\"$input", n: $x1_input_2)'
    assert f'x1: {renamed} c(t: """$input""") }}' in request.document


async def test_equal_selections_are_written_once_and_answer_all_the_same(client: TiloresClient) -> None:
    long = " ".join(f'v{at}: valuesDistinct(field: "email")' for at in range(300))
    text = f"search(input: $input) {{ entities {{ id recordInsights {{ {long} }} }} }}"
    lookups = [search(page, text=text) for page in range(1, 31)]
    assert len(request_of(lookups).document) < len(text) + 30 * 200
    await client.look_up(search())
    before = client.report()["requests"]
    found = await ask(client, *lookups, PARTIAL_FREE)
    assert client.report()["requests"] == before + 1
    assert found[0]["entities"][0]["recordInsights"]["v299"][0] == "ann@mail.example"
    assert [one["entities"] for one in found[1:-1]] == [[]] * 29


def test_selections_with_variables_inside_are_not_shared() -> None:
    text = "entity(input: $input) { entity { recordInsights { filter(conditions: $where) { count } } } }"
    lookup = Lookup(text, {"input": {}, "where": []}, {"input": "EntityInput!", "where": "[FilterCondition!]!"})
    document = request_of([lookup, lookup]).document
    assert "fragment" not in document
    assert "conditions: $x0_where" in document
    assert "conditions: $x1_where" in document
