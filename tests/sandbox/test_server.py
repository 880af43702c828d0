"""Status codes, bodies, tokens, privileges, paging and sorting, as the hosted service has them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.small_instance import PEOPLE, Client, open_client, write_instance

from tilores_x.errors import ConfigError
from tilores_x.sandbox.api.tokens import SCOPES, Tokens
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import LARGEST_BODY, serve

SEARCH = """query ($p: SearchParams!, $page: Int, $size: Int, $sort: SortCriteria, $rules: String, $only: [FilterCondition!]) {
  search(input: {parameters: $p, page: $page, pageSize: $size, sort: $sort, searchRules: $rules, considerRecords: $only}) {
    totalCount
    entities { id hits hitScore score consistency edges duplicates records { id } }
  }
}"""  # noqa: E501
CITIZENS = [
    {"id": f"c{n}", "email": f"c{n}@mail.example", "city": "Springfield", "visits": n, "notes": ["x" * 50]}
    for n in range(25)
]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    client = await open_client(write_instance(tmp_path / "small"), tmp_path / "cache")
    yield client
    await client.http.aclose()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Client]:
    client = await open_client(write_instance(tmp_path / "town", CITIZENS), tmp_path / "cache")
    yield client
    await client.http.aclose()


async def search(client: Client, parameters: dict[str, Any], **more: Any) -> Any:
    return (await client.data(SEARCH, p=parameters, **more))["search"]


# --- tokens ---


@pytest.mark.parametrize("way", ["basic", "form"])
async def test_a_token_is_given_for_credentials_in_header_or_form(client: Client, way: str) -> None:
    form = {"grant_type": "client_credentials", "scope": "tilores/query.search tilores/query.entity"}
    if way == "basic":
        reply = await client.http.post("/oauth2/token", data=form, auth=("sandbox", "sandbox"))
    else:
        credentials = {"client_id": "sandbox", "client_secret": "sandbox"}
        reply = await client.http.post("/oauth2/token", data=form | credentials)
    assert reply.status_code == 200
    body = reply.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert body["scope"] == "tilores/query.entity tilores/query.search"
    assert len(body["access_token"]) > 30
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("header", "form", "status", "error"),
    [
        (
            "Basic " + base64.b64encode(b"sandbox:wrong").decode(),
            "grant_type=client_credentials",
            401,
            "invalid_client",
        ),
        ("Basic %%%", "grant_type=client_credentials", 401, "invalid_client"),
        ("Basic " + base64.b64encode("sändbox:ü".encode()).decode(), "grant_type=client_credentials", 401, None),
        (None, "grant_type=client_credentials", 401, "invalid_client"),
        ("Basic c2FuZGJveDpzYW5kYm94", "grant_type=password", 400, "unsupported_grant_type"),
        ("Basic c2FuZGJveDpzYW5kYm94", "", 400, "invalid_request"),
        ("Basic c2FuZGJveDpzYW5kYm94", "grant_type=client_credentials&scope=tilores/all", 400, "invalid_scope"),
    ],
)
async def test_a_token_is_refused(
    client: Client, header: str | None, form: str, status: int, error: str | None
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({"Authorization": header} if header else {})
    reply = await client.http.post("/oauth2/token", content=form, headers=headers)
    assert reply.status_code == status
    assert reply.json()["error"] == (error or "invalid_client")


def test_tokens_are_random_and_expire() -> None:
    now = 0.0
    tokens = Tokens("a", "b", ttl_s=60, clock=lambda: now)
    form = b"grant_type=client_credentials&client_id=a&client_secret=b"
    first, second = (tokens.issue(None, form)[1]["access_token"] for _ in range(2))
    assert first != second
    now = 59.9
    assert tokens.scopes(f"Bearer {first}") == SCOPES
    now = 60.0
    assert tokens.scopes(f"Bearer {first}") is None


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic c2FuZGJveDpzYW5kYm94", "Bearer", ""])
async def test_without_a_valid_token_a_request_is_unauthorized(client: Client, header: str | None) -> None:
    headers = {"Authorization": header} if header is not None else {}
    reply = await client.http.post("/", json={"query": "{ __typename }"}, headers=headers)
    assert reply.status_code == 401
    assert reply.json() == {"message": "Unauthorized"}


FIELDS = {
    "tilores/query.search": '{ search(input: {parameters: {email: "x"}}) { totalCount } }',
    "tilores/query.entity": '{ entity(input: {id: "x"}) { entity { id } } }',
    "tilores/query.metrics": "{ metrics { assemblyStatus { state } } }",
    "tilores/mutation.submit": 'mutation { submit(input: {records: [{id: "n"}]}) { recordsAdded } }',
    "tilores/mutation.disassemble": 'mutation { disassemble(input: {recordIDs: ["crm-1"]}) { triggered } }',
    "tilores/mutation.removeConnectionBan": """mutation { removeConnectionBan(
        input: {reference: "x", entityID: "y", others: [], meta: {user: "u", reason: "r"}}) { removed } }""",
}


@pytest.mark.parametrize("privilege", sorted(FIELDS))
async def test_each_field_needs_its_privilege_and_no_other(client: Client, privilege: str) -> None:
    await client.fetch_token(" ".join(SCOPES - {privilege}))
    reply = await client.post(FIELDS[privilege])
    assert reply.status_code == 200
    (error,) = reply.json()["errors"]
    assert error["message"] == f"access denied, required privilege: {privilege}"
    assert error["path"]
    assert reply.json()["data"] is None
    await client.fetch_token(privilege)
    assert "access denied" not in (await client.post(FIELDS[privilege])).text


def test_the_scopes_are_those_of_the_service() -> None:
    assert set(FIELDS) == SCOPES


# --- errors ---


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


# --- searching ---


async def test_null_parameters_are_absent_and_no_parameter_finds_nothing(client: Client) -> None:
    nothing = dict.fromkeys(("id", "email", "first_name", "last_name", "dob", "phone", "city"))
    assert await search(client, {}) == {"totalCount": 0, "entities": []}
    assert await search(client, nothing) == {"totalCount": 0, "entities": []}
    found = await search(client, nothing | {"last_name": "Quill"})
    assert found["totalCount"] == 1


async def test_pages_are_off_without_a_page_and_count_from_one(town: Client) -> None:
    everybody = await search(town, {"city": "Springfield"}, size=3)
    assert len(everybody["entities"]) == everybody["totalCount"] == 25
    ids = [entity["id"] for entity in everybody["entities"]]
    pages = [await search(town, {"city": "Springfield"}, page=page) for page in (1, 2, 3, 4)]
    assert [len(page["entities"]) for page in pages] == [10, 10, 5, 0]
    assert {page["totalCount"] for page in pages} == {25}
    assert [entity["id"] for page in pages for entity in page["entities"]] == ids
    third = await search(town, {"city": "Springfield"}, page=3, size=7)
    assert [entity["id"] for entity in third["entities"]] == ids[14:21]


@pytest.mark.parametrize("more", [{"page": 0}, {"page": -1}, {"page": 1, "size": 0}])
async def test_pages_below_one_are_refused(town: Client, more: dict[str, int]) -> None:
    reply = await town.post(SEARCH, p={"city": "Springfield"}, **more)
    assert "begin at 1" in reply.json()["errors"][0]["message"]


async def test_sorting_is_by_id_or_hit_score_each_with_its_own_default_direction(client: Client) -> None:
    parameters = {"city": "Springfield", "email": "bob@mail.example"}
    default = await search(client, parameters)
    assert [entity["hitScore"] for entity in default["entities"]] == [1.0, 0.5]
    by_score = await search(client, parameters, sort={"field": "hitScore"})
    assert [entity["hitScore"] for entity in by_score["entities"]] == [1.0, 0.5]
    rising = await search(client, parameters, sort={"field": "hitScore", "direction": "ASC"})
    assert [entity["hitScore"] for entity in rising["entities"]] == [0.5, 1.0]
    ids = sorted(entity["id"] for entity in default["entities"])
    by_id = await search(client, parameters, sort={"field": "id"})
    assert [entity["id"] for entity in by_id["entities"]] == ids
    falling = await search(client, parameters, sort={"field": "id", "direction": "DESC"})
    assert [entity["id"] for entity in falling["entities"]] == ids[::-1]
    reply = await client.post(SEARCH, p=parameters, sort={"field": "city"})
    assert "id or hitScore" in reply.json()["errors"][0]["message"]


async def test_search_rules_choose_a_set(client: Client) -> None:
    assert (await search(client, {"city": "Springfield"}, rules="strict"))["totalCount"] == 0
    reply = await client.post(SEARCH, p={"city": "Springfield"}, rules="lax")
    assert reply.json()["errors"][0]["message"] == "search rules not found: lax"


async def test_the_whole_entity_comes_back_with_the_hits_of_the_search(client: Client) -> None:
    (entity,) = (await search(client, {"email": "ann@mail.example"}))["entities"]
    assert [record["id"] for record in entity["records"]] == ["crm-1", "crm-2", "pay-1", "call-1", "crm-3"]
    assert entity["hits"] == {"crm-1": ["EMAIL"], "crm-2": ["EMAIL"], "crm-3": ["EMAIL"]}
    assert entity["edges"] == [
        "crm-1:crm-2:EMAIL",
        "crm-1:pay-1:NAME_DOB",
        "crm-1:crm-3:EMAIL",
        "crm-2:crm-3:EMAIL",
        "call-1:crm-3:PHONE_NAME",
    ]
    assert entity["consistency"] == 0.5
    assert entity["score"] == 0.75
    whole = await client.data(
        "query ($id: ID!) { entity(input: {id: $id}) { entity { hits hitScore score } } }", id=entity["id"]
    )
    assert whole["entity"]["entity"] == {"hits": {}, "hitScore": 0.0, "score": 0.5}


async def test_considered_records_split_the_entity_after_paging(client: Client) -> None:
    only = [{"field": "id", "equals": "crm-1", "invert": True}]
    found = await search(client, {"email": "ann@mail.example"}, page=1, size=1, only=only)
    assert found["totalCount"] == 1
    assert [[record["id"] for record in entity["records"]] for entity in found["entities"]] == [
        ["crm-2", "call-1", "crm-3"],
        ["pay-1"],
    ]
    assert found["entities"][0]["hits"] == {"crm-2": ["EMAIL"], "crm-3": ["EMAIL"]}
    assert found["entities"][1]["hits"] == {}
    query = """query ($id: ID!, $only: [FilterCondition!]) {
      entityByRecord(input: {id: $id, considerRecords: $only}) { entity { records { id } } }
    }"""
    part = await client.data(query, id="pay-1", only=only)
    assert part["entityByRecord"]["entity"]["records"] == [{"id": "pay-1"}]
    assert (await client.data(query, id="crm-1", only=only))["entityByRecord"]["entity"] is None
    whole = "query ($id: ID!, $only: [FilterCondition!]) { entity(input: {id: $id, considerRecords: $only}) { entity { records { id } } } }"  # noqa: E501
    largest = await client.data(whole, id=found["entities"][0]["id"], only=only)
    assert len(largest["entity"]["entity"]["records"]) == 3


async def test_records_are_read_out_with_aliases_fragments_nesting_and_directives(client: Client) -> None:
    found = await client.data(
        """query ($no: Boolean!) {
          search(input: {parameters: {email: "bob@mail.example"}}) { entities { records {
            __typename key: id ...where ... on Record { score { __typename value history { value history { value } } } }
            hidden: city @skip(if: true) gone: email @include(if: $no)
          } } }
        }
        fragment where on Record { city again: city score { factor } }""",
        no=False,
    )
    assert found["search"]["entities"][0]["records"] == [
        {"__typename": "Record", "key": "crm-4", "city": "Springfield", "again": "Springfield", "score": None},
        {
            "__typename": "Record",
            "key": "bureau-1",
            "city": None,
            "again": None,
            "score": {
                "__typename": "Score",
                "value": "710",
                "history": [{"value": "690", "history": None}],
                "factor": None,
            },
        },
    ]


# --- mutations ---


async def test_a_submission_is_acknowledged_then_assembled(client: Client) -> None:
    submit = "mutation ($r: [RecordInput!]!) { submit(input: {records: $r}) { recordsAdded } }"
    records = [{"id": f"new-{n}", "email": "ann@mail.example", "city": f"{n}"} for n in range(300)]
    assert await client.data(submit, r=records) == {"submit": {"recordsAdded": 300}}
    status = (await client.data("{ metrics { assemblyStatus { state estimatedTimeRemaining } } }"))["metrics"]
    assert status["assemblyStatus"]["state"] == "IN_PROGRESS"
    assert status["assemblyStatus"]["estimatedTimeRemaining"] >= 1
    await client.ready()
    status = (await client.data("{ metrics { assemblyStatus { state estimatedTimeRemaining } } }"))["metrics"]
    assert status == {"assemblyStatus": {"state": "READY", "estimatedTimeRemaining": None}}
    (entity,) = (await search(client, {"email": "ann@mail.example"}))["entities"]
    assert len(entity["records"]) == 305


async def test_a_request_over_six_mebibytes_is_refused(client: Client) -> None:
    body = b'{"query": "{ __typename }", "variables": {"x": "' + b"x" * LARGEST_BODY + b'"}}'
    reply = await client.http.post("/", content=body, headers={"Authorization": f"Bearer {client.token}"})
    assert reply.status_code == 413


async def test_a_number_that_json_cannot_hold_is_refused(client: Client) -> None:
    reply = await client.post(
        f'mutation {{ submit(input: {{records: [{{id: "x", extra: {10**30}}}]}}) {{ recordsAdded }} }}'
    )
    assert "can't be written as JSON" in reply.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"id": "a:b"}, "holds a colon"),
        ({"id": ""}, "needs an ID"),
    ],
)
async def test_a_record_that_cannot_be_used_refuses_the_submission(
    client: Client, record: dict[str, str], told: str
) -> None:
    submit = "mutation ($r: [RecordInput!]!) { submit(input: {records: $r}) { recordsAdded } }"
    reply = await client.post(submit, r=[{"id": "fine", "email": "new@mail.example"}, record])
    assert reply.status_code == 200
    assert told in reply.json()["errors"][0]["message"]
    await client.ready()
    assert (await search(client, {"email": "new@mail.example"}))["totalCount"] == 0


async def test_a_preview_shows_the_entities_and_a_dry_run_keeps_nothing(client: Client) -> None:
    preview = """mutation ($r: [RecordInput!]!, $dry: Boolean) {
      submitWithPreview(input: {records: $r, dryRun: $dry}) { entities { records { id } edges } }
    }"""
    record = {"id": "new", "email": "bob@mail.example", "city": "x"}
    shown = await client.data(preview, r=[record], dry=True)
    (entity,) = shown["submitWithPreview"]["entities"]
    assert [each["id"] for each in entity["records"]] == ["crm-4", "bureau-1", "new"]
    assert "crm-4:new:EMAIL" in entity["edges"]
    assert len((await search(client, {"email": "bob@mail.example"}))["entities"][0]["records"]) == 2
    assert await client.data(preview, r=[record], dry=False) == shown
    assert len((await search(client, {"email": "bob@mail.example"}))["entities"][0]["records"]) == 3


async def test_parts_stay_apart_under_a_ban_and_come_together_once_it_is_lifted(client: Client) -> None:
    (entity,) = (await search(client, {"email": "bob@mail.example"}))["entities"]
    apart = 'mutation { disassemble(input: {edges: [{a: "crm-4", b: "bureau-1"}], createConnectionBan: true, meta: {user: "u", reason: "r"}}) { triggered } }'  # noqa: E501
    assert await client.data(apart) == {"disassemble": {"triggered": True}}
    submit = "mutation ($r: [RecordInput!]!) { submit(input: {records: $r}) { recordsAdded } }"
    await client.data(submit, r=[{"id": "bridge", "email": "bob@mail.example"}])
    await client.ready()
    parts = (await search(client, {"email": "bob@mail.example"}))["entities"]
    assert sorted(len(part["records"]) for part in parts) == [1, 2]
    lift = """mutation ($ref: ID!, $one: ID!, $others: [ID!]!) { removeConnectionBan(
      input: {reference: $ref, entityID: $one, others: $others, meta: {user: "u", reason: "r"}}) { removed } }"""
    one, other = (part["id"] for part in parts)
    assert await client.data(lift, ref=entity["id"], one=one, others=[other]) == {
        "removeConnectionBan": {"removed": True}
    }
    (whole,) = (await search(client, {"email": "bob@mail.example"}))["entities"]
    assert len(whole["records"]) == 3
    assert whole["id"] == entity["id"]


async def test_a_disassemble_waits_for_what_was_submitted_before_it(client: Client) -> None:
    submit = "mutation ($r: [RecordInput!]!) { submit(input: {records: $r}) { recordsAdded } }"
    await client.data(submit, r=[{"id": f"n{n}", "email": "bob@mail.example", "visits": n} for n in range(200)])
    await client.data('mutation { disassemble(input: {recordIDs: ["n199"]}) { triggered } }')
    parts = (await search(client, {"email": "bob@mail.example"}))["entities"]
    assert sorted(len(part["records"]) for part in parts) == [1, 201]


# --- latency and serving ---


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
