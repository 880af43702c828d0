"""Insights that a search brings along: what will be asked of the person it finds travels in the same request.

An entity's id is known only once a search is back, so a look-up by id costs a second way to Tilores. Where it is known
before what that look-up will be, the search asks for it inside of each entity; the look-up then finds it here. The
documents stay what the tools make of checked names, with variables; a look-up that is not foreseen goes its usual way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import orjson

from tilores_x.errors import TiloresRefused
from tilores_x.marks import mark
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.lookup import Lookup

MOST_ALONG = 6
"""Look-ups that one search brings along; Tilores works each of them out for every person that matches."""

_HEAD, _TAIL = "entity(input: $input) { entity { recordInsights { ", " } } }"
_END = " } }"
_WHERE = "$where"


class Foreseen:
    """What will be looked up of whoever is found, and what has come of it."""

    def __init__(self, lookups: Sequence[Lookup]) -> None:
        fit = [one for one in lookups if one.text.startswith(_HEAD) and one.text.endswith(_TAIL)]
        self._along = [(one, one.text[len(_HEAD) : -len(_TAIL)]) for one in fit][:MOST_ALONG]
        self._came: dict[bytes, Any] = {}

    async def look_up(self, client: TiloresClient, lookup: Lookup) -> Any:
        """What ``lookup`` returns, whether it came along or is asked for now."""
        if lookup.field == "search" and self._along and lookup.text.endswith(_END):
            try:
                return self._parted(await client.look_up(self._joint(lookup)))
            except TiloresRefused:  # whatever it was: each alone tells it better
                return await client.look_up(lookup)
        if self._came and (came := self._came.pop(_key(lookup), None)) is not None:
            mark("batched")
            return came
        return await client.look_up(lookup)

    def _joint(self, lookup: Lookup) -> Lookup:
        asked, variables, types = [], dict(lookup.variables), dict(lookup.types)
        for at, (one, text) in enumerate(self._along):
            asked.append(f"along{at}: recordInsights {{ {text.replace(_WHERE, f'{_WHERE}{at}')} }}")
            variables[f"where{at}"], types[f"where{at}"] = one.variables["where"], one.types["where"]
        return Lookup(f"{lookup.text[: -len(_END)]} {' '.join(asked)}{_END}", variables, types)

    def _parted(self, found: Any) -> Any:
        """The search's own answer; what came along is kept where one person was found."""
        people = found["entities"]
        for person in people:
            for at, (one, _) in enumerate(self._along):
                insights = person.pop(f"along{at}")
                if len(people) == 1:
                    key = _key(Lookup(one.text, {**one.variables, "input": {"id": person["id"]}}, one.types))
                    self._came[key] = {"entity": {"recordInsights": insights}}
        return found


_current: ContextVar[Foreseen | None] = ContextVar("tilores_x_foreseen", default=None)


@contextmanager
def foreseeing(lookups: Sequence[Lookup]) -> Iterator[None]:
    """Searches inside, those of tasks started there too, bring ``lookups`` along; what is then looked up finds them."""
    token = _current.set(Foreseen(lookups) if lookups else None)
    try:
        yield
    finally:
        _current.reset(token)


async def look_up(client: TiloresClient, lookup: Lookup) -> Any:
    """``client.look_up``, unless it came along with a search."""
    foreseen = _current.get()
    return await (client.look_up(lookup) if foreseen is None else foreseen.look_up(client, lookup))


def _key(lookup: Lookup) -> bytes:
    variables: Mapping[str, Any] = lookup.variables
    return orjson.dumps([lookup.text, variables], option=orjson.OPT_SORT_KEYS)
