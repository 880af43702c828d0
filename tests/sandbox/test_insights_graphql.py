"""The insights as a client of the API gets them: a third of the reference's cases, through the GraphQL endpoint."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.reference import same, wording

from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app

CASES = Path(__file__).with_name("insights_cases.json.gz")
FIELDS = tuple(
    "name city amount score count messy odd when day flag any tags lists mixed report reports entity".split()  # noqa: SIM905
)
SCHEMA = """
type Record {{ id: ID!\n{fields} }}
input RecordInput {{ id: ID!\n{fields} }}
input SearchParams {{ entity: Any }}
"""
RULES = '[[rule]]\nid = "ENTITY"\nmatch = [{ field = "entity" }]\n'
ARGUMENTS = {
    "conditions": "[FilterCondition!]!",
    "criteria": "[SortCriteria!]!",
    "fields": "[String!]!",
    "field": "String!",
    "caseSensitive": "Boolean",
    "count": "Int!",
    "offset": "Int",
    "top": "Int",
    "direction": "SortDirection",
}
PARTS = {"first": "{id}", "last": "{id}", "newest": "{id}", "oldest": "{id}"}
PARTS["frequencyDistribution"] = "{value frequency percentage}"


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(gzip.decompress(CASES.read_bytes()))
    return data


@pytest.fixture
async def client(reference, tmp_path):
    fields = "\n".join(f"{name}: Any" for name in FIELDS)
    (tmp_path / "schema.graphql").write_text(SCHEMA.format(fields=fields))
    (tmp_path / "rules.toml").write_text(RULES)
    with (tmp_path / "records.jsonl").open("w") as out:
        for name, records in reference["sets"].items():
            for record in records:
                known = {key: value for key, value in record.items() if key in (*FIELDS, "id")}
                out.write(json.dumps(known | {"entity": name}) + "\n")
    app = await create_app(load_instance(str(tmp_path)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        token = (
            await client.post(
                "/oauth2/token",
                auth=("sandbox", "sandbox"),
                data={"grant_type": "client_credentials", "scope": "tilores/query.entity"},
            )
        ).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def written(ops: list[list[Any]], variables: dict[str, Any]) -> str:
    """The operations as GraphQL, their arguments put among the variables."""
    if not ops:
        return "records{id}"
    (name, arguments), *rest = ops
    passed = []
    for key, value in arguments.items():
        variable = f"{key}{len(variables)}"
        variables[variable] = (ARGUMENTS[key], value)
        passed.append(f"{key}:${variable}")
    inside = f"{{{written(rest, variables)}}}" if name in ("filter", "sort", "limit", "group") else PARTS.get(name, "")
    return f"{name}{'(' + ','.join(passed) + ')' if passed else ''}{inside}"


def read(ops: list[list[Any]], data: Any) -> Any:
    """What the reference would have said, out of the answer."""
    if isinstance(data, list):
        return [read(ops, each) for each in data]
    if not ops:
        return [record["id"] for record in data["records"]]
    name = ops[0][0]
    if name in ("filter", "sort", "limit", "group"):
        return read(ops[1:], data[name])
    return data[name]["id"] if name in ("first", "last", "newest", "oldest") and data[name] else data[name]


async def test_the_api_answers_as_the_reference_does(reference, client):
    untold = ('"*"', '""', '"id', "float")  # names that GraphQL can't have, our own notation for infinity
    cases = [case for case in reference["cases"] if case.get("set") not in (None, "none")]
    cases = [case for case in cases if not any(word in json.dumps(case) for word in untold)][::3]
    assert len(cases) > 450
    assert sum("error" in case["outcome"] for case in cases) > 40
    for case in cases:
        variables: dict[str, Any] = {"input": ("EntityByRecordInput!", {"id": reference["sets"][case["set"]][0]["id"]})}
        asked = written(case["ops"], variables)
        declared = ",".join(f"${name}:{type_}" for name, (type_, _) in variables.items())
        query = f"query({declared}){{entityByRecord(input:$input){{entity{{recordInsights{{{asked}}}}}}}}}"
        sent = {"query": query, "variables": {name: value for name, (_, value) in variables.items()}}
        answer = (await client.post("/", json=sent)).json()
        if "error" in case["outcome"]:
            told = wording(answer["errors"][0]["message"])  # each group of a list has its own
            assert told == wording(case["outcome"]["error"]), case
            continue
        assert "errors" not in answer, (case, answer)
        ours = read(case["ops"], answer["data"]["entityByRecord"]["entity"]["recordInsights"])
        assert same(ours, case["outcome"]["want"]), (case, ours)
