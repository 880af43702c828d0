"""Every broken part of an instance folder is told with file, place and remedy."""
# ruff: noqa: E501  the table of broken parts has one case a line

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.small_instance import RULES, SCHEMA, write_instance

from tilores_x.errors import InstanceError
from tilores_x.sandbox.instance import SHIPPED, load_instance
from tilores_x.sandbox.server import create_app

Breaking = Callable[[Path], Any]


def remove(name: str) -> Breaking:
    return lambda folder: (folder / name).unlink()


def replace(name: str, old: str, new: str) -> Breaking:
    def apply(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return apply


def append(name: str, text: str | bytes) -> Breaking:
    def apply(folder: Path) -> None:
        raw = text if isinstance(text, bytes) else text.encode()
        (folder / name).write_bytes((folder / name).read_bytes() + raw)

    return apply


RULE = "\n[[rule]]\nid = 'NEW'\nmatch = [{0}]\n"

BROKEN: list[tuple[str, Breaking, str]] = [
    ("no schema", remove("schema.graphql"), "the file schema.graphql is missing"),
    ("no rules", remove("rules.toml"), "the file rules.toml is missing"),
    ("no records", remove("records.jsonl"), "the file records.jsonl is missing. An empty one is fine"),
    ("schema syntax", replace("schema.graphql", "type Record {", "type Record {{"), "schema.graphql, line 2: Syntax Error"),
    ("schema bytes", append("schema.graphql", b"\xff"), "schema.graphql: can't be read"),
    ("no Record", replace("schema.graphql", "type Record ", "type Recorded "), "schema.graphql: Record must be defined"),
    ("no RecordInput", replace("schema.graphql", "input RecordInput", "input Other"), "RecordInput must be defined"),
    ("no SearchParams", replace("schema.graphql", "input SearchParams", "input Params"), "SearchParams must be defined"),
    ("Record is input", replace("schema.graphql", "type Record ", "input Record "), "Record must be defined as `type Record`"),
    ("input is type", replace("schema.graphql", "input SearchParams", "type SearchParams"), "SearchParams must be defined as `input SearchParams`"),
    ("no id", replace("schema.graphql", "id: ID!", "key: ID!"), "Record must have the field `id: ID!`|has the field id"),
    ("nullable id", replace("schema.graphql", "id: ID!", "id: ID"), "Record must have the field `id: ID!`"),
    ("unknown type", replace("schema.graphql", "email: String", "email: Text"), "Unknown type 'Text'"),
    ("type of all", append("schema.graphql", "\ntype Query { a: Int }"), "the type Query belongs to every instance"),
    ("twice", append("schema.graphql", "\nenum Kind { A }"), "Kind"),
    ("arguments", replace("schema.graphql", "city: String", "city(n: Int): String"), "city of Record takes arguments"),
    ("extra param", replace("schema.graphql", "{\n  id: ID\n", "{\n  id: ID\n  shoe: String\n"), "SearchParams has the field shoe"),
    ("not TOML", append("rules.toml", "[[rule"), "rules.toml: this is no valid TOML: Expected"),
    ("no rule", lambda folder: (folder / "rules.toml").write_text(""), "`rule`: Field required"),
    ("only searching", lambda f: (f / "rules.toml").write_text(RULE.format("{field='city'}") + "link = false"), "no rule links"),
    ("unknown how", replace("rules.toml", '"phonetic"', '"fuzzy"'), "rule PHONE_NAME, matcher 2, `how`: Input should be 'exact'.*it is 'fuzzy'"),
    ("unknown key", replace("rules.toml", "alone =", "lone ="), "rule LAST_NAME, `lone`: Extra inputs"),
    ("unknown transform", replace("rules.toml", '"trim"', '"chop"'), "rule EMAIL, matcher 1, `transform.1`"),
    ("no least", replace("rules.toml", ", least = 0.88", ""), "rule NAME_DOB, matcher 1: how = \"similar\" needs `least`"),
    ("least too high", replace("rules.toml", "0.88", "88"), "rule NAME_DOB, matcher 1, `least`"),
    ("stray option", replace("rules.toml", 'how = "date"', 'how = "date", least = 0.5'), "`least` is for how = \"similar\" only"),
    ("no id", append("rules.toml", "\n[[rule]]\nmatch = [{field='city'}]"), "rule no. 6, `id`: Field required"),
    ("colon", replace("rules.toml", '"EMAIL"\nmatch', '"E:MAIL"\nmatch'), "rule E:MAIL, `id`"),
    ("no matcher", append("rules.toml", RULE.format("")), "rule NEW, `match`"),
    ("rule twice", replace("rules.toml", '"CITY"', '"EMAIL"'), "the rule ID EMAIL is given twice"),
    ("unknown in set", replace("rules.toml", '["EMAIL"]', '["MAIL"]'), "search_sets.strict names the rule MAIL"),
    ("ignored and used", replace("rules.toml", '["seen_at"]', '["city"]'), "duplicates.ignore names city, which the rule CITY"),
    ("ignored unknown", replace("rules.toml", '["seen_at"]', '["seen"]'), "duplicates.ignore names the field seen:"),
    ("unknown field", replace("rules.toml", 'field = "email"', 'field = "emial"'), "rule EMAIL names the field emial: the type Record has no field emial; did you mean email?"),
    ("unknown below", append("rules.toml", RULE.format("{field='score.history.valu'}")), "the type Score has no field valu; did you mean value"),
    ("below a scalar", append("rules.toml", RULE.format("{field='city.name'}")), "city is a String and has no field name"),
    ("an object", append("rules.toml", RULE.format("{field='score'}")), "score is an object"),
    ("bad JSON", append("records.jsonl", '\n\n{"id": "x",}'), "records.jsonl, line 11: no valid JSON"),
    ("no object", append("records.jsonl", '["x"]'), "records.jsonl, line 9: a record must be a JSON object"),
    ("colon in ID", append("records.jsonl", '{"id": "a:b"}'), "records.jsonl, line 9: the record ID 'a:b' holds a colon"),
    ("no ID", append("records.jsonl", '{"city": "x"}'), "line 9: a record needs an ID"),
    ("ID a number", append("records.jsonl", '{"id": 7}'), "line 9: a record needs an ID"),
    ("unknown record field", append("records.jsonl", '{"id": "x", "shoe": 1}'), "line 9: shoe is no field of the type Record"),
    ("a number", append("records.jsonl", '{"id": "x", "city": 7}'), "line 9: city must be a text"),
    ("no number", append("records.jsonl", '{"id": "x", "amount": "7"}'), "line 9: amount must be a number"),
    ("large number", append("records.jsonl", '{"id": "x", "visits": 3000000000}'), "line 9: visits must be a 32-bit"),
    ("no boolean", append("records.jsonl", '{"id": "x", "active": 1}'), "line 9: active must be true or false"),
    ("no list", append("records.jsonl", '{"id": "x", "notes": "n"}'), "line 9: notes must be a list"),
    ("null element", append("records.jsonl", '{"id": "x", "notes": [null]}'), "notes has an element that is null"),
    ("nested", append("records.jsonl", '{"id": "x", "score": {"history": [{"value": 1}]}}'), "score history has an element that value must be a text"),
    ("no time", append("records.jsonl", '{"id": "x", "seen_at": "soon"}'), "line 9: seen_at is no time"),
    ("no kind", append("records.jsonl", '{"id": "x", "kind": "FAX"}'), "line 9: kind must be one of CARD, CALL"),
    ("surrogate", append("records.jsonl", '{"id": "x\\ud800"}'), "line 9: no valid JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("breaking", "told"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
async def test_what_is_broken_is_told(tmp_path: Path, breaking: Breaking, told: str) -> None:
    folder = write_instance(tmp_path / "instance")
    breaking(folder)
    with pytest.raises(InstanceError, match=told) as caught:
        await create_app(load_instance(folder), cache_dir=tmp_path / "cache")
    assert str(folder) in str(caught.value)


async def test_the_unbroken_folder_loads_also_without_records(tmp_path: Path) -> None:
    folder = write_instance(tmp_path / "instance", [])
    app = await create_app(load_instance(folder), cache_dir=tmp_path / "cache")
    assert app.state.sandbox.engine.store.count() == 0


def test_a_name_that_is_neither_shipped_nor_a_folder_is_told() -> None:
    with pytest.raises(InstanceError, match=r"neither a shipped instance \(credit, people\) nor a folder"):
        load_instance("debit")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_instances_load_by_name(name: str) -> None:
    instance = load_instance(name)
    assert instance.name == name
    assert sum(1 for _ in instance.records()) > 500


def test_a_schema_may_declare_the_generic_scalars_itself(tmp_path: Path) -> None:
    folder = write_instance(tmp_path / "instance", schema="scalar Time\nscalar Any\n" + SCHEMA)
    assert load_instance(folder).rules.rule[0].id == "EMAIL"


async def test_people_are_generated_for_shipped_instances_only(tmp_path: Path) -> None:
    instance = load_instance(write_instance(tmp_path / "instance", rules=RULES))
    with pytest.raises(InstanceError, match="credit and people only"):
        await create_app(instance, people=10)
    app = await create_app(load_instance("people"), people=12, cache_dir=tmp_path)
    assert 12 <= app.state.sandbox.engine.store.count() <= 60
