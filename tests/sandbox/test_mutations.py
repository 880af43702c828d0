"""Submitting, previewing, taking apart, as the hosted service has it."""

from __future__ import annotations

import pytest
from support.small_instance import Client, search


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
