"""Status codes, bodies and their bounds, latency, as the hosted service has them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.small_instance import PEOPLE, SEARCH, Client, open_client, write_instance

from tilores_x.errors import ConfigError
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import LARGEST_BODY, serve


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": "{"}, 422, "GRAPHQL_PARSE_FAILED"),
        ({"query": ""}, 422, "GRAPHQL_PARSE_FAILED"),
        ({}, 422, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{" * 5000}, 422, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, 422, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query a { __typename } query b { __typename }"}, 422, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{ __typename }", "operationName": "b"}, 422, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": SEARCH}, 422, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": SEARCH, "variables": {"p": {"shoe_size": "9"}}}, 422, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": SEARCH, "variables": {"p": {"email": 7}}}, 422, "GRAPHQL_VALIDATION_FAILED"),
        (
            {
                "query": SEARCH,
                "variables": {"p": {}, "only": [{"field": "seen_at", "after": "yesterday"}]},
            },
            422,
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ],
)
async def test_what_is_no_valid_operation_gets_422_with_a_code(
    client: Client, body: dict[str, Any], status: int, code: str
) -> None:
    reply = await client.http.post("/", json=body, headers={"Authorization": f"Bearer {client.token}"})
    assert reply.status_code == status
    assert reply.json()["data"] is None
    assert {error["extensions"]["code"] for error in reply.json()["errors"]} == {code}


@pytest.mark.parametrize(
    "body", [b"{", b"", b"\xff", b"[]", b'"q"', b'{"query": 1}', b'{"query": "{a}", "variables": []}']
)
async def test_bad_json_gets_400(client: Client, body: bytes) -> None:
    reply = await client.http.post("/", content=body, headers={"Authorization": f"Bearer {client.token}"})
    assert reply.status_code == 400
    assert reply.json()["errors"][0]["message"]


async def test_only_post_is_served(client: Client) -> None:
    assert (await client.http.get("/")).status_code == 405


async def test_a_failing_resolver_keeps_status_200_the_path_and_the_rest_of_the_data(client: Client) -> None:
    reply = await client.post(
        '{ entityByRecord(input: {id: "crm-1"}) { entity { recordInsights { count bad: average(field: "dob") } } } }'
    )
    assert reply.status_code == 200
    body = reply.json()
    assert body["data"]["entityByRecord"]["entity"]["recordInsights"] == {"count": 5, "bad": None}
    (error,) = body["errors"]
    assert error["path"] == ["entityByRecord", "entity", "recordInsights", "bad"]


async def test_an_unknown_entity_is_null_without_an_error(client: Client) -> None:
    assert await client.data('{ entity(input: {id: "x"}) { entity { id } } }') == {"entity": {"entity": None}}
    assert await client.data('{ entityByRecord(input: {id: "x"}) { entity { id } } }') == {
        "entityByRecord": {"entity": None}
    }


async def test_a_request_over_six_mebibytes_is_refused(client: Client) -> None:
    body = b'{"query": "{ __typename }", "variables": {"x": "' + b"x" * LARGEST_BODY + b'"}}'
    reply = await client.http.post("/", content=body, headers={"Authorization": f"Bearer {client.token}"})
    assert reply.status_code == 413


async def test_an_answer_over_six_mebibytes_is_refused(tmp_path: Path) -> None:
    records = [{"id": f"r{n}", "city": "Springfield", "notes": ["x" * 100_000]} for n in range(70)]
    client = await open_client(write_instance(tmp_path / "large", records), tmp_path / "cache")
    reply = await client.post(
        '{ search(input: {parameters: {city: "Springfield"}}) { entities { records { notes } } } }'
    )
    assert reply.status_code == 400
    assert reply.json()["message"].startswith("Response body too large: ")
    assert len(reply.content) < LARGEST_BODY


async def test_a_large_answer_leaves_the_event_loop_free_and_others_wait_their_turn(tmp_path: Path) -> None:
    records = [{"id": f"r{n}", "city": "Springfield", "first_name": "Ann", "visits": n} for n in range(3000)]
    client = await open_client(write_instance(tmp_path / "large", records), tmp_path / "cache")
    fields = " ".join(f"a{n}: visits" for n in range(30))
    large = client.data(
        f'{{ search(input: {{parameters: {{city: "Springfield"}}}}) {{ entities {{ records {{ {fields} }} }} }} }}'
    )
    small = client.data('{ search(input: {parameters: {city: "Nowhere"}}) { totalCount } }')
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    first, second = await asyncio.gather(large, small)
    ticking.cancel()
    assert len(first["search"]["entities"]) == 3000
    assert first["search"]["entities"][0]["records"][0].keys() == {f"a{n}" for n in range(30)}
    assert second["search"]["totalCount"] == 0
    assert ticks > 10


async def test_latency_is_added_per_request_and_per_alias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def noted(delay_s: float) -> None:
        if delay_s:
            waits.append(delay_s)
        await sleep(0)

    client = await open_client(write_instance(tmp_path / "i"), tmp_path / "cache", latency_ms=40, alias_latency_ms=5)
    monkeypatch.setattr("tilores_x.sandbox.server.asyncio.sleep", noted)
    one = 'a: entity(input: {id: "x"}) { entity { id } }'
    await client.data(f"{{ {one} }}")
    await client.data(
        f"{{ {one} {one.replace('a:', 'b:')} ...more }} fragment more on Query {{ {one.replace('a:', 'c:')} }}"
    )
    assert waits == pytest.approx([0.045, 0.055])


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    instance = load_instance(write_instance(tmp_path / "i"))
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    with pytest.raises(ConfigError, match=f"Port {port} can't be used"):
        await serve(instance, port=port, ready=lambda facts: None, cache_dir=tmp_path / "cache")
    listener.close()


def test_the_small_instance_has_one_entity_of_five_records() -> None:
    assert [record["id"] for record in PEOPLE][:5] == ["crm-1", "crm-2", "pay-1", "call-1", "crm-3"]
