"""Incremental entity resolution: each submitted record is linked, by its keys, to the entities that it belongs to.

An entity is a connected component of linked records. A new record costs a few index look-ups, however many records
there are; only an entity that may come apart (a new version of a record, a disassemble, a ban lifted) is worked out
anew, from its own records. Everything follows from what was submitted, in its order: two runs give the same IDs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import orjson

from tilores_x.sandbox.engine.assembly import Assembly
from tilores_x.sandbox.engine.clusters import UNBOUND, Bounds, duplicates
from tilores_x.sandbox.engine.finding import Found, find
from tilores_x.sandbox.engine.record import Record, Refused, id_problem
from tilores_x.sandbox.engine.rules import Rule, RuleSet
from tilores_x.sandbox.engine.store import EntityRow, RecordRow, Store


class Edge(NamedTuple):
    a: str
    b: str


class Engine:
    """The entities of one instance over its store."""

    def __init__(self, rules: RuleSet, store: Store) -> None:
        self.rules = rules
        self.store = store
        self.linking: tuple[Rule, ...] = rules.linking
        self._assembly = Assembly(rules, store)
        self._record_s = 0.001

    # --- taking records in ---

    def take(self, records: Iterable[Record]) -> None:
        """Assemble records at once, inside a transaction of the caller's."""
        batch = self.store.next_number("batch")
        for record in records:
            self._assembly.take(record, orjson.dumps(record), batch)

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
                self._assembly.take(orjson.loads(body), body, batch)
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
        self._assembly.bound = self.store.bans.any()
        return found

    @staticmethod
    def _check(records: Sequence[Record]) -> None:
        for at, record in enumerate(records):
            if problem := id_problem(record.get("id")):
                raise Refused(f"record {at + 1} of {len(records)}: {problem}")

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
        self._assembly.bound = self.store.bans.any()

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
        self._assembly.bound = True
        self._assembly.regroup({number}, self.store.next_number("batch"))
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
            self._assembly.bound = self.store.bans.any()
            self._assembly.regroup(set(numbers), self.store.next_number("batch"))
        return True

    # --- finding ---

    def bounds(self, record_ids: Iterable[str]) -> Bounds:
        """The cuts and bans that these records stand under."""
        return self.store.bans.bounds(record_ids) if self._assembly.bound else UNBOUND

    def search(self, parameters: Mapping[str, Any], rule_set: str | None = None) -> list[Found]:
        """The entities with a record that a search rule finds (see `find`)."""
        return find(self.rules, self.store, parameters, rule_set)

    def entity_of(self, record_id: str) -> EntityRow | None:
        """The entity that holds a record."""
        row = self.store.record(record_id)
        return self.store.entities([row.entity])[0] if row else None
