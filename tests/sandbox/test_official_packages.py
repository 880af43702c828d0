"""The official packages, unmodified, against a real server: they know nothing of how the sandbox is made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from support.sandbox_process import sandbox_process

from tilores_x.sandbox.instance import load_instance

# tilores-sdk is written against pydantic 1.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tilores.*")


class Served(NamedTuple):
    name: str
    facts: dict[str, str]
    email: str
    """Name of the search parameter for an e-mail address."""
    record: dict[str, Any]
    """A record of the instance that has an e-mail address."""


@pytest.fixture(scope="module", params=["credit", "people"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    name: str = request.param
    email = {"credit": "EMAIL", "people": "email"}[name]
    path = load_instance(name).records_path
    assert path is not None
    with path.open() as lines:
        record = next(record for record in map(json.loads, lines) if record.get(email))
    with sandbox_process(name, cache_dir=tmp_path_factory.mktemp("cache")) as sandbox:
        yield Served(name, sandbox.facts, email, record)


def flat_selection(schema: Any, type_name: str) -> dict[str, bool]:
    from graphql import is_scalar_type
    from graphql.type import get_named_type

    fields = schema.get_type(type_name).fields
    return {name: True for name, field in fields.items() if is_scalar_type(get_named_type(field.type))}


def test_tilores_sdk_introspects_searches_and_lists_edges(served: Served) -> None:
    from tilores import TiloresAPI
    from tilores.conversion import pydantic_model_to_option_model
    from tilores.helpers import PydanticFactory

    api = TiloresAPI(**served.facts)
    instance = load_instance(served.name).schema
    for type_name in ("Record", "RecordInput", "SearchParams"):
        assert api.schema.get_type(type_name).fields.keys() == instance.type_map[type_name].fields.keys()  # type: ignore[union-attr]
    references = PydanticFactory(api.schema).generate()
    options = pydantic_model_to_option_model(references["Record"])
    selection = options.model_validate(flat_selection(api.schema, "Record"))
    # The package sends every parameter that is not set as an explicit null.
    parameters = references["SearchParams"].model_validate({served.email: served.record[served.email].upper()})
    found = api.search(selection, parameters)
    assert "errors" not in found
    entities = found["data"]["search"]["entities"]
    (entity,) = [each for each in entities if any(r["id"] == served.record["id"] for r in each["records"])]
    assert served.record["id"] in entity["hits"]
    (record,) = [each for each in entity["records"] if each["id"] == served.record["id"]]
    assert {name: value for name, value in record.items() if value is not None} == {
        name: value for name, value in served.record.items() if not isinstance(value, dict)
    }
    edges = api.entity_edges(entity["id"])["data"]["entity"]["entity"]["edges"]
    ids = {each["id"] for each in entity["records"]}
    rules = {rule.id for rule in load_instance(served.name).rules.linking}
    for a, b, rule in (edge.split(":") for edge in edges):
        assert {a, b} <= ids
        assert rule in rules
    assert len(ids) == 1 or edges
    assert api.search(selection, references["SearchParams"]())["data"]["search"]["entities"] == []


def test_tilores_langchain_tools_search_and_list_edges(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import langchain.tools
    from langchain_core.tools import StructuredTool
    from tilores import TiloresAPI

    monkeypatch.setattr(langchain.tools, "StructuredTool", StructuredTool, raising=False)
    from tilores_langchain import TiloresTools

    api = TiloresAPI(**served.facts)
    search, edges = (make() for make in TiloresTools(api).all())
    fields = flat_selection(api.schema, "Record")
    found = search.invoke({"recordFieldsToQuery": fields, "searchParams": {served.email: served.record[served.email]}})
    entities = found["data"]["search"]["entities"]
    assert any(record["id"] == served.record["id"] for entity in entities for record in entity["records"])
    listed = edges.invoke({"entityID": entities[0]["id"]})
    assert "errors" not in listed
    assert listed["data"]["entity"]["entity"]["edges"] is not None


def test_a_record_submitted_by_the_sdk_is_linked(served: Served) -> None:
    from tilores import TiloresAPI

    api = TiloresAPI(**served.facts)
    record = {**served.record, "id": f"again-{served.record['id']}"}
    submit = "mutation ($r: [RecordInput!]!) { submit(input: {records: $r}) { recordsAdded } }"
    assert api.gql(submit, {"r": [record]}) == {"data": {"submit": {"recordsAdded": 1}}}
    query = "query ($id: ID!) { entityByRecord(input: {id: $id}) { entity { duplicates } } }"
    for _ in range(200):
        entity = api.gql(query, {"id": record["id"]})["data"]["entityByRecord"]["entity"]
        if entity:
            break
    assert record["id"] in {copy for copies in entity["duplicates"].values() for copy in copies}
