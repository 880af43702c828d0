"""Results of Tilores: kept for a short time, and not at all while an instance takes in changes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import orjson

from tilores_x.llm.cache.keys import Kind
from tilores_x.llm.cache.scope import Reads, current_scope
from tilores_x.llm.cache.store import Store
from tilores_x.llm.cache.tier import Kept
from tilores_x.marks import mark

TTL_S = 60.0
NOT_FOUND_S = 3.0
"""Whoever finds nobody may be about to add them."""

SETTLING_S = 10.0
"""After a change: Tilores links new records in the background, and until then searches show a state that passes."""

Load = Callable[[], Awaitable[dict[str, Any]]]


class Results:
    """Satisfies ``tools.api.results.ResultCache``.

    ``instance`` names the instance and its schema; ``own``: its data lives in this process alone, so that a change
    there is nobody else's.
    """

    def __init__(
        self,
        store: Store,
        *,
        instance: str = "",
        tenant: str = "default",
        own: bool = False,
        ttl_s: float = TTL_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.instance = instance
        self.tenant = tenant
        self.ttl_s = ttl_s
        self._own = own
        self._clock = clock

    async def fetch(self, document: str, variables: Mapping[str, Any], load: Load) -> dict[str, Any]:
        """The data of a query, kept or loaded; each caller gets a copy of its own.

        Raises:
            Exception: what ``load`` raises; it is not kept.
        """
        scope = current_scope()
        tenant = scope.tenant if scope is not None else self.tenant
        reads = scope.reads if scope is not None else Reads()
        key = await self._name(tenant, document, variables)
        if key is None:
            reads.note(0.0)
            return await load()
        fresh = scope is not None and scope.fresh
        kept = None if fresh else await self.store.get(key)
        if kept is None:

            async def work() -> Kept:
                return await self._loaded(tenant, key, variables, load)

            flight = f"{key}:fresh" if fresh else key
            look = None if fresh else partial(self.store.get, key)
            landed, own = await self.store.flights.run(flight, work, look)
            kept = landed
            if not own:
                mark("coalesced")
        else:
            mark("cached")
        reads.note(kept.expires_at)
        data: dict[str, Any] = orjson.loads(kept.payload)
        return data

    async def version(self, tenant: str) -> str:
        """The state that the data is in: another one after each change made through our client."""
        return (await self.store.epochs.token(self._scope())).id

    async def changed(self) -> None:
        """The instance's data has changed, or may have: nothing kept of it counts any more, for any tenant."""
        await self.store.epochs.token(self._scope())
        await self.store.epochs.changed(self._scope(), own=self._own)

    def _scope(self) -> str:
        return self.store.keys.scope("", f"data {self.instance}")

    async def _name(self, tenant: str, document: str, variables: Mapping[str, Any]) -> str | None:
        version = await self.version(tenant)
        return self.store.keys.name(tenant, Kind.RESULT, [self.instance, version, document, variables])

    async def _loaded(self, tenant: str, key: str, variables: Mapping[str, Any], load: Load) -> Kept:
        begun_at = self._clock()
        data = await load()
        payload = orjson.dumps(data)
        entities = entities_in(data, variables)
        ttl_s = self.ttl_s if entities else min(NOT_FOUND_S, self.ttl_s)
        changed = await self.store.epochs.token(self._scope())
        kept = None
        if self._clock() - changed.at >= SETTLING_S:
            tags = self.store.keys.tags(entities)
            kept = await self.store.put(key, payload, ttl_s=ttl_s, tags=tags, begun_at=begun_at)
        return kept or Kept(payload, begun_at, 0.0, 0.0)


def entities_in(data: Any, variables: Mapping[str, Any]) -> set[str]:
    """The ids of the entities that a result shows."""
    found: set[str] = set()
    for part in data.values() if isinstance(data, Mapping) else ():
        if not isinstance(part, Mapping):
            continue
        shown = [part.get("entity"), *(part.get("entities") or ())]
        there = [entity for entity in shown if isinstance(entity, Mapping)]
        found.update(str(entity["id"]) for entity in there if entity.get("id"))
        asked = variables.get("input")
        if there and isinstance(asked, Mapping) and isinstance(asked.get("id"), str):
            found.add(asked["id"])
    return found
