"""What an instance is made of: read by introspection, kept on disk, never assumed.

Only ``Record`` and ``SearchParams`` are an instance's own; everything else is Tilores', in an older or a newer
version. ``InstanceSchema.has("SearchOutput.totalCount")`` says whether this one has a field.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import orjson

from tilores_x.errors import InstanceError, TiloresXError
from tilores_x.tools.api import queries
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.introspection import Introspection
from tilores_x.tools.fields.paths import Path

logger = logging.getLogger(__name__)

#: Changes when the file's layout does; other layouts are read anew.
FORMAT = 1
#: A kept schema older than this is read anew before it is used (seconds).
OLDEST_S = 24 * 3600.0
#: One younger than this is used without asking again (seconds).
FRESH_S = 300.0


@dataclass(frozen=True, slots=True)
class RecordField:
    """A field that holds a value: ``path`` dotted with ``*`` for list levels, ``type`` its scalar or enum."""

    path: str
    type: str
    description: str

    @property
    def many(self) -> bool:
        return "*" in self.path

    @property
    def is_text(self) -> bool:
        return self.type in ("String", "ID")


@dataclass(frozen=True, slots=True)
class SearchParam:
    """A search parameter. ``shape`` is its JSON schema; ``type`` the GraphQL name of its innermost type."""

    name: str
    type: str
    description: str
    shape: Mapping[str, Any]


@dataclass(frozen=True)
class InstanceSchema:
    """An instance's fields, parameters and abilities. ``version`` changes when any of it does."""

    version: str
    record_fields: tuple[RecordField, ...]
    containers: tuple[str, ...]
    search_params: tuple[SearchParam, ...]
    capabilities: frozenset[str]

    def has(self, *names: str) -> bool:
        """Whether every ``Type.field`` (or ``Type.field(argument)``) exists here."""
        return self.capabilities.issuperset(names)

    @cached_property
    def by_path(self) -> Mapping[str, RecordField]:
        return {field.path: field for field in self.record_fields}

    @cached_property
    def _by_loose_name(self) -> Mapping[str, str]:
        paths = [*self.containers, *self.by_path]
        return {_loose(path): path for path in paths}

    def field(self, path: Path) -> RecordField | None:
        """The value field at ``path``."""
        return self.by_path.get(path.star)

    def resolve(self, text: str) -> Path | None:
        """The path that ``text`` names: as written, or in other capitals, or with its list levels left out."""
        path = Path.parse(text.strip())
        if path is None or not self._picks_exist(path):
            return None
        if path.star in self.by_path or path.star in self.containers:
            return path
        known = self._by_loose_name.get(_loose(path.star))
        return None if known is None or path.picks else Path.parse(known)

    def _picks_exist(self, path: Path) -> bool:
        names = {tuple(part for part in known.split(".") if part != "*") for known in self.by_path}
        return all(picked in names for picked in path.picked_names) if path.picks else True

    def below(self, path: Path) -> tuple[Path, ...]:
        """The value fields at or below ``path``."""
        if path.star in self.by_path:
            return (path,)
        inside = (known for known in self.by_path if known.startswith(path.star + "."))
        found = (Path.parse(path.text + known[len(path.star) :]) for known in inside)
        return tuple(below for below in found if below is not None)

    @classmethod
    def from_introspection(cls, schema: Mapping[str, Any]) -> InstanceSchema:
        """Read the ``__schema`` of an introspection reply.

        Raises:
            InstanceError: it is no Tilores schema.
        """
        types = Introspection(schema)
        record = types.type_of("Entity", "records")
        parameters = types.type_of("SearchInput", "parameters")
        missing = [
            name
            for name, there in (
                ("Query.search", types.has("Query.search")),
                ("Entity.id", types.has("Entity.id")),
                ("Entity.records", record is not None),
                ("SearchInput.parameters", parameters is not None),
            )
            if not there
        ]
        if record is None or parameters is None or missing:
            raise InstanceError(
                f"The schema at TILORES_API_URL lacks {', '.join(missing)}: it is no Tilores instance. "
                "Check the address."
            )
        fields, containers = types.leaves(record)
        if not any(path == "id" for path, _, _ in fields):
            raise InstanceError(f"The type {record} of this instance has no `id`, so no record could be cited.")
        digest = hashlib.sha256(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return cls(
            version=digest[:16],
            record_fields=tuple(RecordField(*field) for field in fields),
            containers=tuple(containers),
            search_params=tuple(SearchParam(*parameter) for parameter in types.parameters(parameters)),
            capabilities=types.capabilities(without=record),
        )


def _loose(path: str) -> str:
    return ".".join(segment for segment in path.split(".") if segment != "*").casefold()


async def discover(client: TiloresClient, cache_dir: FilePath) -> InstanceSchema:
    """The schema of ``client``'s instance: the kept one where there is one, refreshed in the background.

    Raises:
        InstanceError: it is no Tilores schema.
        TiloresXError: as ``client.execute`` raises, when nothing usable is kept.
    """
    if client.embedded:
        return InstanceSchema.from_introspection(await _fetch(client))
    kept = SchemaFile(cache_dir, client.api_url)
    found, age_s = await asyncio.to_thread(kept.read)
    if found is None or age_s > OLDEST_S:
        fetched = await _fetch(client)
        schema = InstanceSchema.from_introspection(fetched)
        await asyncio.to_thread(kept.write, fetched)
        return schema
    if age_s > FRESH_S:
        client.spawn(_refresh(client, kept, found.version))
    return found


async def _fetch(client: TiloresClient) -> Mapping[str, Any]:
    data = await client.execute(queries.INTROSPECT, timeout_s=client.timeouts.field_discovery_s)
    schema = data.get("__schema")
    if not isinstance(schema, dict):
        raise InstanceError(
            "TILORES_API_URL answered an introspection without a schema. Is introspection switched off?"
        )
    return schema


async def _refresh(client: TiloresClient, kept: SchemaFile, version: str) -> None:
    try:
        fetched = await _fetch(client)
        schema = InstanceSchema.from_introspection(fetched)
    except TiloresXError as error:
        logger.warning("The kept schema could not be refreshed: %s", type(error).__name__)
        return
    if schema.version != version:
        logger.warning("The instance's schema has changed; the new one is used from the next start on.")
    await asyncio.to_thread(kept.write, fetched)


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """Where the schema of one instance is kept. Whatever is wrong with the file, it is as if there were none."""

    cache_dir: FilePath
    api_url: str

    @property
    def path(self) -> FilePath:
        name = hashlib.sha256(self.api_url.encode()).hexdigest()[:24]
        return self.cache_dir / "schemas" / f"{name}.json"

    def read(self) -> tuple[InstanceSchema | None, float]:
        """The schema and its age in seconds."""
        try:
            content = orjson.loads(self.path.read_bytes())
            if content["format"] != FORMAT:
                return None, 0.0
            age_s = max(0.0, time.time() - float(content["fetched_at"]))
            return InstanceSchema.from_introspection(content["schema"]), age_s
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InstanceError):
            return None, 0.0

    def write(self, schema: Mapping[str, Any]) -> None:
        """Replace the file as a whole, so that no reader ever sees half of it."""
        content = {"format": FORMAT, "fetched_at": time.time(), "schema": schema}
        folder = self.path.parent
        temporary: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
            with os.fdopen(handle, "wb") as file:
                file.write(orjson.dumps(content))
            os.replace(temporary, self.path)
        except OSError as error:
            logger.warning("The schema can't be kept in %s: %s", folder, error.strerror)
            if temporary is not None:
                FilePath(temporary).unlink(missing_ok=True)
