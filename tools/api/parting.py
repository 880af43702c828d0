"""What a reply to several lookups that carries ``errors`` means for each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tilores_x.errors import TiloresRefused, TiloresXError
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.api.replies import refusal

_ALIAS = re.compile(r"x(\d+)")
_NAME = re.compile(r"\bx(\d+)_(?=[_A-Za-z])")


class Parted(NamedTuple):
    """By place: what was ``answered``, what ``failed`` by itself, and what others' failures took along (``lost``)."""

    answered: dict[int, Any]
    failed: dict[int, TiloresXError]
    lost: list[int]


def parted(refused: TiloresRefused, lookups: Sequence[Lookup]) -> Parted:
    """Each error is laid at the lookup that its path, or the variable that it names, belongs to.

    An error that belongs to none makes nobody guilty: all without an answer are ``lost``.
    """
    data = refused.data or {}
    own: dict[int, list[Mapping[str, Any]]] = {}
    for error in refused.errors:
        at = _place(error)
        if at is not None and at < len(lookups):
            own.setdefault(at, []).append(error)
    result = Parted({}, {}, [])
    for at, lookup in enumerate(lookups):
        answer = data.get(f"x{at}")
        if at in own:
            errors = [_renamed(error, lookup.field) for error in own[at]]
            kept = {lookup.field: answer} if f"x{at}" in data else None
            result.failed[at] = refusal(errors, kept, lookup.document, lookup.variables)
        elif answer is not None:
            result.answered[at] = answer
        else:
            result.lost.append(at)
    return result


def _place(error: Mapping[str, Any]) -> int | None:
    path = error.get("path")
    steps = path if isinstance(path, list) else []
    for step in steps[:2]:  # gqlgen writes ["variable", "<name>", …] for a value that doesn't fit
        if isinstance(step, str) and (found := _ALIAS.match(step)):
            return int(found[1])
    named = {int(at) for at in _NAME.findall(str(error.get("message", "")))}
    return named.pop() if len(named) == 1 else None


def _renamed(error: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """The error as it would have come to the lookup alone."""
    told = {**error, "message": _NAME.sub("", str(error.get("message", "no message")))}
    path = error.get("path")
    if isinstance(path, list):
        told["path"] = [
            field if at == 0 and isinstance(step, str) and _ALIAS.fullmatch(step) else step
            for at, step in enumerate(path)
        ]
    return told
