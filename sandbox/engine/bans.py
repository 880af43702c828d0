"""The tables of what must not be linked: edges that were taken out, and parts that are kept apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from tilores_x.sandbox.engine.clusters import Bounds
from tilores_x.sandbox.engine.sql import as_json


class Bans:
    """Cuts are pairs of record IDs; a ban (``reference``) holds record IDs in numbered parts."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def any(self) -> bool:
        """Whether any cut or ban stands."""
        return bool(self._db.execute("SELECT EXISTS (SELECT 1 FROM cuts) OR EXISTS (SELECT 1 FROM bans)").fetchone()[0])

    def bounds(self, record_ids: Iterable[str]) -> Bounds:
        """The cuts and bans that these records stand under."""
        cuts: dict[str, set[str]] = {}
        parts: dict[str, set[tuple[str, int]]] = {}
        for record_id in record_ids:
            if others := self._db.execute("SELECT b FROM cuts WHERE a = ?", (record_id,)).fetchall():
                cuts[record_id] = {other for (other,) in others}
            if bans := self._db.execute("SELECT reference, part FROM bans WHERE record = ?", (record_id,)).fetchall():
                parts[record_id] = set(bans)
        return Bounds(cuts, {record: frozenset(bans) for record, bans in parts.items()})

    def banned_from(self, numbers: Iterable[int]) -> set[int]:
        """The entities that hold a part of a ban of which these entities hold another."""
        rows = self._db.execute(
            "SELECT DISTINCT other.entity FROM records mine JOIN bans a ON a.record = mine.id"
            " JOIN bans b ON b.reference = a.reference JOIN records other ON other.id = b.record"
            " WHERE mine.entity IN (SELECT value FROM json_each(?))",
            (as_json(numbers),),
        )
        return {number for (number,) in rows}

    def cut(self, pairs: Iterable[tuple[str, str]], reference: str | None) -> None:
        both_ways = [pair for a, b in pairs for pair in ((a, b, reference), (b, a, reference))]
        self._db.executemany("INSERT OR REPLACE INTO cuts VALUES (?, ?, ?)", both_ways)

    def uncut(self, record_id: str) -> None:
        """Forget the cuts of a record: its edges are worked out anew."""
        others = self._db.execute("SELECT b FROM cuts WHERE a = ?", (record_id,)).fetchall()
        self._db.executemany("DELETE FROM cuts WHERE a = ? AND b = ?", [(other, record_id) for (other,) in others])
        self._db.execute("DELETE FROM cuts WHERE a = ?", (record_id,))

    def ban(self, reference: str, parts: Sequence[Iterable[str]]) -> None:
        next_part = "SELECT coalesce(max(part), -1) + 1 FROM bans WHERE reference = ?"
        (free,) = self._db.execute(next_part, (reference,)).fetchone()
        rows = [(reference, record, number) for number, part in enumerate(parts, free) for record in part]
        self._db.executemany("INSERT OR REPLACE INTO bans VALUES (?, ?, ?)", rows)

    def parts(self, reference: str) -> dict[int, set[int]]:
        """Per part of a ban, the numbers of the entities that now hold its records."""
        rows = self._db.execute(
            "SELECT b.part, r.entity FROM bans b JOIN records r ON r.id = b.record WHERE b.reference = ?", (reference,)
        )
        parts: dict[int, set[int]] = {}
        for part, entity in rows:
            parts.setdefault(part, set()).add(entity)
        return parts

    def join(self, reference: str, parts: Sequence[int]) -> None:
        """Lift a ban between some of its parts, and the cuts made with it."""
        among = as_json(parts)
        self._db.execute(
            "DELETE FROM cuts WHERE reference = ?1"
            " AND a IN (SELECT record FROM bans WHERE reference = ?1 AND part IN (SELECT value FROM json_each(?2)))"
            " AND b IN (SELECT record FROM bans WHERE reference = ?1 AND part IN (SELECT value FROM json_each(?2)))",
            (reference, among),
        )
        self._db.execute(
            "UPDATE bans SET part = ?3 WHERE reference = ?1 AND part IN (SELECT value FROM json_each(?2))",
            (reference, among, min(parts)),
        )
        if len(self.parts(reference)) < 2:
            self._db.execute("DELETE FROM bans WHERE reference = ?", (reference,))
