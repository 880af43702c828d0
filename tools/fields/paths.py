"""Paths into a record: ``STATUS``, ``CREDIT_RESPONSE.CREDIT_SCORE.*.Value``, ``….DATA_SET.[ID=PT016].Value``.

``*`` stands for every element of a list, as Tilores writes it. ``[NAME=value]`` is ours: only the elements whose
``NAME`` equals ``value``. Tilores can't pick elements, so they are picked out of what it sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

_SEGMENT = re.compile(r"\[(?P<name>\w+)=(?P<value>[^\]]*)\]|(?P<plain>[^.\[\]]+)")

#: What JSON holds; records are read as it.
Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
#: Indices into the lists on the way to a value.
Position = tuple[int, ...]


@dataclass(frozen=True)
class Path:
    """A path, taken apart. ``text`` is what was asked for and what results are keyed by."""

    text: str
    segments: tuple[str, ...]

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> Path | None:
        """None where ``text`` is no path."""
        segments: list[str] = []
        at = 0
        while match := _SEGMENT.match(text, at):
            segments.append(match[0])
            at = match.end()
            if at == len(text):
                return Path(text, tuple(segments))
            if text[at] != ".":
                return None
            at += 1
        return None

    @cached_property
    def star(self) -> str:
        """As Tilores knows it: every list level a ``*``."""
        return ".".join("*" if segment.startswith("[") else segment for segment in self.segments)

    @cached_property
    def levels(self) -> int:
        """How many lists lie on the way."""
        return sum(map(_is_level, self.segments))

    @property
    def many(self) -> bool:
        """Whether one record can hold several values."""
        return self.levels > 0

    @cached_property
    def picks(self) -> bool:
        """Whether it picks elements out of a list, which Tilores can't."""
        return any(segment.startswith("[") for segment in self.segments)

    @cached_property
    def outer(self) -> str:
        """The part before the first list level: what filter and sort can test."""
        plain: list[str] = []
        for segment in self.segments:
            if _is_level(segment):
                break
            plain.append(segment)
        return ".".join(plain)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The GraphQL fields to select, outermost first."""
        return tuple(segment for segment in self.segments if not _is_level(segment))

    @cached_property
    def picked_names(self) -> tuple[tuple[str, ...], ...]:
        """The GraphQL fields that its picks look at."""
        before: list[str] = []
        found: list[tuple[str, ...]] = []
        for segment in self.segments:
            if segment.startswith("["):
                found.append((*before, segment[1:].partition("=")[0]))
            elif segment != "*":
                before.append(segment)
        return tuple(found)

    def located(self, record: Json) -> list[tuple[Json, Position]]:
        """What ``record`` holds there, in order, nulls included, each with where it stands in the lists on the way."""
        if not self.levels:
            for name in self.segments:
                record = record.get(name) if isinstance(record, Mapping) else None
            return [(record, ())]
        found: list[tuple[Json, Position]] = [(record, ())]
        for segment in self.segments:
            if _is_level(segment):
                found = [(part, (*at, i)) for value, at in found for i, part in _elements(value, segment)]
            else:
                found = [(value.get(segment) if isinstance(value, Mapping) else None, at) for value, at in found]
        return found

    def values(self, record: Json) -> list[Json]:
        """What ``record`` holds there, in order, nulls included; one entry where the path is not ``many``."""
        return [value for value, _ in self.located(record)]

    def by_position(self, record: Json) -> dict[Position, Json]:
        """The values, by where they stand: beside what stands at ``position`` of another path is the one at
        ``position[:levels]``."""
        return {at: value for value, at in self.located(record)}

    def goes_with(self, other: Path) -> bool:
        """Whether each value at ``other`` has one value of this path belonging to it."""
        inner = self.star.rpartition("*")[0]
        return other.star.startswith(inner) if inner else True


def _is_level(segment: str) -> bool:
    return segment == "*" or segment.startswith("[")


def _elements(value: Json, segment: str) -> list[tuple[int, Json]]:
    if not isinstance(value, list):
        return []
    if segment == "*":
        return list(enumerate(value))
    name, _, wanted = segment[1:-1].partition("=")
    return [
        (at, element)
        for at, element in enumerate(value)
        if isinstance(element, Mapping) and str(element.get(name, "")).casefold() == wanted.casefold()
    ]


def selection(paths: Iterable[tuple[str, ...]]) -> str:
    """A GraphQL selection set over names checked before: ``id STATUS CREDIT_RESPONSE { CREDIT_BUREAU }``."""
    tree: dict[str, dict] = {"id": {}}  # type: ignore[type-arg]
    for names in paths:
        branch = tree
        for name in names:
            branch = branch.setdefault(name, {})
    return _written(tree)


def _written(tree: Mapping[str, dict]) -> str:  # type: ignore[type-arg]
    return " ".join(f"{name} {{ {_written(below)} }}" if below else name for name, below in tree.items())
