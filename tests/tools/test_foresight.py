"""What a search brings along is what asking for it afterwards gives, in one request fewer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from support.desk import Desk

SCORE = "CREDIT_RESPONSE.CREDIT_SCORE.*.Value"
PAID = [{"field": "PAYMENT_DATE", "op": "not_null"}]
WANTED: list[dict[str, Any]] = [
    {"ask": [{"function": "values_distinct", "field": SCORE}]},
    {"where": PAID, "sort": [{"field": "PAYMENT_DATE", "direction": "DESC"}], "limit": 3,
     "ask": [{"function": "records", "fields": ["PAYMENT_DATE", "PAYMENT_AMOUNT"]}]},
    {"group_by": ["SOURCE"], "ask": [{"function": "count"}]},
]  # fmt: skip


def requests(desk: Desk) -> int:
    return int(desk.client.report()["requests"])


async def test_what_came_along_is_what_asking_afterwards_gives(credit: Desk) -> None:
    before = requests(credit)
    with credit.box.foreseeing(WANTED):
        found = await credit.call("tilores_search", CLIENT_ID="4021")
        entity_id = found.content["entities"][0]["entity_id"]
        along = [await credit.call("tilores_insights", entity_id=entity_id, **wanted) for wanted in WANTED]
    assert requests(credit) == before + 1
    assert (await credit.call("tilores_search", CLIENT_ID="4021")).content == found.content
    for wanted, came in zip(WANTED, along, strict=True):
        alone = await credit.call("tilores_insights", entity_id=entity_id, **wanted)
        assert came.content == alone.content
        assert came.evidence["facts"] == alone.evidence["facts"]
        assert came.evidence["figures"] == alone.evidence["figures"]


async def test_only_what_was_foreseen_of_the_person_found_is_there(credit: Desk) -> None:
    other = await credit.entity_of("4022")
    with credit.box.foreseeing(WANTED[:1]):
        found = await credit.call("tilores_search", CLIENT_ID="4021")
        before = requests(credit)
        entity_id = found.content["entities"][0]["entity_id"]
        assert (await credit.insights(other, *WANTED[0]["ask"]))["entity_id"] == other
        assert (await credit.call("tilores_insights", entity_id=entity_id, **WANTED[2])).content["groups"]
        assert requests(credit) == before + 2


async def test_of_several_people_nothing_is_kept(credit: Desk, truth: dict[str, Any]) -> None:
    names = Counter((known["first_name"], known["last_name"]) for known in truth.values())
    (first, last), _ = next(entry for entry in names.most_common() if entry[1] > 1)
    with credit.box.foreseeing(WANTED[:1]):
        found = await credit.call("tilores_search", FIRST_NAME=first, LAST_NAME=last)
        assert len(found.content["entities"]) > 1
        before = requests(credit)
        await credit.insights(found.content["entities"][0]["entity_id"], *WANTED[0]["ask"])
        assert requests(credit) == before + 1


async def test_what_tilores_refuses_harms_no_search(credit: Desk) -> None:
    with credit.box.foreseeing([{"ask": [{"function": "average", "field": "FIRST_NAME"}]}]):
        found = await credit.call("tilores_search", CLIENT_ID="4021")
    assert found.content == (await credit.call("tilores_search", CLIENT_ID="4021")).content


@pytest.mark.parametrize("field", ["CARD_NUMBER", "NO_SUCH_FIELD"])
async def test_what_may_not_be_asked_does_not_come_along(credit: Desk, field: str) -> None:
    sent = []

    async def noted(lookup: Any, *, timeout_s: float | None = None) -> Any:
        sent.append(lookup.text)
        return await look_up(lookup, timeout_s=timeout_s)

    look_up = credit.client.look_up
    credit.client.look_up = noted  # type: ignore[method-assign]
    try:
        with credit.box.foreseeing([{"ask": [{"function": "values", "field": field}]}]):
            await credit.call("tilores_search", CLIENT_ID="4021")
    finally:
        del credit.client.look_up  # type: ignore[method-assign]
    assert sent
    assert all(field not in text for text in sent)
