"""Entities are the connected components of linked records, however they came in."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engines import RECORDS, Record, components, fill, linked, partition, view
from support.small_instance import PEOPLE, RULES

from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.record import Refused
from tilores_x.sandbox.engine.rules import RuleSet
from tilores_x.sandbox.engine.store import Store


@settings(max_examples=150, deadline=None)
@given(records=RECORDS, data=st.data())
def test_one_by_one_at_once_or_in_another_order_the_entities_are_the_components(
    rules: RuleSet, records: list[Record], data: st.DataObject
) -> None:
    expected = components(rules, records)
    ids = [record["id"] for record in records]
    assert partition(fill(rules, records), ids) == expected
    shuffled = data.draw(st.permutations(records))
    assert partition(fill(rules, shuffled), ids) == expected
    at_once = Engine(rules, Store())
    at_once.add(records)
    assert partition(at_once, ids) == expected


@settings(max_examples=100, deadline=None)
@given(first=RECORDS, second=RECORDS)
def test_a_new_version_leaves_what_only_the_new_version_would_have_made(
    rules: RuleSet, first: list[Record], second: list[Record]
) -> None:
    latest = {record["id"]: record for record in [*first, *second]}
    engine = fill(rules, [*first, *second])
    assert partition(engine, latest) == components(rules, list(latest.values()))
    assert engine.store.count() == len(latest)


@settings(max_examples=100, deadline=None)
@given(records=RECORDS)
def test_edges_are_all_linked_pairs_of_originals_and_every_rule_that_holds(
    rules: RuleSet, records: list[Record]
) -> None:
    engine = fill(rules, records)
    by_id = {record["id"]: record for record in records}
    seen: set[str] = set()
    for record_id in by_id:
        if record_id in seen:
            continue
        entity = view(engine, record_id)
        ids = [record["id"] for record in entity.records]
        seen.update(ids)
        copies = {copy for group in entity.duplicates.values() for copy in group}
        originals = [each for each in ids if each not in copies]
        expected = [
            f"{a}:{b}:{rule}" for a, b in combinations(originals, 2) for rule in linked(rules, by_id[a], by_id[b])
        ]
        assert sorted(entity.edges) == sorted(expected)
        for original, group in entity.duplicates.items():
            for copy in group:
                assert by_id[original] | {"id": ""} == by_id[copy] | {"id": ""}


@settings(max_examples=60, deadline=None)
@given(records=RECORDS)
def test_the_same_submissions_give_the_same_ids(rules: RuleSet, records: list[Record]) -> None:
    def ids() -> list[str | None]:
        engine = fill(rules, records)
        return [row.id if (row := engine.entity_of(record["id"])) else None for record in records]

    assert ids() == ids()


def test_a_merge_keeps_the_oldest_entitys_id(rules: RuleSet) -> None:
    engine = fill(rules, [{"id": "old", "email": "a@x.example"}])
    engine.add([{"id": f"new{n}", "email": "b@x.example", "city": str(n)} for n in range(3)])
    old, new = engine.entity_of("old"), engine.entity_of("new0")
    assert old is not None
    assert new is not None
    assert old.id != new.id
    engine.add(
        [
            {"id": "x", "email": "a@x.example", "first_name": "Ann", "phone": "415-555-0134"},
            {"id": "y", "email": "b@x.example", "first_name": "Ann", "phone": "415-555-0134"},
        ]
    )
    merged = engine.entity_of("new2")
    assert merged is not None
    assert merged.id == old.id
    assert merged.size == 6
    assert engine.store.entity(new.id) is None


def test_of_equally_old_entities_the_largest_survives_a_merge(rules: RuleSet) -> None:
    engine = Engine(rules, Store())
    engine.add(
        [{"id": "a", "email": "a@x.example"}]
        + [{"id": f"b{n}", "email": "b@x.example", "city": str(n)} for n in range(3)]
    )
    large = engine.entity_of("b0")
    assert large is not None
    bridge = {"first_name": "Ann", "phone": "415-555-0134"}
    engine.add([{"id": "x", "email": "a@x.example"} | bridge, {"id": "y", "email": "b@x.example"} | bridge])
    assert engine.entity_of("a") == engine.entity_of("b1")
    assert (engine.entity_of("a") or large).id == large.id


def test_a_split_leaves_the_id_with_the_largest_part(rules: RuleSet) -> None:
    bridge = {"id": "bridge", "email": "a@x.example", "last_name": "Marlow", "dob": "1980-03-02"}
    left = [{"id": "l1", "email": "a@x.example"}]
    right = [{"id": f"r{n}", "last_name": "Marlow", "dob": "1980-03-02", "city": str(n)} for n in range(3)]
    engine = fill(rules, [*left, bridge, *right])
    whole = engine.entity_of("l1")
    assert whole is not None
    assert whole.size == 5
    engine.add([{"id": "bridge", "city": "Springfield"}])
    assert partition(engine, ["l1", "bridge", "r0", "r1", "r2"]) == {
        frozenset({"l1"}),
        frozenset({"bridge"}),
        frozenset({"r0", "r1", "r2"}),
    }
    assert (engine.entity_of("r0") or whole).id == whole.id
    others = {row.id for name in ("l1", "bridge") if (row := engine.entity_of(name))}
    assert len(others) == 2
    assert whole.id not in others


def test_a_lone_record_keeps_its_entity_in_a_new_version(rules: RuleSet) -> None:
    engine = fill(rules, [{"id": "a", "email": "a@x.example"}])
    before = engine.entity_of("a")
    engine.add([{"id": "a", "email": "z@x.example"}])
    after = engine.entity_of("a")
    assert before is not None
    assert after is not None
    assert after.id == before.id
    assert engine.search({"email": "a@x.example"}) == []
    assert [found.entity.id for found in engine.search({"email": "z@x.example"})] == [before.id]


def test_the_same_version_again_changes_nothing(rules: RuleSet) -> None:
    engine = fill(rules, PEOPLE)
    before = [record["id"] for record in view(engine, "crm-1").records]
    engine.add([PEOPLE[0]])
    assert [record["id"] for record in view(engine, "crm-1").records] == before


def test_a_search_finds_nothing_without_parameters_and_by_any_rule_with_them(rules: RuleSet) -> None:
    engine = fill(rules, PEOPLE)
    assert engine.search({}) == []
    assert engine.search({"email": None, "last_name": ""}) == []
    (found,) = engine.search({"email": " ann@MAIL.example"})
    assert found.hits == {"crm-1": ["EMAIL"], "crm-2": ["EMAIL"], "crm-3": ["EMAIL"]}
    assert found.hit_score == 1.0
    assert [found.hits for found in engine.search({"last_name": "Marlow", "email": None})] == [
        {"crm-1": ["LAST_NAME"], "pay-1": ["LAST_NAME"]}
    ]
    assert engine.search({"last_name": "Marlow", "email": "nobody@x.example"}) == []


def test_a_search_set_narrows_the_rules(rules: RuleSet) -> None:
    engine = fill(rules, PEOPLE)
    assert len(engine.search({"city": "Springfield"})) == 2
    assert engine.search({"city": "Springfield"}, "strict") == []
    assert len(engine.search({"city": "Springfield", "email": "bob@mail.example"}, "strict")) == 1
    with pytest.raises(Refused, match="search rules not found: lax"):
        engine.search({"city": "Springfield"}, "lax")


def test_hit_score_is_the_share_of_the_parameters_that_the_best_record_satisfies(rules: RuleSet) -> None:
    engine = fill(rules, PEOPLE)
    by_name = {
        next(iter(found.hits)): found.hit_score
        for found in engine.search({"city": "Springfield", "email": "bob@mail.example"})
    }
    assert by_name == {"crm-2": 0.5, "crm-4": 1.0}


def test_a_file_opened_again_holds_entities_bans_and_what_waits(rules: RuleSet, tmp_path: Path) -> None:
    path = tmp_path / "sandbox.sqlite"
    engine = Engine(rules, Store(path))
    engine.add(PEOPLE)
    engine.disassemble([], ["crm-1"], ban=True)
    engine.submit([{"id": "late", "email": "ann@mail.example"}])
    before = {record["id"]: engine.entity_of(record["id"]) for record in PEOPLE}
    engine.store.close()

    again = Engine(rules, Store(path))
    assert {record["id"]: again.entity_of(record["id"]) for record in PEOPLE} == before
    assert again.entity_of("late") is None
    assert again.waiting == 1
    assert not again.work(1.0)
    crm_1, crm_2, late = (again.entity_of(name) for name in ("crm-1", "crm-2", "late"))
    assert crm_1
    assert crm_2
    assert late
    assert crm_1.id != crm_2.id
    assert late.id in (crm_1.id, crm_2.id)
    again.store.close()


def test_a_preview_that_is_not_kept_leaves_everything_as_it_was(rules: RuleSet) -> None:
    engine = fill(rules, PEOPLE)
    before = partition(engine, [record["id"] for record in PEOPLE])
    bridge = {"id": "bridge", "email": "ann@mail.example", "last_name": "Quill", "dob": "1990-01-01"}
    ((entity, rows),) = engine.add([bridge], keep=False)
    assert entity.size == 6
    assert {row.id for row in rows} >= {"bridge", "crm-1"}
    assert engine.entity_of("bridge") is None
    assert partition(engine, [record["id"] for record in PEOPLE]) == before
    assert engine.search({"email": "ann@mail.example"})[0].entity.size == 5


@pytest.mark.parametrize("bad", ["a:b", "", None, 7])
def test_one_unusable_id_refuses_the_whole_submission(rules: RuleSet, bad: Any) -> None:
    engine = fill(rules, [])
    with pytest.raises(Refused, match="record 2 of 2"):
        engine.submit([{"id": "fine"}, {"id": bad}])
    assert engine.waiting == 0


def test_the_rules_of_the_small_instance_are_the_ones_tested(rules: RuleSet) -> None:
    assert [rule.id for rule in rules.linking] == ["EMAIL", "NAME_DOB", "PHONE_NAME"]
    assert RULES.count("[[rule]]") == len(rules.rule)
