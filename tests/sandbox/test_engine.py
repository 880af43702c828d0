"""Entities are the connected components of linked records, however they came in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_instance import PEOPLE, RULES, write_instance

from tilores_x.sandbox.api.contents import Content
from tilores_x.sandbox.api.views import EntityView
from tilores_x.sandbox.engine.engine import Edge, Engine
from tilores_x.sandbox.engine.record import Refused
from tilores_x.sandbox.engine.rules import RuleSet, load_rules
from tilores_x.sandbox.engine.store import EntityRow, Store

Record = dict[str, Any]
Partition = set[frozenset[str]]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return load_rules(write_instance(tmp_path_factory.mktemp("rules")) / "rules.toml")


def fill(rules: RuleSet, records: Iterable[Record]) -> Engine:
    engine = Engine(rules, Store())
    for record in records:
        engine.add([record])
    return engine


def partition(engine: Engine, ids: Iterable[str]) -> Partition:
    groups: dict[int, set[str]] = {}
    for record_id in ids:
        row = held(engine, record_id)
        groups.setdefault(row.number, set()).add(record_id)
        assert row.size == len(engine.store.records_of([row.number]))
    return {frozenset(group) for group in groups.values()}


def held(engine: Engine, record_id: str) -> EntityRow:
    row = engine.entity_of(record_id)
    assert row is not None
    return row


def view(engine: Engine, record_id: str) -> EntityView:
    row = held(engine, record_id)
    return EntityView(row.id, engine, lambda: Content(engine, engine.store.records_of([row.number])))


def linked(rules: RuleSet, a: Record, b: Record) -> list[str]:
    """The rules that hold for two records, asked one by one."""
    found = []
    for rule in rules.linking:
        x, y = rule.traits(a), rule.traits(b)
        if x and y and rule.holds(x, y):
            found.append(rule.id)
    return found


def components(rules: RuleSet, records: Sequence[Record]) -> Partition:
    """By comparing everything with everything, and spreading labels until nothing changes."""
    label = {record["id"]: record["id"] for record in records}
    pairs = [(a["id"], b["id"]) for a, b in combinations(records, 2) if linked(rules, a, b)]
    changed = True
    while changed:
        changed = False
        for a, b in pairs:
            low = min(label[a], label[b])
            changed |= label[a] != low or label[b] != low
            label[a] = label[b] = low
    groups: dict[str, set[str]] = {}
    for record_id, name in label.items():
        groups.setdefault(name, set()).add(record_id)
    return {frozenset(group) for group in groups.values()}


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@x.example", "A@x.example ", "b@x.example", "c@x.example", ""]),
        "first_name": st.sampled_from(["Ann", "Anne", "Bob", "Steven", "Stephen"]),
        "last_name": st.sampled_from(["Marlow", "Marlowe", "Marrow", "Tarrant", "Tarant"]),
        "dob": st.sampled_from(["1980-03-02", "02/03/1980", "03/02/1980", "1980-02-03", "March 2, 1980", "never"]),
        "phone": st.sampled_from(["415-555-0134", "(415) 555-0134", "415-555-0177", "555-0134"]),
    },
)
RECORDS = st.lists(FIELDS, max_size=14).map(
    lambda all_fields: [{"id": f"r{at}", **fields} for at, fields in enumerate(all_fields)]
)


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


def test_a_key_shared_by_very_many_costs_few_edges_and_one_entity(rules: RuleSet) -> None:
    engine = Engine(rules, Store())
    engine.add([{"id": f"r{n}", "email": "none@x.example", "city": str(n)} for n in range(450)])
    entity = view(engine, "r0")
    assert len(entity.records) == 450
    assert len(entity.edges) == 200 * 199 // 2 + 250 * 200


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
