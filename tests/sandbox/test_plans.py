"""The quick ways through the sandbox give what graphql-core alone gives, and never what was true before a change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.small_instance import write_instance

from tilores_x.sandbox.api.execution import Answer, Mix, Operation, Rejected, execute
from tilores_x.sandbox.api.pieces import pieces_of
from tilores_x.sandbox.api.resolvers import PRIVILEGES, Call
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import Sandbox, create_app

SCHEMA = """
type Record { id: ID!  KEY: String  N: Float  STATUS: String  AT: String  TAGS: [String!]  REPORT: [Report!] }
type Report { Score: String  By: Bureau }
type Bureau { Name: String }
input RecordInput { id: ID!  KEY: String  N: Float  STATUS: String }
input SearchParams { KEY: String }
"""
RULES = '[[rule]]\nid = "KEY"\nmatch = [{ field = "KEY", how = "exact" }]\n'
ROWS: list[dict[str, Any]] = [
    {"id": "a", "KEY": "k", "N": 1, "STATUS": "Active", "AT": "2026-01-01", "TAGS": ["x"]},
    {"id": "b", "KEY": "k", "N": 2.5, "STATUS": "ACTIVE", "AT": "2026-01-02", "REPORT": [{"Score": "7"}, {}]},
    {"id": "c", "KEY": "k", "STATUS": "Paused", "REPORT": [{"Score": "x", "By": {"Name": "E"}}]},
    {"id": "d", "KEY": "other", "STATUS": "Paused"},
]
SEARCH = "search(input: {parameters: {KEY: %s}})"
K = SEARCH % '"k"'
VARIABLES = {"p": {"KEY": "k"}, "input": {"parameters": {"KEY": "k"}}, "other": {"parameters": {"KEY": "other"}},
             "where": [{"field": "STATUS", "equals": "active"}], "top": 1}  # fmt: skip


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    folder = write_instance(tmp_path / "i", ROWS, schema=SCHEMA, rules=RULES)
    app = asyncio.run(create_app(load_instance(str(folder)), cache_dir=tmp_path))
    found: Sandbox = app.state.sandbox
    return found


def answered(sandbox: Sandbox, text: str, *, quick: bool, variables: Any = None) -> Answer:
    operation = sandbox.operations.get(text, None)
    if not quick:
        known = operation.whole() if isinstance(operation, Mix) else operation
        operation = Operation(known.document, known.node, known.fields, known.roots)
    call = Call(sandbox.engine, sandbox._contents, sandbox.check, frozenset(PRIVILEGES.values()), 9, None)
    return execute(sandbox.instance.schema, operation, VARIABLES if variables is None else variables, call)


INSIGHTS = "{ entities { id recordInsights { %s } } }"
QUERIES = [
    f"{{ {K} {{ totalCount entities {{ id hits score consistency hitScore edges duplicates }} }} }}",
    f"{{ {K} {{ entities {{ records {{ id N TAGS REPORT {{ Score By {{ Name }} }} }} }} }} }}",
    f"{{ {K} {{ __typename entities {{ __typename records {{ __typename n: N REPORT {{ __typename }} }} }} }} }}",
    "query ($p: SearchParams!) { search(input: {parameters: $p, page: 1}) { totalCount } }",
    "{ entity(input: {id: \"none\"}) { entity { id } } }",
    "{ entityByRecord(input: {id: \"d\"}) { entity { records { id } edgeInsights { count matrix { a b links } } } } }",
    "{ metrics { assemblyStatus { state estimatedTimeRemaining } } }",
    *(f"{{ {K} {INSIGHTS % inside} }}" for inside in (
        'count sum(field: "N") average(field: "N") median(field: "N") none: max(field: "NO") sum2: sum(field: "N")',
        'sum(field: "STATUS")',
        'a: newest(field: "AT") { id } count',
        'first { id STATUS } last { id } values(field: "TAGS.*") valuesDistinct(field: "STATUS")',
        'frequencyDistribution(field: "STATUS", top: 1, direction: DESC) { value frequency percentage }',
        'filter(conditions: [{field: "STATUS", likeRegex: "act"}]) { count sort(criteria: [{field: "N", direction: '
        'DESC}]) { limit(count: 1) { records { id } } } }',
        'filter(conditions: [{field: "STATUS", greaterThan: 1}]) { count }',
        'filter(conditions: [{field: "STATUS", likeRegex: "("}]) { count }',
        'group(fields: ["STATUS"]) { count countDistinct(fields: ["N", "STATUS"]) key: first { id } }',
        'flatten(field: "TAGS") flattenDistinct(field: "REPORT") confidence(field: "STATUS")',
        'count } recordInsights { first { id } count again: count',
    )),
    "query q($where: [FilterCondition!]!, $top: Int, $p: SearchParams!) { search(input: {parameters: $p}) { entities { "
    'recordInsights { filter(conditions: $where) { count values(field: "N") frequencyDistribution(field: "AT", '
    "top: $top) { value } } } } } }",
    "query ($p: SearchParams!, $no: Boolean = false) { search(input: {parameters: $p}) "
    "{ totalCount @include(if: $no) entities { id @skip(if: true) records { id } } } }",
    f"{{ {K} {{ ...f }} }} fragment f on SearchOutput {{ totalCount ...g }} fragment g on SearchOutput "
    "{ entities { ... on Entity { id records { ...r } } } } fragment r on Record { id N }",
    "query lookups($a: SearchInput!, $b: SearchInput!) { x0: search(input: $a) { ...s } x1: search(input: $b) "
    "{ ...s } x2: search(input: $a) { entities { id } } } fragment s on SearchOutput { totalCount }",
    f"{{ a: {K} {{ totalCount }} b: " + SEARCH % '"}{ #"' + " { totalCount } }",
    f"{{ a: {K} {{ totalCount }} b: {K} " + INSIGHTS % 'sum(field: "STATUS")' + " }",
    "query ($p: SearchParams!) { a: search(input: {parameters: $p, page: 0}) { totalCount } b: __typename }",
    "mutation { submit(input: {records: []}) { recordsAdded } }",
]  # fmt: skip


@pytest.mark.parametrize("text", QUERIES)
def test_plans_give_what_graphql_core_gives(sandbox: Sandbox, text: str) -> None:
    variables = {**VARIABLES, "a": VARIABLES["input"], "b": VARIABLES["other"]}
    for _ in range(2):  # what was remembered is the same
        outcomes = []
        for quick in (True, False):
            try:
                outcomes.append(answered(sandbox, text, quick=quick, variables=variables))
            except Rejected as rejected:
                outcomes.append(rejected.answer)
        assert outcomes[0] == outcomes[1]


def test_most_of_these_queries_have_a_plan_that_holds(sandbox: Sandbox) -> None:
    call = Call(sandbox.engine, sandbox._contents, sandbox.check, frozenset(PRIVILEGES.values()), 9, None)
    variables = {**VARIABLES, "a": VARIABLES["input"], "b": VARIABLES["other"]}
    held = 0
    for text in QUERIES:
        operation = sandbox.operations.get(text, None)
        quick = operation if isinstance(operation, Mix) else operation.plan
        try:
            held += bool(quick and quick.run(call, variables))
        except Exception:
            continue
    assert held >= 18


def test_a_new_mix_of_known_lookups_is_not_parsed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    part = "search(input: $x%d) { totalCount entities { id } }"

    def mix(count: int) -> str:
        declared = ", ".join(f"$x{at}: SearchInput!" for at in range(count))
        return f"query lookups({declared}) {{ {' '.join(f'x{at}: {part % at}' for at in range(count))} }}"

    variables = {f"x{at}": VARIABLES["input"] for at in range(30)}
    assert (
        orjson.loads(answered(sandbox, mix(2), quick=True, variables=variables).body)["data"]["x1"]["totalCount"] == 1
    )
    monkeypatch.setattr("tilores_x.sandbox.api.execution.parse", None)
    for count in range(3, 30):
        data = orjson.loads(answered(sandbox, mix(count), quick=True, variables=variables).body)["data"]
        assert [data[f"x{at}"]["totalCount"] for at in range(count)] == [1] * count


@pytest.mark.parametrize(
    "text",
    [
        "query ($a: Int!, $unused: Int) { x: metrics { a } y: metrics { b(n: $a) } }",
        "{ x: metrics { a } x: metrics { b } }",
        "{ x: metrics { a } # }\n y: metrics { b } }",
        "query ($a: Int = 3) { x: f(n: $a) { a } y: f(n: $a) { a } }",
        "{ x: f @skip(if: true) { a } y: f { a } }",
        "{ ...f } fragment f on Query { a }",
        "{ x: a { ...missing } y: a { b } }",
        "mutation { x: a { b } y: a { c } }",
        "{ x: a { b } y: a { c } } { z }",
        "{ x: a { b } y: a { c }",
        "query ($a: ) { x: f(n: $a) y: f(n: $a) }",
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(text: str) -> None:
    assert pieces_of(text) is None


def test_names_in_strings_are_no_variables() -> None:
    whole = pieces_of('query q($a: T!) { x: f(n: $a, t: "$b }") { c } y: f(n: $a, t: """ \\""" { """) }')
    assert whole is not None
    assert [(piece.answers_as, dict(piece.variables)) for piece in whole.pieces] == [
        ("x", {"a": "v0"}),
        ("y", {"a": "v0"}),
    ]
    assert whole.pieces[0].text == 'query ($v0: T!) { f(n: $v0, t: "$b }") { c } } '


async def test_what_was_kept_ends_with_any_change(tmp_path: Path) -> None:
    folder = write_instance(tmp_path / "i", ROWS, schema=SCHEMA, rules=RULES)
    sandbox: Sandbox = (await create_app(load_instance(str(folder)), cache_dir=tmp_path)).state.sandbox
    text = "{ " + K + " " + INSIGHTS % "count" + " }"

    def count() -> list[int]:
        entities = orjson.loads(answered(sandbox, text, quick=True).body)["data"]["search"]["entities"]
        return [entity["recordInsights"]["count"] for entity in entities]

    assert count() == count() == [3]
    sandbox.engine.submit([{"id": "e", "KEY": "k"}])
    sandbox.engine.work(1.0)
    assert count() == [4]
    sandbox.engine.disassemble([], ["e"], ban=False)
    assert sorted(count()) == [1, 3]
