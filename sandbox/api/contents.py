"""What the records of an entity say, worked out when first asked for and kept until anything changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import orjson
from cachetools import LRUCache

from tilores_x.sandbox.engine.clusters import Bounds, Member, duplicates, edges
from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.finding import Found
from tilores_x.sandbox.engine.record import Record
from tilores_x.sandbox.engine.store import EntityRow, RecordRow
from tilores_x.sandbox.insights.memory import Memory
from tilores_x.sandbox.insights.records import RecordInsights

KEPT_BYTES: Final = 32 * 2**20
"""JSON of the records that are kept decoded; in memory they take some five times as much."""
KEPT_SEARCHES: Final = 1024
REMEMBERED: Final = 2_000_000
"""Elements of lists that are kept of one entity's insights."""


class Content:
    """The records of an entity, or some of them, and the graph that they form. Nobody may change what it gives."""

    def __init__(self, engine: Engine, rows: Sequence[RecordRow]) -> None:
        self._engine = engine
        self.rows = rows

    @cached_property
    def records(self) -> list[Record]:
        """In order of submission."""
        return [orjson.loads(row.body) for row in self.rows]

    @cached_property
    def insights(self) -> RecordInsights:
        return RecordInsights(self.records, Memory(REMEMBERED))

    @cached_property
    def members(self) -> list[Member]:
        return [row.member() for row in self.rows]

    @cached_property
    def bounds(self) -> Bounds:
        return self._engine.bounds(row.id for row in self.rows)

    @cached_property
    def copies(self) -> dict[int, list[int]]:
        """Originals with their duplicates, by position."""
        return duplicates(self.members, self.bounds)

    @cached_property
    def pairs(self) -> list[tuple[str, str, list[str]]]:
        """The linked pairs of originals, by ID, with the rules that hold."""
        hidden = {at for copies in self.copies.values() for at in copies}
        originals = [member for at, member in enumerate(self.members) if at not in hidden]
        found = edges(originals, self._engine.linking, self.bounds)
        return [(originals[a].id, originals[b].id, rules) for a, b, rules in found]


class Contents:
    """Entities and searches of one engine, as they stand since the last change of anything in its store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen = -1
        self._entities: LRUCache[int, Content] = LRUCache(KEPT_BYTES, _bytes)
        self._searches: LRUCache[bytes, list[Found]] = LRUCache(KEPT_SEARCHES)

    def of(self, entity: EntityRow) -> Content:
        """The content of an entity."""
        self._forget_what_changed()
        content = self._entities.get(entity.number)
        if content is None:
            content = Content(self._engine, self._engine.store.records_of([entity.number]))
            if _bytes(content) <= KEPT_BYTES:
                self._entities[entity.number] = content
        return content

    def search(self, parameters: Mapping[str, Any], rule_set: str | None) -> list[Found]:
        """As `Engine.search`; the list is the caller's own."""
        self._forget_what_changed()
        key = orjson.dumps([parameters, rule_set], option=orjson.OPT_SORT_KEYS)
        found = self._searches.get(key)
        if found is None:
            found = self._searches[key] = self._engine.search(parameters, rule_set)
        return list(found)

    def _forget_what_changed(self) -> None:
        changes = self._engine.store.changes
        if changes != self._seen:
            self._entities.clear()
            self._searches.clear()
            self._seen = changes


def _bytes(content: Content) -> int:
    return sum(len(row.body) for row in content.rows) + 1
