"""What single values prove, and what an item is looked for under."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from tilores_x.graph.proof.figures import Item, ItemKind, PartialDate, number_key, read_items, read_value
from tilores_x.tools.records import Evidence, Fact

Key = tuple[ItemKind | Literal["year"], Hashable]
"""What an item is looked for under."""

_NOT_SEARCHED = frozenset({"fields", "limit", "ask", "sort", "group_by", "operands", "operation", "top", "page"})
_LETTER = re.compile(r"[^\W\d_]")
_SMALL = 100
_NOTHING: frozenset[Key] = frozenset()


class Held(NamedTuple):
    """What a text proves. ``folded`` is the text itself, to look for in an answer; "" where it is all figures."""

    keys: frozenset[Key]
    folded: str


@lru_cache(maxsize=20_000)
def held_by(text: str) -> Held:
    """Kept, since the same records are shown to many questions."""
    items = read_value(text)
    if _LETTER.search(text) is None:
        return Held(frozenset(key for item in items for key in keys_of(item)), "")
    folded = " ".join(text.split()).casefold()
    keys: set[Key] = {("identifier", folded)}
    for item in items:
        if _small(item):
            keys.update(("number", (item.keys[0], word)) for word in (item.before, item.unit) if word)
        else:
            keys.update(keys_of(item))
    return Held(frozenset(keys), folded)


def _small(item: Item) -> bool:
    """Whether a number is one that many things have, so that it says little by itself."""
    return item.kind == "number" and item.digits == 0 and float(item.keys[0]) < _SMALL  # type: ignore[arg-type]


def keys_of(item: Item) -> Iterator[Key]:
    """What ``item`` proves by itself."""
    for key in item.keys:
        if item.kind == "date":
            yield from date_keys(key)  # type: ignore[arg-type]
        else:
            yield item.kind, key


def date_keys(key: PartialDate) -> Iterator[Key]:
    """A date is also a date without its day, or without its year, and its year."""
    year, month, day = key
    for partial in {key, (year, month, None), (None, month, day)}:
        yield "date", partial
    if year is not None:
        yield "year", year


def sought(item: Item) -> Iterator[Key]:
    """All under which ``item`` may be found, the surest first."""
    for key in item.keys:
        yield item.kind, key
    if item.kind == "number":
        value = float(item.keys[0])  # type: ignore[arg-type]
        for word in (item.before, item.unit):
            if word:
                yield "number", (value, word)
        if item.unit == "%":
            yield "number", number_key(value / 100)
        if item.digits == 0 and item.text.isdigit():
            yield "year", value
    elif item.kind == "phone":
        for part in figures_of(item):
            yield from sought(part)


def figures_of(phone: Item) -> list[Item]:
    """A row of plain figures can look like a phone number: these figures."""
    return [part for part in read_items(re.sub(r"[^\d]+", " , ", phone.text)) if part.kind == "number"]


def keys_in(value: object) -> frozenset[Key]:
    """What a value of any kind proves, as far as an item may ask for it: a word alone is none."""
    if isinstance(value, str):
        return _NOTHING if value.isalpha() else held_by(value).keys
    if isinstance(value, bool) or value is None:
        return _NOTHING
    if isinstance(value, int | float):
        return frozenset([("number", number_key(value))])
    if isinstance(value, Mapping):
        return _NOTHING.union(*map(keys_in, value.values()))
    if isinstance(value, list | tuple):
        return _NOTHING.union(*map(keys_in, value))
    return held_by(str(value)).keys


def said(evidence: Evidence) -> Iterator[tuple[object, str, Sequence[Fact]]]:
    """The values that facts hold, each with the id of the record, where it proves that too, and these facts."""
    for fact in evidence["facts"]:
        yield fact["value"], fact["record_id"], [fact]
    for figure in evidence["figures"]:
        yield figure["value"], "", figure["facts"]
        for fact in figure["facts"]:
            yield fact["value"], "", [fact]


def told(evidence: Evidence) -> Iterator[object]:
    """The values that ``evidence`` shows without a fact that holds them: labels, counts, what was searched for."""
    for entity in evidence["entities"]:
        yield entity["records"]
        for values in entity["label"].values():
            yield from values
    if len(evidence["entities"]) > 1:
        yield len(evidence["entities"])
    yield from (figure["count"] for figure in evidence["figures"])
    yield from _searched(evidence["arguments"])


def _searched(arguments: Mapping[str, object]) -> Iterator[object]:
    for name, value in arguments.items():
        if name == "where" and isinstance(value, list):
            yield from (condition.get("value") for condition in value if isinstance(condition, Mapping))
        elif name not in _NOT_SEARCHED:
            yield value
