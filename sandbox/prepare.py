"""Opening an instance's engine quickly: what was loaded once is kept as a database file, by the hash of its sources.

The file is a cache in every respect: it may be removed at any time, is written beside its place and then moved there,
so that several processes may start at once, and one that can't be read is made anew.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import platformdirs

from tilores_x.errors import InstanceError
from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.record import Record
from tilores_x.sandbox.engine.store import Store
from tilores_x.sandbox.instance import SHIPPED, Instance

SEED: Final = 7
"""Of the people generated in place of an instance's own records."""
KEPT: Final = 8
"""Prepared instances in the cache folder; the ones used longest ago go."""


def open_engine(
    instance: Instance, *, file: Path | None = None, people: int | None = None, cache_dir: Path | None = None
) -> Engine:
    """The engine of an instance with its records loaded: into memory, or into ``file`` if that is new.

    Raises:
        InstanceError: a record can't be used, or the file holds another instance.
    """
    if people is not None and (instance.name not in SHIPPED or people < 1):
        raise InstanceError(f"People are generated for {' and '.join(SHIPPED)} only, and at least one.")
    if file is not None:
        return _open_file(instance, file, people)
    store = Store()
    if people is not None:
        return _load(instance, store, _generated(instance, people))
    folder = (cache_dir or Path(platformdirs.user_cache_dir("tilores-x"))) / "sandbox"
    kept = folder / f"{fingerprint(instance)}.sqlite"
    if kept.is_file():
        try:
            store.restore(kept)
            os.utime(kept)
        except (sqlite3.Error, OSError):
            store.close()
            store = Store()
        else:
            return Engine(instance.rules, store)
    engine = _load(instance, store, instance.records())
    _keep(store, kept)
    return engine


def _open_file(instance: Instance, file: Path, people: int | None) -> Engine:
    store = Store(file)
    source = f"{instance.definition()} {people}"
    made_of = store.meta("source")
    if made_of is None:
        records = instance.records() if people is None else _generated(instance, people)
        return _load(instance, store, records, source)
    if made_of != source:
        store.close()
        raise InstanceError(
            f"{file}: made with another schema, other rules or another --people; remove it, or name another file."
        )
    return Engine(instance.rules, store)


def _load(instance: Instance, store: Store, records: Iterable[Record], source: str | None = None) -> Engine:
    engine = Engine(instance.rules, store)
    try:
        with store.transaction():
            engine.take(records)
            store.set_meta("source", source)
    except BaseException:
        store.close()
        raise
    return engine


def _generated(instance: Instance, people: int) -> Iterable[Record]:
    from tilores_x.sandbox.generator import iter_records  # faker takes long to import

    return iter_records(instance.name, people, SEED)


def fingerprint(instance: Instance) -> str:
    """A digest of all that decides what a loaded instance answers."""
    digest = sha256(f"{instance.definition()} {_code()} {sqlite3.sqlite_version}".encode())
    if instance.records_path is not None:
        with contextlib.suppress(OSError):  # told when the records are read
            digest.update(instance.records_path.read_bytes())
    return digest.hexdigest()[:32]


@cache
def _code() -> str:
    """A digest of the modules that decide what a loaded instance looks like."""
    modules = sorted((Path(__file__).parent / "engine").glob("*.py"))
    return sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()


def _keep(store: Store, place: Path) -> None:
    """Keep what is loaded for the next start; a folder that can't be written costs only time."""
    with contextlib.suppress(OSError, sqlite3.Error):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, suffix=".part")
        os.close(handle)
        try:
            store.save(Path(name))
            Path(name).replace(place)
        finally:
            Path(name).unlink(missing_ok=True)
        by_age = sorted(place.parent.glob("*.sqlite"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in by_age[KEPT:]:
            old.unlink(missing_ok=True)
