"""Assembly: into which entity a record goes, and what becomes of entities that meet or come apart."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

import orjson

from tilores_x.sandbox.engine.clusters import compatible, partition
from tilores_x.sandbox.engine.record import Record
from tilores_x.sandbox.engine.rules import RuleSet, Traits
from tilores_x.sandbox.engine.store import EntityRow, RecordRow, Store, pack


class Assembly:
    """The links between the records of a store, kept up to date; each call stands in a transaction of the caller's.

    ``bound`` says whether cuts or bans stand; where none do, linking is cheaper.
    """

    def __init__(self, rules: RuleSet, store: Store) -> None:
        self._rules = rules
        self._store = store
        self._linking = rules.linking
        self._at = tuple(at for at, rule in enumerate(rules.rule) if rule.link)
        self._ignored = frozenset({"id", *rules.duplicates.ignore})
        self.bound = store.bans.any()

    def take(self, record: Record, body: bytes, batch: int) -> None:
        """Put a record, new or in a new version, into the entity that its links lead to; ``body`` is it in JSON."""
        record_id = record["id"]
        before = self._store.record(record_id)
        if before and before.body == body:
            return
        traits = [rule.traits(record) for rule in self._rules.rule]
        linked = self._linked(traits)
        if before:
            self._replace(before, record, body, traits, linked, batch)
            return
        entities = sorted(self._store.entities(linked), key=lambda entity: entity.number)
        if self.bound:
            entities = self._allowed(record_id, entities)
        if not entities:
            number = self._store.add_entity(self._new_id(record_id), batch)
        elif len(entities) == 1:
            number = entities[0].number
            self._store.grow(number)
        else:
            into = max(entities, key=lambda entity: (entity.size, -entity.number))
            identity = min(entities, key=lambda entity: (entity.born, -entity.size, entity.number))
            self._store.merge(into, [entity for entity in entities if entity is not into], identity)
            number = into.number
            self._store.grow(number)
        self._insert(record, body, traits, number)

    def _insert(self, record: Record, body: bytes, traits: Sequence[Traits | None], entity: int) -> None:
        content = {name: value for name, value in record.items() if name not in self._ignored}
        digest = blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=12).digest()
        seq = self._store.insert(record["id"], entity, digest, pack([traits[at] for at in self._at]), body)
        self._store.post(seq, traits)

    def _replace(
        self,
        before: RecordRow,
        record: Record,
        body: bytes,
        traits: Sequence[Traits | None],
        linked: set[int],
        batch: int,
    ) -> None:
        old = orjson.loads(before.body)
        self._store.unpost(before.seq, [rule.traits(old) for rule in self._rules.rule])
        self._store.delete(before.seq)
        self._store.bans.uncut(record["id"])
        self._insert(record, body, traits, before.entity)
        self.regroup({before.entity} | linked, batch)

    def _linked(self, traits: Sequence[Traits | None]) -> set[int]:
        """The entities that hold a record linked to one with these traits."""
        keys: list[int] = []
        entities: set[int] = set()
        for rule, at in zip(self._linking, self._at, strict=True):
            seen = traits[at]
            if seen is None:
                continue
            if not rule.measures:
                keys += seen.keys
                continue
            for key in seen.keys:
                for text in self._store.texts_under(key):
                    if rule.close(orjson.loads(text), seen.texts):
                        entities |= self._store.entities_with(key, text, every=self.bound)
        if keys:
            # Without cuts and bans all records under one key are in one entity, so one of them tells which.
            entities |= self._store.entities_under(keys) if self.bound else self._store.entities_first_under(keys)
        return entities

    def _allowed(self, record_id: str, entities: Sequence[EntityRow]) -> list[EntityRow]:
        """Those of the linked entities that a new record may unite, the oldest record's first."""
        under = set(self._store.bans.bounds([record_id]).parts.get(record_id, ()))
        chosen: list[EntityRow] = []
        members = {entity.number: self._store.records_of([entity.number]) for entity in entities}
        for entity in sorted(entities, key=lambda entity: members[entity.number][0].seq):
            parts = self._store.bans.bounds(row.id for row in members[entity.number]).parts.values()
            bans = frozenset().union(*parts)
            if compatible(under, bans):
                chosen.append(entity)
                under |= bans
        return chosen

    def regroup(self, numbers: set[int], batch: int) -> None:
        """Work out the entities of all records of these ones anew, and which of them goes on as which.

        The largest part of an entity that came apart goes on as that entity (tie: the one with the oldest record).
        Where parts of several entities come together, the oldest entity survives (tie: the largest).
        """
        if self.bound:
            numbers = numbers | self._store.bans.banned_from(numbers)
        before = {entity.number: entity for entity in self._store.entities(numbers)}
        rows = self._store.records_of(before)
        bounds = self._store.bans.bounds(row.id for row in rows)
        groups = partition([row.member() for row in rows], self._linking, bounds)
        heirs: dict[int, list[EntityRow]] = {}
        for entity in before.values():
            shares = [sum(rows[at].entity == entity.number for at in group) for group in groups]
            if any(shares):
                heirs.setdefault(shares.index(max(shares)), []).append(entity)
        self._store.drop_entities(list(before))
        for at, group in enumerate(groups):
            if claims := heirs.get(at):
                kept = min(claims, key=lambda entity: (entity.born, -entity.size, entity.number))
                entity_id, born = kept.id, kept.born
            else:
                entity_id, born = self._new_id(rows[group[0]].id), batch
            number = self._store.add_entity(entity_id, born, len(group))
            self._store.assign((rows[i].seq for i in group), number)

    def _new_id(self, record_id: str) -> str:
        text = f"{record_id}\x1f{self._store.next_number('entity')}"
        return str(UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4))
