"""Paging, sorting, sets of rules and what comes back, as the hosted service has it."""

from __future__ import annotations

import pytest
from support.small_instance import SEARCH, Client, search


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
