"""Every field of the schema is asked for, with every argument, on both shipped instances: none fails, all types fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    StringValueNode,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    print_schema,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import mutations, queries
from support.small_instance import SCHEMA, Client, open_client, write_instance

from tilores_x.sandbox.api.schema import build_instance_schema
from tilores_x.sandbox.instance import load_instance

DEPTH = 9
ARGUMENTS = {
    "conditions": '[{field: "id", isNull: false}]',
    "criteria": '[{field: "id", direction: DESC}]',
    "fields": '["id"]',
    "count": "2",
    "offset": "0",
    "top": "3",
    "direction": "DESC",
    "caseSensitive": "true",
    "links": '["EMAIL"]',
}


@pytest.fixture(params=["credit", "people"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    client = await open_client(load_instance(request.param), tmp_path)
    yield client
    await client.http.aclose()


def selection(schema: GraphQLSchema, named: Any, fields: dict[str, str], above: tuple[str, ...] = ()) -> str:
    """A selection of everything below a type; a type is entered once on each way down."""
    if is_leaf_type(named):
        return ""
    parts = []
    for name, field in named.fields.items():
        below = get_named_type(field.type)
        if below.name in above or len(above) > DEPTH:
            continue
        given = []
        for argument in field.args:
            value = f'"{fields.get(name, "id")}"' if argument == "field" else ARGUMENTS[argument]
            given.append(f"{argument}: {value}")
        arguments = f"({', '.join(given)})" if given else ""
        parts.append(f"{name}{arguments} {selection(schema, below, fields, (*above, named.name))}")
    return "{ __typename " + " ".join(parts) + " }"


def check(named: Any, value: Any, path: str = "") -> int:
    """That a reply's value fits its type; the number of values seen."""
    if is_non_null_type(named):
        assert value is not None, path
        named = named.of_type
    if value is None:
        return 0
    if is_list_type(named):
        assert isinstance(value, list), path
        return sum(check(named.of_type, each, path) for each in value)
    if isinstance(named, GraphQLObjectType):
        assert value.pop("__typename") == named.name
        return sum(check(named.fields[name].type, each, f"{path}.{name}") for name, each in value.items())
    if is_enum_type(named):
        assert value in named.values, path
    wanted = {"String": str, "ID": str, "Int": int, "Float": (int, float), "Boolean": bool, "Time": str}.get(named.name)
    if named.name in ("Map", "Hits", "Duplicates"):
        wanted = dict
    assert wanted is None or isinstance(value, wanted), f"{path}: {value!r} is no {named.name}"
    return 1


async def test_every_field_of_an_entity_answers(client: Client) -> None:
    reply = await client.data(get_introspection_query())
    schema = build_client_schema(reply)
    record = schema.type_map["Record"]
    assert isinstance(record, GraphQLObjectType)
    upper = "EMAIL" in record.fields
    # Each aggregate is asked about a field that has values of its kind.
    number = "PAYMENT_AMOUNT" if upper else "postal_code"
    time = "CREATED_AT" if upper else "received_date"
    lists = "CREDIT_RESPONSE.CREDIT_SCORE" if upper else "tags"
    fields = dict.fromkeys(("average", "max", "median", "min", "sum", "standardDeviation"), number)
    fields |= {"newest": time, "oldest": time, "flatten": lists, "flattenDistinct": lists}
    first = next(iter(load_instance("credit" if upper else "people").records()))
    query = "query ($id: ID!) { entityByRecord(input: {id: $id}) { entity %s } }"
    body = selection(schema, schema.type_map["Entity"], fields)
    data = await client.data(query % body, id=first["id"])
    seen = check(schema.type_map["Entity"], data["entityByRecord"]["entity"])
    assert seen > 200


async def test_introspection_tells_the_whole_surface_and_no_defer(client: Client) -> None:
    schema = build_client_schema(await client.data(get_introspection_query(descriptions=True)))
    assert {"search", "entity", "entityByRecord", "metrics"} == schema.query_type.fields.keys()  # type: ignore[union-attr]
    assert {"submit", "submitWithPreview", "disassemble", "removeConnectionBan"} == schema.mutation_type.fields.keys()  # type: ignore[union-attr]
    assert {"Any", "Time", "Map", "Hits", "Duplicates"} <= schema.type_map.keys()
    assert "defer" not in {directive.name for directive in schema.directives}
    assert len(schema.type_map["RecordInsights"].fields) == 23  # type: ignore[union-attr]


SMALL = build_instance_schema(SCHEMA, "small")


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Client]:
    client = await open_client(write_instance(tmp_path / "small"), tmp_path / "cache")
    yield client
    await client.http.aclose()


SCALARS = {
    "Any": st.builds(StringValueNode, value=st.sampled_from(["a", "7", ""])),
    "Time": st.builds(StringValueNode, value=st.just("2026-01-02T03:04:05Z")),
}
OPERATIONS = st.one_of(
    queries(print_schema(SMALL), custom_scalars=SCALARS), mutations(print_schema(SMALL), custom_scalars=SCALARS)
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(operation=OPERATIONS)
async def test_any_valid_operation_gets_an_answer_and_never_an_internal_error(small: Client, operation: str) -> None:
    reply = await small.post(operation)
    assert reply.status_code == 200, reply.text
    for error in reply.json().get("errors", ()):
        assert error["message"] != "internal system error", operation
        assert error["path"], operation
