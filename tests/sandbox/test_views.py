"""An entity as it is shown: its edges, its duplicates, and with some of its records hidden."""

from __future__ import annotations

from support.engines import fill, view
from support.small_instance import PEOPLE

from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.rules import RuleSet
from tilores_x.sandbox.engine.store import Store


def test_a_key_shared_by_very_many_costs_few_edges_and_one_entity(rules: RuleSet) -> None:
    engine = Engine(rules, Store())
    engine.add([{"id": f"r{n}", "email": "none@x.example", "city": str(n)} for n in range(450)])
    entity = view(engine, "r0")
    assert len(entity.records) == 450
    assert len(entity.edges) == 200 * 199 // 2 + 250 * 200


def test_rows_hidden_before_the_graph_is_built_split_an_entity(rules: RuleSet) -> None:
    engine = fill(rules, PEOPLE)
    entity = view(engine, "crm-1")
    assert {record["id"] for record in entity.records} == {"crm-1", "crm-2", "pay-1", "call-1", "crm-3"}
    without_bridge = entity.considering([{"field": "id", "equals": "crm-1", "invert": True}])
    assert [{record["id"] for record in part.records} for part in without_bridge] == [
        {"crm-2", "call-1", "crm-3"},
        {"pay-1"},
    ]
    assert without_bridge[0].edges == ["crm-2:crm-3:EMAIL", "call-1:crm-3:PHONE_NAME"]
    assert without_bridge[1].edges == []
    assert {part.id for part in without_bridge} == {entity.id}
    assert entity.considering([{"field": "id", "equals": "nobody"}]) == []


def test_when_the_original_is_hidden_its_first_duplicate_stands_for_it(rules: RuleSet) -> None:
    twins = [{"id": n, "email": "a@x.example", "seen_at": f"2026-01-0{n}T00:00:00Z"} for n in "123"]
    engine = fill(rules, [*twins, {"id": "4", "email": "a@x.example", "city": "x"}])
    entity = view(engine, "1")
    assert entity.duplicates == {"1": ["2", "3"]}
    assert entity.edges == ["1:4:EMAIL"]
    (rest,) = entity.considering([{"field": "id", "equals": "1", "invert": True}])
    assert rest.duplicates == {"2": ["3"]}
    assert rest.edges == ["2:4:EMAIL"]


def test_consistency_is_the_share_of_linked_pairs(rules: RuleSet) -> None:
    engine = fill(rules, PEOPLE)
    assert view(engine, "crm-5").consistency == 1.0
    assert view(engine, "bureau-1").consistency == 1.0
    chain = view(engine, "crm-1")
    assert chain.consistency == len({edge.rsplit(":", 1)[0] for edge in chain.edges}) / 10
