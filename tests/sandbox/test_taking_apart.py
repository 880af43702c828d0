"""Cuts and bans: what is taken apart stays apart, as long as it should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engines import FIELDS, RECORDS, Record, fill, held, partition, view
from support.small_instance import PEOPLE

from tilores_x.sandbox.engine.engine import Edge
from tilores_x.sandbox.engine.record import Refused
from tilores_x.sandbox.engine.rules import RuleSet

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("cut"), st.integers(0, 13), st.integers(0, 13), st.booleans()),
        st.tuples(st.just("part"), st.integers(0, 13), st.just(0), st.booleans()),
        st.tuples(st.just("add"), FIELDS, st.just(0), st.just(False)),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(records=RECORDS.filter(lambda records: len(records) > 3), actions=ACTIONS)
def test_whatever_is_taken_apart_or_added_bans_hold_and_entities_stay_connected(
    rules: RuleSet, records: list[Record], actions: list[Any]
) -> None:
    engine = fill(rules, records)
    by_id = {record["id"]: record for record in records}
    banned: list[list[set[str]]] = []
    for number, (action, a, b, ban) in enumerate(actions):
        if action == "add":
            by_id[f"n{number}"] = {"id": f"n{number}", **a}
            engine.add([by_id[f"n{number}"]])
            continue
        names = [f"r{at}" for at in (a, b) if f"r{at}" in by_id]
        if len(names) < 2:
            continue
        row = engine.entity_of(names[0])
        assert row is not None
        before = {each.id for each in engine.store.records_of([row.number])}
        try:
            if action == "cut":
                engine.disassemble([Edge(*names)], [], ban=ban)
            else:
                engine.disassemble([], names[:1], ban=ban)
                alone = engine.entity_of(names[0])
                assert alone is not None
                assert alone.size == 1
        except Refused:
            assert names[0] == names[1] or names[1] not in before
            continue
        parts = [set(group) for group in partition(engine, before)]
        if ban and len(parts) > 1:
            banned.append(parts)
    found = partition(engine, by_id)
    for parts in banned:
        for group in found:
            assert sum(bool(group & part) for part in parts) <= 1
    for group in found:
        entity = view(engine, next(iter(group)))
        together = {record["id"] for record in entity.records}
        assert together == group
        ends = [set(edge.split(":")[:2]) for edge in entity.edges]
        ends += [{original, copy} for original, copies in entity.duplicates.items() for copy in copies]
        reached = {entity.records[0]["id"]}
        for _ in together:
            reached |= {end for pair in ends if pair & reached for end in pair}
        assert reached == together


def test_without_a_ban_a_later_record_unites_what_was_taken_apart(rules: RuleSet) -> None:
    records = [{"id": n, "email": "a@x.example", "city": n} for n in ("a", "b")]
    engine = fill(rules, records)
    engine.disassemble([Edge("a", "b")], [], ban=False)
    assert partition(engine, "ab") == {frozenset("a"), frozenset("b")}
    engine.add([{"id": "c", "email": "a@x.example"}])
    assert partition(engine, "abc") == {frozenset("abc")}
    assert sorted(view(engine, "a").edges) == ["a:c:EMAIL", "b:c:EMAIL"]


def test_a_ban_outlives_new_records_and_new_versions_until_it_is_lifted(rules: RuleSet) -> None:
    engine = fill(rules, [{"id": n, "email": "a@x.example", "city": n} for n in ("a", "b")])
    whole = engine.entity_of("a")
    assert whole is not None
    engine.disassemble([Edge("a", "b")], [], ban=True)
    engine.add([{"id": "c", "email": "a@x.example"}])
    engine.add([{"id": "b", "email": "a@x.example", "city": "elsewhere"}])
    assert partition(engine, "abc") == {frozenset("ac"), frozenset("b")}
    one, other = engine.entity_of("a"), engine.entity_of("b")
    assert one is not None
    assert other is not None
    assert not engine.remove_ban("not the reference", one.id, [other.id])
    assert engine.remove_ban(whole.id, one.id, [other.id])
    assert partition(engine, "abc") == {frozenset("abc")}
    assert (engine.entity_of("b") or other).id == whole.id
    assert not engine.remove_ban(whole.id, whole.id, [whole.id])


def test_a_cut_lasts_until_one_of_its_records_comes_in_a_new_version(rules: RuleSet) -> None:
    engine = fill(rules, [{"id": n, "email": "a@x.example", "city": n} for n in "ab"])
    engine.disassemble([Edge("a", "b")], [], ban=False)
    engine.add([{"id": "b", "email": "a@x.example", "city": "elsewhere"}])
    assert partition(engine, "ab") == {frozenset("ab")}
    assert view(engine, "a").edges == ["a:b:EMAIL"]


def test_a_later_record_that_is_alike_unites_what_was_taken_apart(rules: RuleSet) -> None:
    born = {"last_name": "Marlow", "dob": "1980-03-02"}
    engine = fill(rules, [{"id": n, "city": n, **born} for n in "ab"])
    engine.disassemble([Edge("a", "b")], [], ban=False)
    assert partition(engine, "ab") == {frozenset("a"), frozenset("b")}
    engine.add([{"id": "c", "last_name": "Marlowe", "dob": "1980-03-02"}])
    assert partition(engine, "abc") == {frozenset("abc")}


def test_a_record_that_loses_its_part_of_a_ban_joins_the_other_part(rules: RuleSet) -> None:
    engine = fill(rules, [{"id": n, "email": "a@x.example", "city": n} for n in "ab"])
    engine.disassemble([Edge("a", "b")], [], ban=True)
    engine.add([{"id": "x", "email": "a@x.example"}])
    assert partition(engine, "abx") == {frozenset("ax"), frozenset("b")}
    engine.add([{"id": "a", "email": "other@x.example"}])
    assert partition(engine, "abx") == {frozenset("a"), frozenset("bx")}


def test_an_entity_taken_apart_twice_keeps_all_its_parts_apart(rules: RuleSet) -> None:
    engine = fill(rules, [{"id": n, "email": "a@x.example", "city": n} for n in "abc"])
    engine.disassemble([], ["a"], ban=True)
    engine.disassemble([], ["b"], ban=True)
    for record_id in "abc":
        engine.add([{"id": record_id, "email": "a@x.example", "city": "elsewhere"}])
    assert partition(engine, "abc") == {frozenset("a"), frozenset("b"), frozenset("c")}


def test_a_lifted_ban_takes_its_cuts_along(rules: RuleSet) -> None:
    engine = fill(rules, [{"id": n, "email": "a@x.example", "city": n} for n in "ab"])
    whole = held(engine, "a")
    engine.disassemble([Edge("a", "b")], [], ban=True)
    assert engine.remove_ban(whole.id, held(engine, "b").id, [held(engine, "a").id])
    assert partition(engine, "ab") == {frozenset("ab")}
    assert view(engine, "a").edges == ["a:b:EMAIL"]


def test_a_record_whose_edges_were_cut_stands_for_itself(rules: RuleSet) -> None:
    engine = fill(rules, [{"id": n, "email": "a@x.example"} for n in "ab"])
    assert view(engine, "a").duplicates == {"a": ["b"]}
    engine.disassemble([], ["b"], ban=False)
    engine.add([{"id": "c", "email": "a@x.example", "city": "x"}])
    entity = view(engine, "a")
    assert entity.duplicates == {}
    assert entity.edges == ["a:c:EMAIL", "b:c:EMAIL"]
    without_bridge = entity.considering([{"field": "id", "equals": "c", "invert": True}])
    assert [[record["id"] for record in part.records] for part in without_bridge] == [["a"], ["b"]]


def test_taking_out_the_edge_of_an_original_takes_out_its_duplicates_edges(rules: RuleSet) -> None:
    engine = fill(
        rules,
        [
            {"id": "a", "email": "a@x.example"},
            {"id": "a2", "email": "a@x.example"},
            {"id": "b", "email": "a@x.example", "city": "x"},
        ],
    )
    assert view(engine, "a").duplicates == {"a": ["a2"]}
    assert view(engine, "a").edges == ["a:b:EMAIL"]
    engine.disassemble([Edge("a", "b")], [], ban=False)
    assert partition(engine, ["a", "a2", "b"]) == {frozenset({"a", "a2"}), frozenset({"b"})}


@pytest.mark.parametrize(
    ("edges", "records", "told"),
    [
        ([], [], "at least one"),
        ([("crm-1", "nobody")], [], "record not found: nobody"),
        ([("crm-1", "crm-5")], [], "no edge between"),
        ([], ["nobody"], "record not found: nobody"),
    ],
)
def test_taking_apart_what_is_not_there_is_refused(
    rules: RuleSet, edges: list[tuple[str, str]], records: list[str], told: str
) -> None:
    engine = fill(rules, PEOPLE)
    with pytest.raises(Refused, match=told):
        engine.disassemble([Edge(*edge) for edge in edges], records, ban=False)
