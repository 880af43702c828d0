"""tilores_explain: rules, edges, duplicates and conflicts of whole entities."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from support.desk import Desk, open_desk
from support.loopback import loopback, says
from support.small_instance import write_instance

from tilores_x.errors import AccessDenied
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.tools.api.client import TiloresClient

Person = dict[str, Any]


async def test_every_record_is_tied_to_the_person(credit: Desk, truth: dict[str, Person]) -> None:
    for person in list(truth.values())[10::60]:
        entity_id = await credit.entity_of(person["client_id"])
        told = (await credit.call("tilores_explain", entity_id=entity_id)).content
        assert told["records"] == len(person["record_ids"])
        copies = set(itertools.chain.from_iterable(told["duplicates"].values()))
        if "left_out" not in told:
            tied = {edge[end] for edge in told["edges"] for end in "ab"} | copies | set(told["duplicates"])
            assert tied == set(person["record_ids"])
            assert sum(told["rules"].values()) == sum(len(edge["rules"]) for edge in told["edges"])
            assert set(told["rules"]) == {rule for edge in told["edges"] for rule in edge["rules"]}


async def test_duplicates_are_those_of_the_ground_truth(credit: Desk, truth: dict[str, Person]) -> None:
    for person in [person for person in truth.values() if person["duplicates"]][:8]:
        entity_id = await credit.entity_of(person["client_id"])
        shown = await credit.call("tilores_explain", entity_id=entity_id)
        told = [{original, *copies} for original, copies in shown.content["duplicates"].items()]
        assert sorted(map(sorted, told)) == sorted(map(sorted, person["duplicates"]))
        counted = next(f for f in shown.evidence["figures"] if f["name"] == "duplicate records")
        assert counted["value"] == sum(len(group) - 1 for group in person["duplicates"])


async def test_conflicts_are_those_of_the_ground_truth(credit: Desk, truth: dict[str, Person]) -> None:
    for person in [person for person in truth.values() if "EMAIL" in person["conflicts"]][:8]:
        entity_id = await credit.entity_of(person["client_id"])
        shown = await credit.call("tilores_explain", entity_id=entity_id)
        told = {value["value"].lower() for value in shown.content["conflicts"]["EMAIL"]}
        assert told == {email.lower() for email in person["conflicts"]["EMAIL"]}
        for value in shown.content["conflicts"]["EMAIL"]:
            assert value["record_ids"]
            assert set(value["record_ids"]) <= set(person["record_ids"])
        assert all(len(values) > 1 for values in shown.content["conflicts"].values())


async def test_birthdays_conflict_behind_their_masks_but_not_by_notation(
    credit: Desk, truth: dict[str, Person]
) -> None:
    told = {}
    for differs in (True, False):
        for person in [p for p in truth.values() if ("DATE_OF_BIRTH" in p["conflicts"]) is differs][:4]:
            shown = await credit.call("tilores_explain", entity_id=await credit.entity_of(person["client_id"]))
            told[person["client_id"]] = "DATE_OF_BIRTH" in shown.content["conflicts"]
            assert told[person["client_id"]] is differs
    assert set(told.values()) == {True, False}


async def test_only_what_touches_the_named_records(credit: Desk) -> None:
    entity_id = await credit.entity_of("4021")
    told = (await credit.call("tilores_explain", entity_id=entity_id, record_ids=["crm-4021-1"])).content
    assert told["edges"]
    assert all("crm-4021-1" in (edge["a"], edge["b"]) for edge in told["edges"])


async def test_an_unknown_entity_is_told(credit: Desk) -> None:
    assert "tilores_search" in await credit.refused("tilores_explain", entity_id="nosuch")


SCHEMA = """
type Record { id: ID!  KEY: String  first_name: String }
input RecordInput { id: ID!  KEY: String }
input SearchParams { KEY: String }
"""
RULES = '[[rule]]\nid = "KEY"\nmatch = [{ field = "KEY", how = "exact" }]\n'


async def test_an_entity_with_more_edges_than_tilores_sends(tmp_path: Path) -> None:
    """200 records tied to each other are 19,900 edges: with ids this long, over the 6 MiB that one reply may have."""
    rows = [{"id": f"record-{at:04}-{'x' * 200}", "KEY": "k", "first_name": f"Ann{at}"} for at in range(200)]
    folder = write_instance(tmp_path / "big", rows, schema=SCHEMA, rules=RULES)
    async with open_desk(await create_app(load_instance(str(folder))), tmp_path) as desk:
        entity_id = (await desk.call("tilores_search", KEY="k")).content["entities"][0]["entity_id"]
        told = (await desk.call("tilores_explain", entity_id=entity_id)).content
    assert told["rules"] == {"KEY": 200 * 199 // 2}
    assert told["edges"] == []
    assert "edges" in told["left_out"]


async def test_errors_of_tilores_are_raised_not_told_to_the_model(credit: Desk) -> None:
    denied = says({"data": None, "errors": [{"message": "access denied, required privilege: tilores/query.entity"}]})
    async with loopback(denied) as server:
        import httpx

        from tilores_x.tools.toolbox import Toolbox

        async with TiloresClient(server.url, http=httpx.AsyncClient()) as client:
            box = Toolbox(client, credit.box.schema, credit.box.concepts, credit.box.policy)
            tool = next(tool for tool in box.tools() if tool.name == "tilores_explain")
            with pytest.raises(AccessDenied):
                await tool.ainvoke({"name": tool.name, "args": {"entity_id": "e"}, "id": "c", "type": "tool_call"})
