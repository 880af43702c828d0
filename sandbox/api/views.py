"""What a query sees of an entity: records, edges, duplicates, hits and scores, some records hidden if so asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from tilores_x.sandbox.api.contents import Content
from tilores_x.sandbox.engine.clusters import UNBOUND, partition
from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.record import Record
from tilores_x.sandbox.engine.store import RecordRow
from tilores_x.sandbox.insights.records import EdgeInsights, RecordInsights


class EntityView:
    """An entity as one query sees it. Its records are read when they are first asked for.

    The scores are the sandbox's own, since those of the hosted service are not public; all are between 0 and 1:

    - ``consistency``: linked pairs as a share of all pairs of the entity's records, duplicates counted once; 1 for a
      single record. A chain of weak links comes out low, a group in which every record knows every other comes out 1.
    - ``hit_score``: the share of the given search parameters that the best matching record satisfies rules with; 0
      where there was no search.
    - ``score``: the mean of both after a search, else the consistency.
    """

    def __init__(
        self,
        entity_id: str,
        engine: Engine,
        content: Callable[[], Content],
        hits: Mapping[str, list[str]] | None = None,
        hit_score: float = 0.0,
    ) -> None:
        self.id = entity_id
        self.hit_score = hit_score
        self._engine = engine
        self._read = content
        self._hits = hits

    @cached_property
    def _content(self) -> Content:
        return self._read()

    @property
    def records(self) -> list[Record]:
        """In order of submission."""
        return self._content.records

    @property
    def duplicates(self) -> dict[str, list[str]]:
        """The IDs of the duplicates by that of their original, which is the first submitted."""
        members = self._content.members
        return {
            members[original].id: [members[at].id for at in copies] for original, copies in self._content.copies.items()
        }

    @cached_property
    def edges(self) -> list[str]:
        """``<older record>:<newer record>:<rule>``, one for each rule that links a pair of originals."""
        return [f"{a}:{b}:{rule}" for a, b, rules in self._content.pairs for rule in rules]

    @cached_property
    def hits(self) -> dict[str, list[str]]:
        if not self._hits:
            return {}
        return {row.id: self._hits[row.id] for row in self._content.rows if row.id in self._hits}

    @property
    def consistency(self) -> float:
        content = self._content
        originals = len(content.rows) - sum(map(len, content.copies.values()))
        pairs = originals * (originals - 1) // 2
        return len(content.pairs) / pairs if pairs else 1.0

    @property
    def score(self) -> float:
        return self.consistency if self._hits is None else (self.consistency + self.hit_score) / 2

    def record_insights(self) -> RecordInsights:
        return self._content.insights

    def edge_insights(self) -> EdgeInsights:
        return EdgeInsights(self.edges, self.duplicates)

    def considering(self, conditions: list[dict[str, Any]]) -> list[EntityView]:
        """The entities that the records meeting the conditions would form alone; they all keep this one's ID.

        Raises:
            InsightError: a condition can't be applied.
        """
        content = self._content
        visible = {record["id"] for record in content.insights.filter(conditions).records}
        rows = [row for row in content.rows if row.id in visible]
        parts = partition([row.member() for row in rows], self._engine.linking, content.bounds or UNBOUND)
        return [self._part([rows[at] for at in part]) for part in parts]

    def _part(self, rows: Sequence[RecordRow]) -> EntityView:
        content = Content(self._engine, rows)
        return EntityView(self.id, self._engine, lambda: content, self._hits, self.hit_score)
