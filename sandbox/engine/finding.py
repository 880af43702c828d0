"""Searching: which entities hold a record that some rule matches with the parameters given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson

from tilores_x.sandbox.engine.record import Refused
from tilores_x.sandbox.engine.rules import Rule, RuleSet
from tilores_x.sandbox.engine.store import EntityRow, HitRow, Store


@dataclass(frozen=True, slots=True)
class Found:
    """An entity that a search found.

    ``hits`` are the rules that held, per record ID, in order of submission. ``hit_score`` is the share of the given
    parameters that the best matching record satisfies rules with (0-1).
    """

    entity: EntityRow
    hits: dict[str, list[str]]
    hit_score: float


def find(rule_set: RuleSet, store: Store, parameters: Mapping[str, Any], set_name: str | None = None) -> list[Found]:
    """The entities with a record that a search rule finds; none where no parameter is given.

    Raises:
        Refused: there is no search set of that name.
    """
    given = {name: value for name, value in parameters.items() if _is_given(value)}
    try:
        rules = rule_set.searching(set_name)
    except KeyError:
        raise Refused(f"search rules not found: {set_name}") from None
    hits: dict[tuple[int, int], tuple[str, list[str]]] = {}
    for rule in rules:
        if not rule.alone or rule.fields >= given.keys():
            for row in _hits(store, rule, given):
                hits.setdefault((row.entity, row.seq), (row.id, []))[1].append(rule.id)
    by_entity: dict[int, dict[str, list[str]]] = {}
    for (entity, _), (record_id, held) in sorted(hits.items(), key=itemgetter(0)):
        by_entity.setdefault(entity, {})[record_id] = held
    fields = {rule.id: rule.fields for rule in rules}
    found = []
    for entity_row in store.entities(by_entity):
        held_by = by_entity[entity_row.number]
        # Thousands of records may hit, but by few different sets of rules.
        ways = {tuple(held) for held in held_by.values()}
        best = max(len(frozenset().union(*(fields[rule] for rule in held))) for held in ways)
        found.append(Found(entity_row, held_by, best / len(given)))
    return found


def _hits(store: Store, rule: Rule, given: Mapping[str, Any]) -> list[HitRow]:
    seen = rule.traits(given)
    if seen is None:
        return []
    if not rule.measures:
        return store.hits(seen.keys)
    texts = {text for key in seen.keys for text in store.texts_under(key)}
    close = [text for text in texts if rule.close(orjson.loads(text), seen.texts)]
    return store.hits(seen.keys, close) if close else []


def _is_given(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_given, value.values()))
    if isinstance(value, list):
        return any(map(_is_given, value))
    return value is not None and value != ""
