"""Tokens and privileges, as the hosted service has them."""

from __future__ import annotations

import base64

import pytest
from support.small_instance import Client

from tilores_x.sandbox.api.tokens import SCOPES, Tokens


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
