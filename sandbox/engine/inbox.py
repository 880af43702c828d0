"""The table of records that were submitted and are not assembled yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


class Inbox:
    """First come, first assembled."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, batch: int, bodies: Iterable[bytes]) -> None:
        self._db.executemany("INSERT INTO inbox (batch, body) VALUES (?, ?)", ((batch, body) for body in bodies))

    def count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM inbox").fetchone()[0])

    def first(self) -> tuple[int, int, bytes] | None:
        """Number, batch and body of the record that waits longest."""
        rows = self._db.execute("SELECT number, batch, body FROM inbox ORDER BY number LIMIT 1")
        row: tuple[int, int, bytes] | None = rows.fetchone()
        return row

    def remove(self, number: int) -> None:
        self._db.execute("DELETE FROM inbox WHERE number = ?", (number,))
