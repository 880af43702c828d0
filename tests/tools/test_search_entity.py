"""tilores_search and tilores_entity against the ground truth of the credit instance."""

from __future__ import annotations

from typing import Any

import pytest
from support.desk import Desk

Person = dict[str, Any]
SCORE = "CREDIT_RESPONSE.CREDIT_SCORE.*.Value"


def sample(truth: dict[str, Person], every: int = 12) -> list[Person]:
    return list(truth.values())[::every]


async def test_each_customer_is_found_by_client_id_with_all_records(credit: Desk, truth: dict[str, Person]) -> None:
    for person in sample(truth):
        found = (await credit.call("tilores_search", CLIENT_ID=person["client_id"], fields=["STATUS"])).content
        assert found["searched"] == {"CLIENT_ID": person["client_id"]}
        assert found["total"] == 1
        entity = found["entities"][0]
        assert entity["records"] == len(person["record_ids"])
        assert person["client_id"] in entity["label"]["client_id"]
        assert person["first_name"] in entity["label"]["first_name"]
        assert entity["label"]["date_of_birth"] == [f"{person['born'][:4]} (only the year is shown)"]


async def test_the_newest_status_comes_first_and_labels_the_person(credit: Desk, truth: dict[str, Person]) -> None:
    changed = [person for person in truth.values() if len(person["statuses"]) > 1][:25]
    assert len({person["statuses"][-1]["value"] for person in changed}) > 1
    for person in changed:
        found = await credit.call("tilores_search", CLIENT_ID=person["client_id"], fields=["account_status"])
        entity = found.content["entities"][0]
        newest = max(person["statuses"], key=lambda status: status["date"])
        told = entity["facts"]["STATUS"]
        assert (told[0]["value"], told[0]["status_date"]) == (newest["value"], newest["date"])
        assert {one["value"] for one in told} == {status["value"] for status in person["statuses"]}
        assert entity["label"]["account_status"] == [newest["value"]]


async def test_every_score_keeps_its_bureau_date_and_record(credit: Desk, truth: dict[str, Person]) -> None:
    for person in sample(truth):
        found = await credit.call("tilores_search", CLIENT_ID=person["client_id"], fields=["credit_score"])
        told = found.content["entities"][0]["facts"].get(SCORE, [])
        scores = {(s["bureau"], s["date"], str(s["value"]), s["record_id"]) for s in person["scores"]}
        assert {(s["bureau"], s["score_date"], s["value"], s["record_ids"][0]) for s in told} == scores
        assert [s["score_date"] for s in told] == sorted((s["score_date"] for s in told), reverse=True)
        facts = {(fact["record_id"], fact["field"], fact["value"]) for fact in found.evidence["facts"]}
        assert {(record_id, SCORE, value) for _, _, value, record_id in scores} <= facts


async def test_utilization_is_picked_out_of_the_reports(credit: Desk, truth: dict[str, Person]) -> None:
    path = credit.box.concepts["utilization"][0]
    for person in sample(truth, 25):
        found = await credit.call("tilores_search", CLIENT_ID=person["client_id"], fields=[path])
        told = found.content["entities"][0]["facts"].get(path, [])
        reports = {
            (r["bureau"], r["date"], str(r["utilization"])) for r in person["reports"] if r["utilization"] is not None
        }
        assert {(one["bureau"], one["report_date"], one["value"]) for one in told} == reports


@pytest.mark.parametrize("write", [str.upper, str.lower, lambda email: f"  {email} ", lambda email: f"<{email}>"])
async def test_emails_in_any_notation(credit: Desk, truth: dict[str, Person], write: Any) -> None:
    person = truth["4021"]
    found = await credit.call("tilores_search", EMAIL=write(person["notations"]["EMAIL"][0]), fields=["CLIENT_ID"])
    assert [entity["label"]["client_id"] for entity in found.content["entities"]] == [["4021"]]


@pytest.mark.parametrize("typed", ["(618) 555-0160", "6185550160", "+1 618 555 0160", "618.555.0160", "1-618-555-0160"])
async def test_phones_in_any_notation(credit: Desk, typed: str) -> None:
    found = await credit.call("tilores_search", PHONE_NUMBER=typed, fields=["CLIENT_ID"])
    assert "4021" in [value for entity in found.content["entities"] for value in entity["label"]["client_id"]]


async def test_another_notation_is_tried_only_when_the_typed_one_finds_nobody(people: Desk) -> None:
    found = await people.call("tilores_search", email="GARY.COX00@example.net")
    assert found.content["searched"] == {"email": "GARY.COX00@example.net"}
    wrapped = await people.call("tilores_search", email="mailto:gary.cox00@example.net")
    assert wrapped.content["searched"] == {"email": "gary.cox00@example.net"}
    assert wrapped.content["total"] == found.content["total"] == 1


async def test_all_namesakes_are_listed_with_what_tells_them_apart(credit: Desk, truth: dict[str, Person]) -> None:
    named = [p for p in truth.values() if (p["first_name"], p["last_name"]) == ("Julian", "Stephens")]
    assert len(named) == 3
    found = await credit.call("tilores_search", FIRST_NAME="Julian", LAST_NAME="Stephens")
    entities = found.content["entities"]
    assert found.content["total"] == len(entities) >= 3
    listed = {client for entity in entities for client in entity["label"].get("client_id", [])}
    assert {person["client_id"] for person in named} <= listed
    assert {brief["entity_id"] for brief in found.evidence["entities"]} == {e["entity_id"] for e in entities}


