"""Where an instance's records, entities and keys live: one SQLite database, in memory or in a file.

The database is the whole state; nothing of it is kept beside it. So a file can be opened at once whatever its size,
and a process killed at any moment loses nothing that was committed: a file is in WAL mode with ``synchronous=FULL``.
A file belongs to one process at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from tilores_x.errors import InstanceError
from tilores_x.sandbox.engine.bans import Bans
from tilores_x.sandbox.engine.clusters import Member
from tilores_x.sandbox.engine.inbox import Inbox
from tilores_x.sandbox.engine.rules import Traits
from tilores_x.sandbox.engine.sql import FORMAT, TABLES, as_json

MOST_CANDIDATES: Final = 5000
"""Different texts under one key that a ``similar`` matcher is held against."""


class EntityRow(NamedTuple):
    number: int
    id: str
    born: int
    """Number of the submission in which the entity's oldest part came in."""
    size: int


class RecordRow(NamedTuple):
    seq: int
    id: str
    entity: int
    digest: bytes
    traits: bytes
    body: bytes

    def member(self) -> Member:
        return Member(self.seq, self.id, self.digest, unpack(self.traits))


class HitRow(NamedTuple):
    seq: int
    id: str
    entity: int


def pack(traits: Iterable[Traits | None]) -> bytes:
    return orjson.dumps([None if seen is None else [seen.keys, seen.texts] for seen in traits])


def unpack(packed: bytes) -> tuple[Traits | None, ...]:
    return tuple(
        None if seen is None else Traits(tuple(seen[0]), tuple(map(tuple, seen[1]))) for seen in orjson.loads(packed)
    )


def texts_key(texts: Sequence[Sequence[str]]) -> str:
    return orjson.dumps(texts).decode() if texts else ""


