"""Incremental entity resolution: each submitted record is linked, by its keys, to the entities that it belongs to.

An entity is a connected component of linked records. A new record costs a few index look-ups, however many records
there are; only an entity that may come apart (a new version of a record, a disassemble, a ban lifted) is worked out
anew, from its own records. Everything follows from what was submitted, in its order: two runs give the same IDs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from tilores_x.sandbox.engine.clusters import UNBOUND, Bounds, compatible, duplicates, partition
from tilores_x.sandbox.engine.finding import Found, find
from tilores_x.sandbox.engine.record import Record, Refused, id_problem
from tilores_x.sandbox.engine.rules import Rule, RuleSet, Traits
from tilores_x.sandbox.engine.store import EntityRow, RecordRow, Store, pack


class Edge(NamedTuple):
    a: str
    b: str


class Engine:
    """The entities of one instance over its store."""

    def __init__(self, rules: RuleSet, store: Store) -> None:
        self.rules = rules
        self.store = store
        self.linking: tuple[Rule, ...] = rules.linking
        self._at = tuple(at for at, rule in enumerate(rules.rule) if rule.link)
        self._ignored = frozenset({"id", *rules.duplicates.ignore})
        self._bound = store.bans.any()
        self._record_s = 0.001

    # --- taking records in ---

    def take(self, records: Iterable[Record]) -> None:
        """Assemble records at once, inside a transaction of the caller's."""
        batch = self.store.next_number("batch")
        for record in records:
            self._assemble(record, orjson.dumps(record), batch)

    def submit(self, records: Sequence[Record]) -> int:
        """Keep records for assembly. Once this returns they survive the end of the process.

        Raises:
            Refused: a record has no usable ID; none of them is kept.
        """
        self._check(records)
        with self.store.transaction():
            self.store.inbox.add(self.store.next_number("batch"), map(orjson.dumps, records))
        return len(records)

    @property
    def waiting(self) -> int:
        """Records submitted and not assembled yet."""
        return self.store.inbox.count()

    @property
    def remaining_s(self) -> float:
        """Seconds until they are, by what the last ones took."""
        return self.waiting * self._record_s

    def work(self, budget_s: float) -> bool:
        """Assemble what waits, for about that many seconds; whether more is left."""
        start = time.perf_counter()
        done = 0
        with self.store.transaction():
            while waiting := self.store.inbox.first():
                number, batch, body = waiting
                self._assemble(orjson.loads(body), body, batch)
                self.store.inbox.remove(number)
                done += 1
                if time.perf_counter() - start >= budget_s:
                    break
        if done:
            self._record_s = (time.perf_counter() - start) / done
        return self.waiting > 0

    def add(self, records: Sequence[Record], *, keep: bool = True) -> list[tuple[EntityRow, list[RecordRow]]]:
        """Assemble records at once; the entities that then hold them. With ``keep=False`` all is as before.

        Raises:
            Refused: a record has no usable ID.
        """
        self._check(records)
        with self.store.transaction(keep=keep):
            self.take(records)
            rows = [row for record in records if (row := self.store.record(record["id"]))]
            touched = list(dict.fromkeys(row.entity for row in rows))
            entities = {entity.number: entity for entity in self.store.entities(touched)}
            found = [(entities[number], self.store.records_of([number])) for number in touched]
        self._bound = self.store.bans.any()
        return found

    @staticmethod
    def _check(records: Sequence[Record]) -> None:
        for at, record in enumerate(records):
            if problem := id_problem(record.get("id")):
                raise Refused(f"record {at + 1} of {len(records)}: {problem}")

    # --- linking ---

    def _assemble(self, record: Record, body: bytes, batch: int) -> None:
        record_id = record["id"]
        before = self.store.record(record_id)
        if before and before.body == body:
            return
        traits = [rule.traits(record) for rule in self.rules.rule]
        linked = self._linked(traits)
        if before:
            self._replace(before, record, body, traits, linked, batch)
            return
        entities = sorted(self.store.entities(linked), key=lambda entity: entity.number)
        if self._bound:
            entities = self._allowed(record_id, entities)
        if not entities:
            number = self.store.add_entity(self._new_id(record_id), batch)
        elif len(entities) == 1:
            number = entities[0].number
            self.store.grow(number)
        else:
            into = max(entities, key=lambda entity: (entity.size, -entity.number))
            identity = min(entities, key=lambda entity: (entity.born, -entity.size, entity.number))
            self.store.merge(into, [entity for entity in entities if entity is not into], identity)
            number = into.number
            self.store.grow(number)
        self._insert(record, body, traits, number)

    def _insert(self, record: Record, body: bytes, traits: Sequence[Traits | None], entity: int) -> None:
        content = {name: value for name, value in record.items() if name not in self._ignored}
        digest = blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=12).digest()
        seq = self.store.insert(record["id"], entity, digest, pack([traits[at] for at in self._at]), body)
        self.store.post(seq, traits)

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
        self.store.unpost(before.seq, [rule.traits(old) for rule in self.rules.rule])
        self.store.delete(before.seq)
        self.store.bans.uncut(record["id"])
        self._insert(record, body, traits, before.entity)
        self._regroup({before.entity} | linked, batch)

    def _linked(self, traits: Sequence[Traits | None]) -> set[int]:
        """The entities that hold a record linked to one with these traits."""
        keys: list[int] = []
        entities: set[int] = set()
        for rule, at in zip(self.linking, self._at, strict=True):
            seen = traits[at]
            if seen is None:
                continue
            if not rule.measures:
                keys += seen.keys
                continue
            for key in seen.keys:
                for text in self.store.texts_under(key):
                    if rule.close(orjson.loads(text), seen.texts):
                        entities |= self.store.entities_with(key, text, every=self._bound)
        if keys:
            # Without cuts and bans all records under one key are in one entity, so one of them tells which.
            entities |= self.store.entities_under(keys) if self._bound else self.store.entities_first_under(keys)
        return entities

    def _allowed(self, record_id: str, entities: Sequence[EntityRow]) -> list[EntityRow]:
        """Those of the linked entities that a new record may unite, the oldest record's first."""
        under = set(self.store.bans.bounds([record_id]).parts.get(record_id, ()))
        chosen: list[EntityRow] = []
        members = {entity.number: self.store.records_of([entity.number]) for entity in entities}
        for entity in sorted(entities, key=lambda entity: members[entity.number][0].seq):
            parts = self.store.bans.bounds(row.id for row in members[entity.number]).parts.values()
            bans = frozenset().union(*parts)
            if compatible(under, bans):
                chosen.append(entity)
                under |= bans
        return chosen

    def _regroup(self, numbers: set[int], batch: int) -> None:
        """Work out the entities of all records of these ones anew, and which of them goes on as which.

        The largest part of an entity that came apart goes on as that entity (tie: the one with the oldest record).
        Where parts of several entities come together, the oldest entity survives (tie: the largest).
        """
        if self._bound:
            numbers = numbers | self.store.bans.banned_from(numbers)
        before = {entity.number: entity for entity in self.store.entities(numbers)}
        rows = self.store.records_of(before)
        bounds = self.store.bans.bounds(row.id for row in rows)
        groups = partition([row.member() for row in rows], self.linking, bounds)
        heirs: dict[int, list[EntityRow]] = {}
        for entity in before.values():
            shares = [sum(rows[at].entity == entity.number for at in group) for group in groups]
            if any(shares):
                heirs.setdefault(shares.index(max(shares)), []).append(entity)
        self.store.drop_entities(list(before))
        for at, group in enumerate(groups):
            if claims := heirs.get(at):
                kept = min(claims, key=lambda entity: (entity.born, -entity.size, entity.number))
                entity_id, born = kept.id, kept.born
            else:
                entity_id, born = self._new_id(rows[group[0]].id), batch
            number = self.store.add_entity(entity_id, born, len(group))
            self.store.assign((rows[i].seq for i in group), number)

    def _new_id(self, record_id: str) -> str:
        text = f"{record_id}\x1f{self.store.next_number('entity')}"
        return str(UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4))

    # --- taking entities apart ---

    def disassemble(self, edges: Sequence[Edge], record_ids: Sequence[str], *, ban: bool) -> None:
        """Take edges out, and all edges of the given records; with ``ban`` the parts are kept apart from then on.

        The edges of an original go together with those of its duplicates. A cut lasts until one of its two records is
        submitted in a new version; without a ban a later record that links to both parts unites them again.

        Raises:
            Refused: nothing to take apart is named, or a record or an edge does not exist.
        """
        if not edges and not record_ids:
            raise Refused("disassemble needs at least one edge or one record ID")
        named = dict.fromkeys([*record_ids, *(record for edge in edges for record in edge)])
        rows = {record_id: self.store.record(record_id) for record_id in named}
        if missing := [record_id for record_id, row in rows.items() if row is None]:
            raise Refused(f"record not found: {missing[0]}")
        numbers = {row.entity for row in rows.values() if row}
        with self.store.transaction():
            for number in sorted(numbers):
                self._take_apart(number, edges, record_ids, ban=ban)
        self._bound = self.store.bans.any()

    def _take_apart(self, number: int, edges: Sequence[Edge], record_ids: Sequence[str], *, ban: bool) -> None:
        (entity,) = self.store.entities([number])
        rows = self.store.records_of([number])
        ids = {row.id for row in rows}
        members = [row.member() for row in rows]
        twins: dict[str, list[str]] = {}
        for original, copies in duplicates(members, self.store.bans.bounds(ids)).items():
            group = [members[at].id for at in (original, *copies)]
            twins.update(dict.fromkeys(group, group))
        pairs = [(record, other) for record in record_ids if record in ids for other in ids - {record}]
        for a, b in edges:
            if (a in ids) != (b in ids) or a == b:
                raise Refused(f"there is no edge between {a} and {b}")
            if a in ids:
                pairs += product(twins.get(a, [a]), twins.get(b, [b])) if b not in twins.get(a, ()) else [(a, b)]
        reference = entity.id if ban else None
        self.store.bans.cut(pairs, reference)
        self._bound = True
        self._regroup({number}, self.store.next_number("batch"))
        if ban:
            parts: dict[int, list[str]] = {}
            for row in filter(None, map(self.store.record, sorted(ids))):
                parts.setdefault(row.entity, []).append(row.id)
            if len(parts) > 1:
                self.store.bans.ban(entity.id, list(parts.values()))

    def remove_ban(self, reference: str, entity_id: str, others: Sequence[str]) -> bool:
        """Lift the ban between an entity and others; those that the rules link are one again. False if none stood.

        ``reference`` is the ID of the entity that was taken apart.

        Raises:
            Refused: an entity does not exist.
        """
        rows = {name: self.store.entity(name) for name in (entity_id, *others)}
        if missing := [name for name, row in rows.items() if row is None]:
            raise Refused(f"entity not found: {missing[0]}")
        numbers = [row.number for row in rows.values() if row]
        parts = [part for part, held in self.store.bans.parts(reference).items() if held & set(numbers)]
        if len(parts) < 2:
            return False
        with self.store.transaction():
            self.store.bans.join(reference, parts)
            self._bound = self.store.bans.any()
            self._regroup(set(numbers), self.store.next_number("batch"))
        return True

    # --- finding ---

    def bounds(self, record_ids: Iterable[str]) -> Bounds:
        """The cuts and bans that these records stand under."""
        return self.store.bans.bounds(record_ids) if self._bound else UNBOUND

    def search(self, parameters: Mapping[str, Any], rule_set: str | None = None) -> list[Found]:
        """The entities with a record that a search rule finds (see `find`)."""
        return find(self.rules, self.store, parameters, rule_set)

    def entity_of(self, record_id: str) -> EntityRow | None:
        """The entity that holds a record."""
        row = self.store.record(record_id)
        return self.store.entities([row.entity])[0] if row else None
