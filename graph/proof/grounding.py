"""Holds an answer against the evidence: no figure, date or identifier may stand in it that no record proves.

What counts as evidence: the values of facts, the results of tools, the labels of entities, what was searched for, and
how many records stand behind a result. A computed figure counts only when its operands do. A small number out of a text
("FICO Score 8") counts only beside the same word. Of the question itself only what it names counts (addresses, ids,
dates, spans of time), never its other figures: a reply could else confirm them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Literal

import orjson

from tilores_x.graph.identifiers import find_identifiers
from tilores_x.graph.proof.figures import Item, ItemKind, PartialDate, number_key, read_items, read_value
from tilores_x.tools.records import Evidence, Fact

CALCULATE = "calculate"

Key = tuple[ItemKind | Literal["year"], Hashable]
"""What an item is looked for under."""

_NOT_SEARCHED = frozenset({"fields", "limit", "ask", "sort", "group_by", "operands", "operation", "top", "page"})
_SPANS = ("day", "week", "month", "year", "hour", "minute", "digit")
_DIGITS = re.compile(r"\d+")
_LETTER = re.compile(r"[^\W\d_]")
_SCALED_TOLERANCE = 0.02
_SMALL = 100
_LONGEST_ID = 64


class EvidenceIndex:
    """Every item that stands in the evidence, with the facts that hold it."""

    def __init__(
        self, evidence: Iterable[Evidence], *, question: str, today: date, contents: Iterable[str] = ()
    ) -> None:
        """``contents`` are what tools other than ``calculate`` showed to the model, as JSON: counts and ids count."""
        self._facts: defaultdict[Key, list[Fact]] = defaultdict(list)
        self._results: list[tuple[float, list[Fact]]] = []
        self._fields: set[str] = set()
        self._field_numbers: set[int] = set()
        self._spans: set[tuple[float, str]] = set()
        self.texts: defaultdict[str, list[Fact]] = defaultdict(list)
        for key in _date_keys((today.year, today.month, today.day)):
            self._put(key, [])
        self._add_question(question)
        evidence = list(evidence)
        for one in evidence:
            if one["tool"] != CALCULATE:
                self._add(one)
        self._unread = list(contents)
        self._add_calculated([one for one in evidence if one["tool"] == CALCULATE])

    def holds(self, item: Item) -> bool:
        return self.proof(item) is not None

    def proof(self, item: Item) -> list[Fact] | None:
        """The facts that hold ``item``: none of them where the evidence holds it otherwise, None where it does not."""
        facts = self._proof(item)
        if facts is None and self._unread:  # they are long, and most answers say nothing but facts
            self._read_contents()
            facts = self._proof(item)
        return facts

    def _proof(self, item: Item) -> list[Fact] | None:
        for key in item.keys:
            if (facts := self._facts.get((item.kind, key))) is not None:
                return facts
        if item.kind == "number":
            return self._number(item)
        if item.kind == "phone":  # a row of plain figures can look like one
            parts = [
                self.proof(part) for part in read_items(re.sub(r"[^\d]+", " , ", item.text)) if part.kind == "number"
            ]
            if len(parts) > 1 and all(part is not None for part in parts):
                return [fact for part in parts if part for fact in part]
        return None

    def _number(self, item: Item) -> list[Fact] | None:
        value = float(item.keys[0])  # type: ignore[arg-type]
        for word in (item.before, item.unit):
            if word and (facts := self._facts.get(("number", (value, word)))) is not None:
                return facts
        if item.unit == "%" and (facts := self._facts.get(("number", number_key(value / 100)))) is not None:
            return facts
        if item.digits == 0 and item.text.isdigit() and (facts := self._facts.get(("year", int(value)))) is not None:
            return facts
        if item.unit.startswith(_SPANS) and (
            value in self._field_numbers or (value, _singular(item.unit)) in self._spans
        ):
            return []
        for result, facts in self._results:
            if any(
                _rounds_to(result * factor, value, item.digits) for factor in ((1, 100) if item.unit == "%" else (1,))
            ):
                return facts
        return None

    def _add(self, evidence: Evidence) -> None:
        for fact in evidence["facts"]:
            self._add_value(fact["value"], [fact])
            self._add_field(fact["field"])
            self._put(("identifier", fact["record_id"].casefold()), [fact])
        for entity in evidence["entities"]:
            self._put(("identifier", entity["entity_id"].casefold()), [])
            self._put(("number", number_key(entity["records"])), [])
            for values in entity["label"].values():
                for value in values:
                    self._add_value(value, [])
        if len(evidence["entities"]) > 1:
            self._put(("number", number_key(len(evidence["entities"]))), [])
        for figure in evidence["figures"]:
            self._add_result(figure["value"], figure["facts"])
            self._put(("number", number_key(figure["count"])), [])
            self._add_field(figure["name"])
            for fact in figure["facts"]:
                self._add_value(fact["value"], [fact])
                self._add_field(fact["field"])
        for sought in _searched(evidence["arguments"]):
            self._add_value(sought, [])

    def _add_calculated(self, waiting: list[Evidence]) -> None:
        """A result whose operands are proven is proven; it may be the operand of another."""
        while proven := [one for one in waiting if self._operands_hold(one)]:
            waiting = [one for one in waiting if one not in proven]
            for one in proven:
                for figure in one["figures"]:
                    self._add_result(figure["value"], figure["facts"])

    def _operands_hold(self, evidence: Evidence) -> bool:
        operands = evidence["arguments"].get("operands")
        if not isinstance(operands, Sequence) or isinstance(operands, str):
            return False
        values = [operand.get("value") if isinstance(operand, Mapping) else operand for operand in operands]
        return bool(values) and all(self._holds_value(value) for value in values)

    def _holds_value(self, value: object) -> bool:
        items = read_value(str(value))
        return bool(items) and all(self.holds(item) for item in items)

    def _add_value(self, value: object, facts: list[Fact]) -> None:
        if isinstance(value, str):
            self._add_text(value, facts)
        elif isinstance(value, bool) or value is None:
            return
        elif isinstance(value, int | float):
            self._put(("number", number_key(value)), facts)
        elif isinstance(value, Mapping):
            for part in value.values():
                self._add_value(part, facts)
        elif isinstance(value, list | tuple):
            for part in value:
                self._add_value(part, facts)
        else:
            self._add_text(str(value), facts)

    def _add_text(self, text: str, facts: list[Fact]) -> None:
        keys, folded = _held_by(text)
        held = self._facts
        for key in keys:
            held[key].extend(facts)
        if folded:
            self.texts[folded].extend(facts)

    def _read_contents(self) -> None:
        for content in self._unread:
            self._add_content(orjson.loads(str(content)))  # a message's text is a kind of str that orjson refuses
        self._unread = []

    def _add_content(self, content: object) -> None:
        """Numbers that stand as numbers, and what reads as an identifier; other text is told by the facts."""
        put, left = self._put, [content]
        while left:
            part = left.pop()
            kind = type(part)  # as JSON is read: no other types come, and there are hundreds of parts
            if kind is str:
                if len(part) <= _LONGEST_ID and part.split(None, 1) == [part]:  # type: ignore[arg-type, attr-defined]
                    put(("identifier", part.casefold()), [])  # type: ignore[attr-defined]
            elif kind is dict:
                left += part  # type: ignore[arg-type]
                left += part.values()  # type: ignore[attr-defined]
            elif kind is list:
                left += part  # type: ignore[arg-type]
            elif kind is int or kind is float:
                put(("number", number_key(part)), [])  # type: ignore[arg-type]

    def _add_result(self, value: object, facts: list[Fact]) -> None:
        self._add_value(value, facts)
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._results.append((abs(float(value)), facts))
        elif isinstance(value, str) and len(items := read_value(value)) == 1 and items[0].kind == "number":
            self._results.append((float(items[0].keys[0]), facts))  # type: ignore[arg-type]

    def _add_field(self, name: str) -> None:
        if name in self._fields:
            return
        self._fields.add(name)
        self._field_numbers.update(int(digits) for digits in _DIGITS.findall(name))
        for item in read_value(name):
            if item.kind == "identifier":
                self._put((item.kind, item.keys[0]), [])

    def _add_question(self, question: str) -> None:
        for identifier in find_identifiers(question):
            self._add_value(identifier.value, [])
        for item in read_items(question):
            if item.kind != "number":
                for key in _keys(item):
                    self._put(key, [])
            elif item.unit.startswith(_SPANS):
                self._spans.add((float(item.keys[0]), _singular(item.unit)))  # type: ignore[arg-type]
            elif item.text.isdigit() and 1900 <= int(item.text) < 2100:
                self._put(("year", int(item.text)), [])

    def _put(self, key: Key, facts: list[Fact]) -> None:
        self._facts[key].extend(facts)


@lru_cache(maxsize=20_000)
def _held_by(text: str) -> tuple[tuple[Key, ...], str]:
    """What a text out of a record proves, and the text itself to look for in an answer; "" where it is all figures.

    Kept, since the same records are shown to many questions.
    """
    if _LETTER.search(text) is None:
        return tuple(key for item in read_value(text) for key in _keys(item)), ""
    keys: list[Key] = []
    for item in read_value(text):
        if _small(item):
            keys += (("number", (item.keys[0], word)) for word in (item.before, item.unit) if word)
        else:
            keys += _keys(item)
    folded = " ".join(text.split()).casefold()
    return (*keys, ("identifier", folded)), folded


def _keys(item: Item) -> Iterator[Key]:
    for key in item.keys:
        if item.kind == "date":
            yield from _date_keys(key)  # type: ignore[arg-type]
        else:
            yield item.kind, key


def _date_keys(key: PartialDate) -> Iterator[Key]:
    """A date is also a date without its day, or without its year, and its year."""
    year, month, day = key
    for partial in {key, (year, month, None), (None, month, day)}:
        yield "date", partial
    if year is not None:
        yield "year", year


def _searched(arguments: Mapping[str, object]) -> Iterator[object]:
    for name, value in arguments.items():
        if name == "where" and isinstance(value, list):
            yield from (condition.get("value") for condition in value if isinstance(condition, Mapping))
        elif name not in _NOT_SEARCHED:
            yield value


def _small(item: Item) -> bool:
    """Whether a number is one that many things have, so that it says little by itself."""
    return item.kind == "number" and item.digits == 0 and float(item.keys[0]) < _SMALL  # type: ignore[arg-type]


def _singular(unit: str) -> str:
    return unit.removesuffix("s")


def _rounds_to(result: float, shown: float, digits: int) -> bool:
    """Whether ``shown`` with ``digits`` decimals is ``result`` rounded; -1 decimals stand for "12.5k"."""
    result = abs(result)
    if digits < 0:
        return abs(result - shown) <= _SCALED_TOLERANCE * result
    return abs(result - shown) <= 0.5 * 10.0**-digits + 1e-9 and (result % 1 != 0 or result == shown)


def unproven(text: str, index: EvidenceIndex) -> list[Item]:
    """The items of ``text`` that the evidence does not hold."""
    return [item for item in read_items(text) if not index.holds(item)]
