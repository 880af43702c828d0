"""Values of a whole entity, each with the records that hold it: what people are told of someone.

Tilores looks through all records of the entity, however many: per field it keeps those that hold it and hands out the
newest ones. So a fact in one record out of ten thousand is found, and the reply stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from tilores_x.tools.access import Access, is_date
from tilores_x.tools.dates import date_of
from tilores_x.tools.fields.concepts import LABEL
from tilores_x.tools.fields.paths import Json, Path, selection
from tilores_x.tools.records import Fact, Plain

#: Records per field whose values are read, the newest.
ROWS = 20
#: Records read per field out of those that have no date.
UNDATED_ROWS = 3
#: Records named per value.
RECORDS_NAMED = 3
#: Values of one field in a label, and those looked at for it: spellings of one value count as one.
LABEL_VALUES = 3
LABEL_READ = 12

FactValue = dict[str, Any]


class _Asked(NamedTuple):
    """A field as it is asked for: ``alias`` in the query, what is read ``beside`` it, the date that orders it."""

    alias: str
    path: Path
    beside: list[tuple[str, Path]]
    order: Path | None


class FactsQuery:
    """Asks for the values of ``paths``: ``text`` goes inside ``recordInsights { … }``, ``read`` takes what came.

    With ``unmasked`` values whose masks are equal stand apart where they differ: the masks are shown, each by itself.
    """

    def __init__(self, access: Access, paths: Iterable[Path], *, prefix: str = "f", unmasked: bool = False) -> None:
        self._access = access
        self._prefix = prefix
        self._unmasked = unmasked
        self._fields = [
            _Asked(f"{prefix}{at}", path, access.companions(path), access.order_of(path))
            for at, path in enumerate(paths)
        ]

    @cached_property
    def text(self) -> str:
        # Fields ordered by one date share its sorting: it is done, and written, once for all of them.
        parts = [self._asked(field, ROWS) for field in self._fields if field.order is None]
        for at, (order, fields) in enumerate(self._by_order.items()):
            # Two parts, as Tilores puts the records without a date first when it sorts newest first.
            dated = literal([{"field": order.star, "isNull": True, "invert": True}])
            undated = literal([{"field": order.star, "isNull": True}])
            newest = f'sort(criteria: [{{field: "{order.star}", direction: DESC}}])'
            first = " ".join(self._asked(field, ROWS) for field in fields)
            rest = " ".join(self._asked(field, UNDATED_ROWS) for field in fields)
            parts.append(f"{self._prefix}d{at}: filter(conditions: {dated}) {{ {newest} {{ {first} }} }}")
            parts.append(f"{self._prefix}u{at}: filter(conditions: {undated}) {{ {rest} }}")
        return " ".join(parts)

    def _asked(self, field: _Asked, rows: int) -> str:
        path = field.path
        names = [path.names, *path.picked_names, *(other.names for _, other in field.beside)]
        present = literal([self._access.present(path)])
        read = f"limit(count: {rows}) {{ records {{ {selection(names)} }} }}"
        return f"{field.alias}: filter(conditions: {present}) {{ count {read} }}"

    @cached_property
    def _by_order(self) -> Mapping[Path, list[_Asked]]:
        found: dict[Path, list[_Asked]] = {}
        for field in self._fields:
            if field.order is not None:
                found.setdefault(field.order, []).append(field)
        return found

    def read(self, insights: Mapping[str, Any]) -> tuple[dict[str, list[FactValue]], list[str]]:
        """Field -> its values, newest first, and the fields of which not all records were read."""
        found: dict[str, list[FactValue]] = {}
        partly: list[str] = []
        scopes: dict[Path | None, list[Mapping[str, Any]]] = {None: [insights]}
        for at, date in enumerate(self._by_order):
            scopes[date] = [insights[f"{self._prefix}d{at}"]["sort"], insights[f"{self._prefix}u{at}"]]
        for alias, path, beside, order in self._fields:
            parts = [scope[alias] for scope in scopes[order]]
            rows = [row for part in parts for row in part["limit"]["records"]]
            if values := self._values(path, beside, rows):
                found[path.text] = values
            if sum(part["count"] for part in parts) > len(rows):
                partly.append(path.text)
        return found, partly

    def _values(self, path: Path, beside: list[tuple[str, Path]], rows: list[Mapping[str, Json]]) -> list[FactValue]:
        show, masked = self._access.shower(path), self._unmasked and self._access.policy.masks(path)
        others = [(name, other, self._access.shower(other)) for name, other in beside]
        known: dict[tuple[object, ...], FactValue] = {}
        for row in rows:
            seen: set[tuple[object, ...]] = set()
            # Looked up by position once per record: a list of ten thousand elements must not be walked for each.
            around = [(name, other.levels, show_other, other.by_position(row)) for name, other, show_other in others]
            for value, position in path.located(row):
                if value is None or (isinstance(value, str) and not value.strip()):
                    continue
                shown = show(value)
                extra = {
                    name: show_other(said)
                    for name, levels, show_other, there in around
                    if (said := there.get(position[:levels])) not in (None, "")
                }
                # What a value is of (a bureau, a creditor) makes it another one; a later date of the same doesn't,
                # unless it stands in a list, whose every element is a measurement of its own.
                told = tuple(_folded(extra[name]) for name in extra if path.many or not is_date(name))
                key = (_folded(str(date_of(str(value)) or value) if masked else shown), *told)
                entry = known.setdefault(key, {"value": shown, **extra, "record_ids": [], "count": 0})
                if key not in seen:
                    entry["count"] += 1
                    if len(entry["record_ids"]) < RECORDS_NAMED:
                        entry["record_ids"].append(row["id"])
                seen.add(key)
        return list(known.values())

    def facts(self, entity_id: str, shown: Mapping[str, list[FactValue]]) -> list[Fact]:
        """``shown``, as read and perhaps shortened, as evidence."""
        found: list[Fact] = []
        beside = self._beside
        for field, values in shown.items():
            for value in values:
                named = value["record_ids"]
                found += [_fact(entity_id, record_id, field, value["value"]) for record_id in named]
                found += [
                    _fact(entity_id, named[0], other.text, value[name])
                    for name, other in beside.get(field, ())
                    if name in value
                ]
        return found

    @cached_property
    def _beside(self) -> Mapping[str, list[tuple[str, Path]]]:
        return {field.path.text: field.beside for field in self._fields}


class LabelQuery:
    """Asks for what tells an entity from others; used as :class:`FactsQuery` is."""

    def __init__(self, access: Access) -> None:
        self._access = access
        named = access.concept_paths(LABEL, flat=True)
        if not named:
            searched = {parameter.name for parameter in access.schema.search_params}
            named = [
                (path, parsed)
                for path in access.visible_fields()
                if path in searched and (parsed := Path.parse(path)) is not None
            ][:6]
        self._fields = [(f"l{at}", concept, path, access.shower(path)) for at, (concept, path) in enumerate(named)]

    @cached_property
    def text(self) -> str:
        return " ".join(self._asked(alias, path) for alias, _, path, _ in self._fields)

    def _asked(self, alias: str, path: Path) -> str:
        date = self._date(path)
        # The most frequent ones, not all: ten thousand records may hold as many addresses.
        values = (
            f'{alias}: frequencyDistribution(field: "{path.star}", caseSensitive: true, top: {LABEL_READ}, '
            "direction: DESC) { value }"
        )
        if date is None:
            return values
        conditions = literal([self._access.present(path), {"field": date.star, "isNull": True, "invert": True}])
        newest = f'sort(criteria: [{{field: "{date.star}", direction: DESC}}])'
        return (
            f"{values} "
            f"{alias}d: filter(conditions: {conditions}) {{ {newest} {{ first {{ {selection([path.names])} }} }} }}"
        )

    def _date(self, path: Path) -> Path | None:
        """Where a value replaces the one before, as a status does, only the newest labels a person."""
        return self._access.order_of(path) if any(is_date(name) for name, _ in self._access.companions(path)) else None

    def read(self, insights: Mapping[str, Any]) -> dict[str, list[str]]:
        label: dict[str, list[str]] = {}
        for alias, concept, path, show in self._fields:
            values = [entry["value"] for entry in insights[alias]]
            if newest := (insights.get(f"{alias}d") or {}).get("sort", {}).get("first"):
                values = path.values(newest)
            if shown := [str(show(value)) for value in values if value not in (None, "")]:
                label[concept] = _once([*label.get(concept, []), *shown])[:LABEL_VALUES]
        return label


def _once(texts: Iterable[str]) -> list[str]:
    """Each text once whatever its capitals, with those of a spelling that mixes them, as a name is written."""
    found: dict[str, str] = {}
    for text in texts:
        known = found.setdefault(text.casefold(), text)
        if "@" not in text and (known.isupper() or known.islower()) and not (text.isupper() or text.islower()):
            found[text.casefold()] = text
    return list(found.values())


def literal(value: Any) -> str:
    """A GraphQL literal of what is made here out of checked names; never of what a caller or a model gave."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {literal(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return orjson.dumps(value).decode()


def _folded(value: Json) -> object:
    return value.casefold() if isinstance(value, str) else repr(value)


def _fact(entity_id: str, record_id: str, field: str, value: Json) -> Fact:
    plain: Plain = (
        value if isinstance(value, str | int | float | bool) or value is None else orjson.dumps(value).decode()
    )
    return {"entity_id": entity_id, "record_id": record_id, "field": field, "value": plain}
