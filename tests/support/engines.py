"""Engines with records in them, what to compare their entities with, and records to draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from hypothesis import strategies as st

from tilores_x.sandbox.api.contents import Content
from tilores_x.sandbox.api.views import EntityView
from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.rules import RuleSet
from tilores_x.sandbox.engine.store import EntityRow, Store

Record = dict[str, Any]
Partition = set[frozenset[str]]


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