class Store:
    """The database of one instance. Not thread-safe: one thread uses it at a time.

    ``bans`` holds what must not be linked, ``inbox`` what is not assembled yet.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise InstanceError(_open_problem(path, error)) from None
        try:
            if path:
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA cache_size = -65536")
            self._db.execute("PRAGMA temp_store = MEMORY")
            if not self._one("SELECT 1 FROM sqlite_master WHERE name = 'meta'"):
                self._db.executescript(TABLES)
        except sqlite3.Error as error:
            self._db.close()
            raise InstanceError(_open_problem(path, error)) from None
        if self.meta("format") != FORMAT:
            self._db.close()
            raise InstanceError(f"{path}: written by another version of tilores-x; remove it, or name another file.")
        self.bans = Bans(self._db)
        self.inbox = Inbox(self._db)

    def close(self) -> None:
        self._db.close()

    def restore(self, snapshot: Path) -> None:
        """Take over everything from another database file.

        Raises:
            sqlite3.Error: it can't be read, is damaged, or was not written by `save`.
        """
        source = sqlite3.connect(f"{snapshot.resolve().as_uri()}?mode=ro", uri=True)
        try:
            source.backup(self._db)
        finally:
            source.close()
        if self._one("PRAGMA quick_check(1)") != ("ok",) or self.meta("format") != FORMAT:
            raise sqlite3.DatabaseError("damaged")

    def save(self, snapshot: Path) -> None:
        """Write everything to a new database file."""
        target = sqlite3.connect(snapshot)
        try:
            self._db.backup(target)
        finally:
            target.close()

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """All or nothing; with ``keep=False`` nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT" if keep else "ROLLBACK")

    @property
    def changes(self) -> int:
        """Rises with every row that is written or removed."""
        return self._db.total_changes

    def _one(self, statement: str, *values: Any) -> Any:
        return self._db.execute(statement, values).fetchone()

    def meta(self, name: str) -> Any:
        row = self._one("SELECT value FROM meta WHERE name = ?", name)
        return row and row[0]

    def set_meta(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def next_number(self, name: str) -> int:
        number = int(self.meta(name) or 0) + 1
        self.set_meta(name, number)
        return number

    # --- records ---

    def count(self) -> int:
        return int(self._one("SELECT count(*) FROM records")[0])

    def record(self, record_id: str) -> RecordRow | None:
        row = self._one("SELECT seq, id, entity, digest, traits, body FROM records WHERE id = ?", record_id)
        return row and RecordRow(*row)

    def records_of(self, entities: Iterable[int]) -> list[RecordRow]:
        """The records of these entities in order of submission."""
        rows = self._db.execute(
            "SELECT seq, id, entity, digest, traits, body FROM records"
            " WHERE entity IN (SELECT value FROM json_each(?)) ORDER BY seq",
            (as_json(entities),),
        )
        return list(map(RecordRow._make, rows))

    def insert(self, record_id: str, entity: int, digest: bytes, linking: bytes, body: bytes) -> int:
        """Add a record; its number in the order of submission is returned."""
        seq = self._db.execute(
            "INSERT INTO records (id, entity, digest, traits, body) VALUES (?, ?, ?, ?, ?)",
            (record_id, entity, digest, linking, body),
        ).lastrowid
        assert seq is not None
        return seq

    def delete(self, seq: int) -> None:
        self._db.execute("DELETE FROM records WHERE seq = ?", (seq,))

    def assign(self, seqs: Iterable[int], entity: int) -> None:
        self._db.executemany("UPDATE records SET entity = ? WHERE seq = ?", ((entity, seq) for seq in seqs))

    # --- keys ---

    def post(self, seq: int, traits: Iterable[Traits | None]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO postings VALUES (?, ?, ?)", _postings(seq, traits))

    def unpost(self, seq: int, traits: Iterable[Traits | None]) -> None:
        self._db.executemany("DELETE FROM postings WHERE key = ? AND text = ? AND seq = ?", _postings(seq, traits))

    def entities_first_under(self, keys: Sequence[int]) -> set[int]:
        """Per key, the entity of one record that holds it."""
        rows = self._db.execute(
            "SELECT DISTINCT (SELECT r.entity FROM postings p JOIN records r ON r.seq = p.seq WHERE p.key = k.value"
            " LIMIT 1) FROM json_each(?) k",
            (as_json(keys),),
        )
        return {number for (number,) in rows if number is not None}

    def entities_under(self, keys: Sequence[int]) -> set[int]:
        """The entities of all records that hold one of the keys."""
        rows = self._db.execute(
            "SELECT DISTINCT r.entity FROM postings p JOIN records r ON r.seq = p.seq"
            " WHERE p.key IN (SELECT value FROM json_each(?))",
            (as_json(keys),),
        )
        return {number for (number,) in rows}

    def texts_under(self, key: int) -> list[str]:
        """The different texts posted under a key, as `texts_key` writes them."""
        rows = self._db.execute("SELECT DISTINCT text FROM postings WHERE key = ? LIMIT ?", (key, MOST_CANDIDATES))
        return [text for (text,) in rows]

    def entities_with(self, key: int, text: str, *, every: bool) -> set[int]:
        """The entities of all records with that text under the key, or of one of them."""
        rows = self._db.execute(
            "SELECT DISTINCT r.entity FROM postings p JOIN records r ON r.seq = p.seq WHERE p.key = ? AND p.text = ?"
            " LIMIT ?",
            (key, text, -1 if every else 1),
        )
        return {number for (number,) in rows}

    def hits(self, keys: Sequence[int], texts: Sequence[str] = ("",)) -> list[HitRow]:
        """The records posted under one of the keys with one of the texts."""
        rows = self._db.execute(
            "SELECT DISTINCT r.seq, r.id, r.entity FROM postings p JOIN records r ON r.seq = p.seq"
            " WHERE p.key IN (SELECT value FROM json_each(?)) AND p.text IN (SELECT value FROM json_each(?))",
            (as_json(keys), as_json(texts)),
        )
        return [HitRow(*row) for row in rows]

    # --- entities ---

    def entity(self, entity_id: str) -> EntityRow | None:
        row = self._one("SELECT number, id, born, size FROM entities WHERE id = ?", entity_id)
        return row and EntityRow(*row)

    def entities(self, numbers: Iterable[int]) -> list[EntityRow]:
        rows = self._db.execute(
            "SELECT number, id, born, size FROM entities WHERE number IN (SELECT value FROM json_each(?))",
            (as_json(numbers),),
        )
        return list(map(EntityRow._make, rows))

    def add_entity(self, entity_id: str, born: int, size: int = 1) -> int:
        number = self._db.execute(
            "INSERT INTO entities (id, born, size) VALUES (?, ?, ?)", (entity_id, born, size)
        ).lastrowid
        assert number is not None
        return number

    def grow(self, number: int) -> None:
        self._db.execute("UPDATE entities SET size = size + 1 WHERE number = ?", (number,))

    def merge(self, into: EntityRow, others: Sequence[EntityRow], identity: EntityRow) -> None:
        """Move the records of ``others`` into ``into``, which goes on under ``identity``."""
        numbers = [entity.number for entity in others]
        self._db.execute(
            "UPDATE records SET entity = ? WHERE entity IN (SELECT value FROM json_each(?))",
            (into.number, as_json(numbers)),
        )
        self.drop_entities(numbers)
        size = into.size + sum(entity.size for entity in others)
        self._db.execute(
            "UPDATE entities SET id = ?, born = ?, size = ? WHERE number = ?",
            (identity.id, identity.born, size, into.number),
        )

    def drop_entities(self, numbers: Sequence[int]) -> None:
        self._db.execute("DELETE FROM entities WHERE number IN (SELECT value FROM json_each(?))", (as_json(numbers),))


def _postings(seq: int, traits: Iterable[Traits | None]) -> list[tuple[int, str, int]]:
    return [(key, texts_key(seen.texts), seq) for seen in traits if seen is not None for key in seen.keys]


def _open_problem(path: Path | None, error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return f"{path}: another process has it open; stop that one, or name another file."
    return f"{path}: can't be used as the sandbox's file ({error}); remove it, or name another file."
