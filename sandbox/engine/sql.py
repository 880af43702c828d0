"""The tables of an instance's database, and how a list of values is handed to a statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

FORMAT: Final = 1
"""Raised when the tables change; a file of another format is refused."""

TABLES: Final = """
BEGIN;
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE entities (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, born INTEGER NOT NULL,
                       size INTEGER NOT NULL);
CREATE TABLE records (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, entity INTEGER NOT NULL, digest BLOB NOT NULL,
                      traits BLOB NOT NULL, body BLOB NOT NULL);
CREATE INDEX records_of_entity ON records (entity);
CREATE TABLE postings (key INTEGER, text TEXT, seq INTEGER, PRIMARY KEY (key, text, seq)) WITHOUT ROWID;
CREATE TABLE cuts (a TEXT, b TEXT, reference TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE bans (reference TEXT, record TEXT, part INTEGER NOT NULL, PRIMARY KEY (reference, record)) WITHOUT ROWID;
CREATE INDEX bans_of_record ON bans (record);
CREATE TABLE inbox (number INTEGER PRIMARY KEY, batch INTEGER NOT NULL, body BLOB NOT NULL);
INSERT INTO meta VALUES ('format', 1);
COMMIT;
"""


def as_json(values: Iterable[Any]) -> str:
    """For ``IN (SELECT value FROM json_each(?))``: one parameter however many values, so that statements are reused."""
    return orjson.dumps(list(values)).decode()