async def test_more_matches_than_are_shown_are_counted(credit: Desk, truth: dict[str, Person]) -> None:
    from collections import Counter

    name, count = Counter(p["last_name"] for p in truth.values()).most_common(1)[0]
    found = (await credit.call("tilores_search", LAST_NAME=name, fields=["CLIENT_ID"])).content
    assert found["total"] >= count
    assert len(found["entities"]) == min(found["total"], 10)
    assert (found["total"] > 10) == ("left_out" in found)


async def test_nobody_is_an_answer_too(credit: Desk) -> None:
    found = await credit.call("tilores_search", EMAIL="nobody@nowhere.example")
    assert found.content["total"] == 0
    assert found.content["entities"] == []
    assert found.content["searched"] == {"EMAIL": "nobody@nowhere.example"}
    assert found.evidence["arguments"]["searched"] == {"EMAIL": "nobody@nowhere.example"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "at least one of the search parameters: CLIENT_ID"),
        ({"EMAIL": "  ", "CLIENT_ID": None}, "at least one"),
        ({"EMAL": "x"}, "Nearest: EMAIL"),
        ({"EMAIL": ["a", "b"]}, "one value"),
        ({"EMAIL": "a@b.example", "fields": ["STATIS"]}, "Nearest: .*STATUS"),
        ({"EMAIL": "a@b.example", "fields": [7]}, "list of field names"),
        ({"EMAIL": "\ud800"}, "no text"),
        ({"EMAIL": "a\0b"}, "no text"),
    ],
)
async def test_calls_that_cannot_work_say_how_to_ask(credit: Desk, arguments: dict[str, Any], said: str) -> None:
    import re

    assert re.search(said, await credit.refused("tilores_search", **arguments))


async def test_arguments_of_models_are_taken_kindly(credit: Desk) -> None:
    found = await credit.call("tilores_search", client_id=4021, fields="STATUS")
    assert found.content["searched"] == {"CLIENT_ID": "4021"}
    assert list(found.content["entities"][0]["facts"]) == ["STATUS"]


async def test_an_entity_by_its_id_and_by_any_of_its_records(credit: Desk, truth: dict[str, Person]) -> None:
    for person in sample(truth, 40):
        entity_id = await credit.entity_of(person["client_id"])
        for record_id in person["record_ids"][:3]:
            found = await credit.call("tilores_entity", record_id=record_id, fields=["CLIENT_ID"])
            assert found.content["entities"][0]["entity_id"] == entity_id
        whole = await credit.call("tilores_entity", entity_id=entity_id)
        assert whole.content["entities"][0]["records"] == len(person["record_ids"])


async def test_records_are_shown_as_they_are(
    credit: Desk, truth: dict[str, Person], records: dict[str, Person]
) -> None:
    fields = ["PAYMENT_DATE", "PAYMENT_AMOUNT", "PAYMENT_STATUS", "DUE_DATE"]
    entity_id = await credit.entity_of("4021")
    found = await credit.call("tilores_entity", entity_id=entity_id, fields=fields)
    rows = found.content["entities"][0]["records_shown"]
    mine = [records[record_id] for record_id in truth["4021"]["record_ids"]]
    holding = {r["id"]: {f: r[f] for f in fields if r.get(f)} for r in mine if any(r.get(f) for f in fields)}
    assert {row.pop("record_id"): row for row in rows} == holding


async def test_a_profile_is_short_and_names_what_has_more(credit: Desk, truth: dict[str, Person]) -> None:
    payer = max(truth.values(), key=lambda person: len(person["payments"]))
    found = await credit.call("tilores_entity", record_id=payer["record_ids"][0])
    profile = found.content["entities"][0]
    assert all(len(values) <= 5 for values in profile["facts"].values())
    assert "NEXT_DUE_DATE" in profile["newest_only"]
    asked = await credit.call("tilores_entity", record_id=payer["record_ids"][0], fields=["NEXT_DUE_DATE"])
    assert len(asked.content["entities"][0]["facts"]["NEXT_DUE_DATE"]) > 5


async def test_unknown_ids_find_nothing_and_two_ids_are_one_too_many(credit: Desk) -> None:
    assert (await credit.call("tilores_entity", entity_id="nosuch")).content["total"] == 0
    assert (await credit.call("tilores_entity", record_id="nosuch")).content["total"] == 0
    assert "either" in await credit.refused("tilores_entity", entity_id="a", record_id="b")
    assert "either" in await credit.refused("tilores_entity")


async def test_large_replies_are_cut_and_say_so(credit: Desk) -> None:
    every = credit.box.schema.by_path
    visible = [path for path in every if credit.box.policy.visible(path)]
    found = await credit.call("tilores_search", LAST_NAME="Stephens", fields=visible)
    assert "left_out" in found.content
    assert found.evidence["note"] == found.content["left_out"]
    shown = {(entity["entity_id"], field) for entity in found.content["entities"] for field in entity.get("facts", {})}
    beside = {fact["field"] for fact in found.evidence["facts"]} - {field for _, field in shown}
    assert {(f["entity_id"], f["field"]) for f in found.evidence["facts"] if f["field"] not in beside} <= shown
