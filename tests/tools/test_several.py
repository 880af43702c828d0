"""Several people in one call: kept apart, all asked at once, one failure alone, under one byte budget."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.desk import Desk, open_desk

from tilores_x.deadline import Deadline, deadline_scope
from tilores_x.errors import TiloresRefused, TiloresUnavailable
from tilores_x.tools.several import MOST_AT_ONCE

Person = dict[str, Any]


def clients(truth: dict[str, Person], count: int) -> list[str]:
    return list(truth)[:: max(1, len(truth) // count)][:count]


async def test_each_person_is_found_apart(credit: Desk, truth: dict[str, Person]) -> None:
    asked = [{"CLIENT_ID": client_id} for client_id in clients(truth, 10)]
    wanted = [*asked, {"EMAIL": "nobody@nowhere.example"}, {"FIRST_NAME": "Julian", "LAST_NAME": "Stephens"}]
    found = await credit.call("tilores_search", people=wanted, fields=["STATUS"])
    parts = found.content["people"]
    assert [part["searched"] for part in parts] == wanted
    assert [part["total"] for part in parts[:11]] == [1] * 10 + [0]
    assert parts[-1]["total"] >= 3
    for part, one in zip(parts, asked, strict=False):
        person = truth[one["CLIENT_ID"]]
        newest = max(person["statuses"], key=lambda status: status["date"])
        assert part["entities"][0]["facts"]["STATUS"][0]["value"] == newest["value"]
    ids = [[entity["entity_id"] for entity in part["entities"]] for part in parts]
    assert found.evidence["apart"] == ids
    for keys, one in zip(ids[:10], asked, strict=True):
        own = {fact["record_id"] for fact in found.evidence["facts"] if fact["entity_id"] == keys[0]}
        assert own
        assert own <= set(truth[one["CLIENT_ID"]]["record_ids"])


async def test_what_is_asked_twice_or_beside_is_asked_once(credit: Desk) -> None:
    found = await credit.call("tilores_search", CLIENT_ID="4021", people=[{"CLIENT_ID": "4003"}, {"CLIENT_ID": "4021"}])
    assert [part["searched"] for part in found.content["people"]] == [{"CLIENT_ID": "4021"}, {"CLIENT_ID": "4003"}]
    one = await credit.call("tilores_search", people={"CLIENT_ID": "4021"})
    assert [part["total"] for part in one.content["people"]] == [1]


async def test_a_person_who_cannot_be_asked_for_fails_alone_and_is_said(credit: Desk) -> None:
    wanted = [{"CLIENT_ID": "4021"}, {"CLIENTID": "4003"}, {"EMAIL": ["a", "b"]}]
    found = await credit.call("tilores_search", people=wanted)
    parts = found.content["people"]
    assert parts[0]["total"] == 1
    assert "Nearest: CLIENT_ID" in parts[1]["error"]
    assert "one value" in parts[2]["error"]
    assert found.content["missing"] == "2 of 3 people could not be looked up"
    assert found.evidence["note"] == "2 of 3 people could not be looked up"
    assert "Nearest" in await credit.refused("tilores_search", people=wanted[1:2])
    assert "list of objects" in await credit.refused("tilores_search", people=["4021"])


class Failing:
    """The client, but some of what it is asked fails."""

    def __init__(self, desk: Desk, failing: Any) -> None:
        self.inner, self.failing, self.at_once, self.most = desk.client, failing, 0, 0

    async def look_up(self, lookup: Any, **more: Any) -> Any:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0.02)
            if error := self.failing(lookup.variables["input"]):
                raise error
            return await self.inner.look_up(lookup, **more)
        finally:
            self.at_once -= 1


def through(desk: Desk, failing: Any) -> Failing:
    client = Failing(desk, failing)
    object.__setattr__(desk.box._access, "client", client)
    return client


async def test_one_lookup_that_fails_takes_no_other_along(credit: Desk, truth: dict[str, Person]) -> None:
    ids = clients(truth, 8)
    client = through(
        credit, lambda given: TiloresUnavailable("down") if given["parameters"]["CLIENT_ID"] == ids[3] else None
    )
    found = await credit.call("tilores_search", people=[{"CLIENT_ID": i} for i in ids], fields=["STATUS"])
    assert client.most == 8
    assert [part.get("error") for part in found.content["people"]] == [None] * 3 + ["down"] + [None] * 4
    assert found.content["missing"] == "1 of 8 people could not be looked up"
    assert len(found.evidence["apart"]) == 7


async def test_where_all_fail_there_is_an_error_and_no_answer(credit: Desk) -> None:
    through(credit, lambda given: TiloresRefused("refused"))
    with pytest.raises(TiloresRefused):
        await credit.message("tilores_search", people=[{"CLIENT_ID": "4021"}, {"CLINT": "4003"}])


async def test_what_hangs_is_missing_and_what_came_is_told(credit: Desk) -> None:
    client = through(credit, lambda given: None)
    looked_up = client.look_up

    async def look_up(lookup: Any, **more: Any) -> Any:
        if lookup.variables["input"]["parameters"]["CLIENT_ID"] == "4003":
            await asyncio.sleep(3600)
        return await looked_up(lookup, **more)

    client.look_up = look_up  # type: ignore[method-assign]
    with deadline_scope(Deadline.after(2)):
        async with asyncio.timeout(20):
            found = await credit.call("tilores_search", people=[{"CLIENT_ID": "4021"}, {"CLIENT_ID": "4003"}])
    assert found.content["people"][0]["total"] == 1
    assert "no answer within the time" in found.content["people"][1]["error"]


async def test_fifty_people_fit_and_each_is_told_of(credit: Desk, truth: dict[str, Person]) -> None:
    ids = clients(truth, 60)
    assert len(ids) == 60
    found = await credit.call("tilores_search", people=[{"CLIENT_ID": i} for i in ids], fields=["STATUS"])
    parts = found.content["people"]
    assert f"10 people beyond the first {MOST_AT_ONCE}" in found.content["left_out"]
    assert len(parts) == MOST_AT_ONCE
    for part, client_id in zip(parts, ids, strict=False):
        newest = max(truth[client_id]["statuses"], key=lambda status: status["date"])
        assert part["entities"][0]["facts"]["STATUS"][0]["value"] == newest["value"]
    # Much more than fits is cut evenly and said, and nothing beyond what is shown is evidence.
    every = [path for path in credit.box.schema.by_path if credit.box.policy.visible(path)]
    large = await credit.call("tilores_search", people=[{"CLIENT_ID": i} for i in ids[:20]], fields=every)
    told = {(e["entity_id"], f) for part in large.content["people"] for e in part["entities"] for f in e["facts"]}
    assert "the fields" in large.content["left_out"]
    assert len(large.content["people"]) == 20
    values = {path.text for path in credit.box._access.fields(every)}
    beside = {fact["field"] for fact in large.evidence["facts"]} - {field for _, field in told}
    assert beside <= values
    assert {(f["entity_id"], f["field"]) for f in large.evidence["facts"] if f["field"] not in beside} <= told


async def test_the_same_is_worked_out_for_several_entities(credit: Desk, truth: dict[str, Person]) -> None:
    ids = clients(truth, 5)
    entities = [await credit.entity_of(i) for i in ids]
    ask = [{"function": "sum", "field": "PAYMENT_AMOUNT"}]
    found = await credit.call("tilores_insights", entity_ids=[*entities, "nosuch"], ask=ask)
    for part, client_id, entity_id in zip(found.content["people"], ids, entities, strict=False):
        paid = [float(payment["amount"]) for payment in truth[client_id]["payments"] if payment["paid"]]
        assert part["entity_id"] == entity_id
        assert part["results"][0]["value"] == (pytest.approx(sum(paid)) if paid else None)
    assert "No entity has the id" in found.content["people"][5]["error"]
    assert found.content["missing"] == "1 of 6 entities could not be looked up"
    for fact in found.evidence["facts"]:
        assert fact["record_id"] in truth[ids[entities.index(fact["entity_id"])]]["record_ids"]
    assert "for several" in await credit.refused("tilores_insights", ask=ask)
    assert "No entity" in await credit.refused("tilores_insights", entity_ids=["no", "none"], ask=ask)


async def test_several_entities_by_their_ids(credit: Desk, truth: dict[str, Person]) -> None:
    entities = [await credit.entity_of(i) for i in clients(truth, 5)]
    found = await credit.call("tilores_entity", entity_ids=[*entities, "nosuch"], fields=["STATUS"])
    assert [part["entity_id"] for part in found.content["people"]] == [*entities, "nosuch"]
    assert [part["total"] for part in found.content["people"]] == [1] * 5 + [0]
    assert found.evidence["apart"] == [[entity_id] for entity_id in entities] + [[]]


async def test_an_instance_with_a_parameter_called_people(tmp_path: Path) -> None:
    from support.small_instance import write_instance

    from tilores_x.sandbox.instance import load_instance
    from tilores_x.sandbox.server import create_app

    schema = """
    type Record { id: ID!  people: String }
    input RecordInput { id: ID!  people: String }
    input SearchParams { people: String }
    """
    rules = '[[rule]]\nid = "P"\nmatch = [{ field = "people", how = "exact" }]\n'
    folder = write_instance(tmp_path / "i", [{"id": "r", "people": "they"}], schema=schema, rules=rules)
    async with open_desk(await create_app(load_instance(str(folder))), tmp_path) as desk:
        assert set(desk.box.tools()[0].args) == {"people", "fields", "search_people"}
        found = await desk.call("tilores_search", search_people=[{"people": "they"}, {"people": "others"}])
        assert [part["total"] for part in found.content["people"]] == [1, 0]
        assert orjson.loads(orjson.dumps(found.evidence))["apart"][1] == []
