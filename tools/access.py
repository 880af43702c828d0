"""What every tool works with: the instance, what its fields mean, and which of them may leave."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cachetools import LRUCache

from tilores_x.errors import ToolFailed
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.schema import InstanceSchema
from tilores_x.tools.fields.concepts import COMPANIONS, Concepts
from tilores_x.tools.fields.names import nearest
from tilores_x.tools.fields.paths import Json, Path
from tilores_x.tools.fields.policy import SHOWN, FieldPolicy

#: The most fields that one call may ask for; more would not fit into its reply anyway.
MOST_FIELDS = 80
#: Longest text of one value in a reply, in characters; what is longer is cut with an ellipsis.
LONGEST_TEXT = 600

#: What is remembered of names asked for: queries written, paths and rules looked up.
MOST_REMEMBERED = 2048

T = TypeVar("T")
_UNUSABLE = re.compile(r"[\ud800-\udfff\x00]")


@dataclass(frozen=True)
class Access:
    """One instance as its tools may see it."""

    client: TiloresClient
    schema: InstanceSchema
    concepts: Concepts
    policy: FieldPolicy
    _known: LRUCache[Hashable, Any] = field(
        default_factory=lambda: LRUCache(MOST_REMEMBERED), init=False, repr=False, compare=False
    )

    #: Records of the entities shown last, by id: what grows with their square is not asked of very large ones.
    sizes: LRUCache[str, int] = field(
        default_factory=lambda: LRUCache(MOST_REMEMBERED), init=False, repr=False, compare=False
    )

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, remembered under ``key``: for what follows from names alone, never from records.

        It is shared, so nobody may change it; what raises is not remembered.
        """
        known: T | None = self._known.get(key)
        if known is None:
            known = self._known[key] = make()
        return known

    def visible_fields(self) -> list[str]:
        return [path for path in self.schema.by_path if self.policy.visible(path)]

    def fields(self, names: Iterable[str]) -> list[Path]:
        """The value fields that ``names`` ask for, each once; a name may be a path, what contains it, or a concept.

        Raises:
            ToolFailed: one doesn't exist, may not leave, or there are too many.
        """
        found: dict[str, Path] = {}
        for name in names:
            for path in self._fields(name):
                found.setdefault(path.text, path)
        if len(found) > MOST_FIELDS:
            raise ToolFailed(f"{len(found)} fields are too many for one call: ask for at most {MOST_FIELDS}.")
        return list(found.values())

    def field(self, name: str, use: str) -> Path:
        """The one value field that ``name`` asks for; ``use`` says what for, as in "sort by"."""
        paths = self._fields(name)
        if len(paths) != 1:
            shown = ", ".join(path.text for path in paths[:6])
            raise ToolFailed(f"{name} holds several fields; {use} one of them: {shown}.")
        return paths[0]

    def _fields(self, name: str) -> tuple[Path, ...]:
        return self.once(("fields", name), lambda: self._found(name))

    def _found(self, name: str) -> tuple[Path, ...]:
        check_text(name)
        path = self.schema.resolve(name)
        if path is None and name.strip().lower() in self.concepts:
            path = Path.parse(self.concepts[name.strip().lower()][0])
        if path is None:
            raise ToolFailed(f"There is no field {name!r}. {self._near(name)}")
        below = self.schema.below(path)
        visible = tuple(field for field in below if self.policy.visible(field))
        if not visible:
            raise ToolFailed(f"The field policy lets no value of {name!r} leave. Ask for other fields.")
        return visible

    def _near(self, name: str) -> str:
        near = nearest(name, self.visible_fields())
        return f"Nearest: {', '.join(near)}." if near else "None of the instance's fields is like it."

    def concept_paths(self, concepts: Iterable[str], *, flat: bool = False) -> list[tuple[str, Path]]:
        """The visible paths of those concepts that the instance has."""
        found = []
        for concept in concepts:
            for text in self.concepts.get(concept, ()):
                path = Path.parse(text)
                if path and self.policy.visible(path) and not (flat and len(path.names) > 1):
                    found.append((concept, path))
        return found

    def companions(self, path: Path) -> list[tuple[str, Path]]:
        """What is read together with ``path``, by concept; see COMPANIONS."""
        return self.once(("companions", path.text), lambda: self._companions(path))

    def _companions(self, path: Path) -> list[tuple[str, Path]]:
        concept = self.concepts.of(path.text)
        found: dict[str, Path] = {}
        for name, other in self.concept_paths(COMPANIONS.get(concept or "", ())):
            if other.star != path.star and other.goes_with(path):
                found.setdefault(name, other)
        return list(found.items())

    def order_of(self, path: Path) -> Path | None:
        """The date by which records that hold ``path`` are newest first; Tilores can sort by it."""
        dates = [other for name, other in self.companions(path) if is_date(name)]
        fallback = self.concept_paths(["created_at"] if len(path.names) == 1 else ["report_date"])
        for date in (*reversed(dates), *(other for _, other in fallback)):
            if (
                not date.many
                and date.star != path.star
                and not self.policy.masks(date)
                and date.names[:-1] == path.names[: len(date.names) - 1]
            ):
                return date
        return None

    def present(self, path: Path) -> dict[str, Any]:
        """A FilterCondition that keeps the records with a value there, blank text left out."""
        field = self.schema.field(path)
        if not path.many and field is not None and field.is_text:
            return {"field": path.star, "likeRegex": r"\S"}
        return {"field": path.outer or path.star, "isNull": True, "invert": True}

    def shown(self, path: Path, value: Json) -> Json:
        """``value`` as it may leave, long text cut."""
        return self.shower(path)(value)

    def shower(self, path: Path) -> Callable[[Json], Json]:
        """The same for many values at ``path``."""
        return self.once(("shown", path.text), lambda: _cut(SHOWN[self.policy.rule(path)]))


def _cut(shown: Callable[[Json], Json]) -> Callable[[Json], Json]:
    def cut(value: Json) -> Json:
        value = shown(value)
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            return value[:LONGEST_TEXT] + "…"
        return value

    return cut


def is_date(concept: str) -> bool:
    return concept.endswith("_date") or concept in ("ticket_opened", "ticket_closed", "created_at")


def check_text(value: object) -> None:
    """Refuse text that can't be sent.

    Raises:
        ToolFailed: it holds NUL or half of a surrogate pair.
    """
    if isinstance(value, str) and _UNUSABLE.search(value):
        raise ToolFailed("The call holds characters that are no text (NUL or a lone surrogate). Leave them out.")
    if isinstance(value, Mapping):
        for part in value.values():
            check_text(part)
    elif isinstance(value, list | tuple):
        for part in value:
            check_text(part)
