"""Holds an answer against the evidence: no figure, date or identifier may stand in it that no record proves.

What counts as evidence: the values of facts, the results of tools, the labels of entities, what was searched for, and
how many records stand behind a result. A computed figure counts only when its operands do. A small number out of a text
("FICO Score 8") counts only beside the same word. Of the question itself only what it names counts (addresses, ids,
dates, spans of time), never its other figures: a reply could else confirm them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain

import orjson

from tilores_x.graph.identifiers import find_identifiers
from tilores_x.graph.proof.figures import Item, number_key, read_items, read_value
from tilores_x.graph.proof.held import Key, date_keys, figures_of, held_by, keys_in, keys_of, said, sought, told
from tilores_x.tools.records import Evidence, Fact, Figure

CALCULATE = "calculate"

_SPANS = ("day", "week", "month", "year", "hour", "minute", "digit")
_DIGITS = re.compile(r"\d+")
_SCALED_TOLERANCE = 0.02
_LONGEST_ID = 64


class EvidenceIndex:
    """Tells what the evidence holds, and the facts that hold it.

    It looks for what it is asked for, all items of a text in one go: the evidence is far longer than an answer.
    """

    def __init__(
        self, evidence: Iterable[Evidence], *, question: str, today: date, contents: Iterable[str] = ()
    ) -> None:
        """``contents`` are what tools other than ``calculate`` showed to the model, as JSON: counts and ids count."""
        self._facts: defaultdict[Key, list[Fact]] = defaultdict(list)
        self._sought: set[Key] = set()
        self._results: list[tuple[float, list[Fact]]] = []
        self._calculated: list[tuple[object, str, Sequence[Fact]]] = []
        self._field_numbers: set[int] = set()
        self._spans: set[tuple[float, str]] = set()
        for key in date_keys((today.year, today.month, today.day)):
            self._put(key)
        self._add_question(question)
        evidence = list(evidence)
        self._evidence = [one for one in evidence if one["tool"] != CALCULATE]
        for name in {name for one in self._evidence for name in _names(one)}:
            self._add_name(name)
        for one in self._evidence:
            for figure in one["figures"]:
                self._add_result(figure)
        self._unread = list(contents)
        self._add_calculated([one for one in evidence if one["tool"] == CALCULATE])

    def proofs(self, items: Sequence[Item]) -> list[list[Fact] | None]:
        """The facts that hold each: none of them where the evidence holds it otherwise, None where it does not."""
        self._look_for(items)
        return [self._proof(item) for item in items]

    def texts(self, folded: str) -> dict[str, list[Fact]]:
        """The values with letters that occur in ``folded``, a text in small letters, and the facts that say them."""
        found: dict[str, list[Fact]] = {}
        for value, _, facts in self._said():
            if facts and isinstance(value, str) and (text := held_by(value).folded) and text in folded:
                found.setdefault(text, []).extend(facts)
        return found

    def _said(self) -> Iterator[tuple[object, str, Sequence[Fact]]]:
        return chain(chain.from_iterable(map(said, self._evidence)), self._calculated)

    def _look_for(self, items: Iterable[Item]) -> None:
        wanted = {key for item in items for key in sought(item)} - self._sought
        if not wanted:
            return
        self._sought |= wanted
        ids = {key for kind, key in wanted if kind == "identifier"}
        for value, record_id, facts in self._said():
            if not wanted.isdisjoint(keys := keys_in(value)):
                for key in wanted & keys:
                    self._facts[key].extend(facts)
            if ids and record_id and (own := record_id.casefold()) in ids:
                self._facts["identifier", own].extend(facts)
        for one in self._evidence:
            for value in told(one):
                if not wanted.isdisjoint(keys := keys_in(value)):
                    for key in wanted & keys:
                        self._put(key)
            for entity in one["entities"] if ids else ():
                if (own := entity["entity_id"].casefold()) in ids:
                    self._put(("identifier", own))

    def _proof(self, item: Item) -> list[Fact] | None:
        facts = self._found(item)
        if facts is None and self._unread:  # they are long, and most answers say nothing but facts
            self._read_contents()
            facts = self._found(item)
        return facts

    def _found(self, item: Item) -> list[Fact] | None:
        for key in sought(item) if item.kind != "phone" else ((item.kind, key) for key in item.keys):
            if (facts := self._facts.get(key)) is not None:
                return facts
        if item.kind == "number":
            return self._number(item)
        if item.kind == "phone":
            parts = [self._proof(part) for part in figures_of(item)]
            if len(parts) > 1 and all(part is not None for part in parts):
                return [fact for part in parts if part for fact in part]
        return None

    def _number(self, item: Item) -> list[Fact] | None:
        value = float(item.keys[0])  # type: ignore[arg-type]
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

    def _add_calculated(self, waiting: list[Evidence]) -> None:
        """A result whose operands are proven is proven; it may be the operand of another."""
        self._look_for(item for one in waiting for value in _operands(one) for item in read_value(str(value)))
        while proven := [one for one in waiting if self._operands_hold(one)]:
            waiting = [one for one in waiting if one not in proven]
            for one in proven:
                for figure in one["figures"]:
                    self._add_result(figure)
                    self._calculated.append((figure["value"], "", figure["facts"]))
                    for key in self._sought & keys_in(figure["value"]):
                        self._facts[key].extend(figure["facts"])

    def _operands_hold(self, evidence: Evidence) -> bool:
        values = [read_value(str(value)) for value in _operands(evidence)]
        return bool(values) and all(items and None not in self.proofs(items) for items in values)

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
                    put(("identifier", part.casefold()))  # type: ignore[attr-defined]
            elif kind is dict:
                left += part  # type: ignore[arg-type]
                left += part.values()  # type: ignore[attr-defined]
            elif kind is list:
                left += part  # type: ignore[arg-type]
            elif kind is int or kind is float:
                put(("number", number_key(part)))  # type: ignore[arg-type]

    def _add_result(self, figure: Figure) -> None:
        value = figure["value"]
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._results.append((abs(float(value)), figure["facts"]))
        elif isinstance(value, str) and len(items := read_value(value)) == 1 and items[0].kind == "number":
            self._results.append((float(items[0].keys[0]), figure["facts"]))  # type: ignore[arg-type]

    def _add_name(self, name: str) -> None:
        """Of a field or a figure."""
        self._field_numbers.update(int(digits) for digits in _DIGITS.findall(name))
        for item in read_value(name):
            if item.kind == "identifier":
                self._put((item.kind, item.keys[0]))

    def _add_question(self, question: str) -> None:
        for identifier in find_identifiers(question):
            for key in held_by(identifier.value).keys:
                self._put(key)
        for item in read_items(question):
            if item.kind != "number":
                for key in keys_of(item):
                    self._put(key)
            elif item.unit.startswith(_SPANS):
                self._spans.add((float(item.keys[0]), _singular(item.unit)))  # type: ignore[arg-type]
            elif item.text.isdigit() and 1900 <= int(item.text) < 2100:
                self._put(("year", int(item.text)))

    def _put(self, key: Key) -> None:
        """Hold ``key`` without a fact."""
        self._facts.setdefault(key, [])


def _names(evidence: Evidence) -> Iterator[str]:
    """The names of the fields and figures that ``evidence`` shows."""
    yield from (fact["field"] for fact in evidence["facts"])
    for figure in evidence["figures"]:
        yield figure["name"]
        yield from (fact["field"] for fact in figure["facts"])


def _operands(calculated: Evidence) -> list[object]:
    operands = calculated["arguments"].get("operands")
    if not isinstance(operands, Sequence) or isinstance(operands, str):
        return []
    return [operand.get("value") if isinstance(operand, Mapping) else operand for operand in operands]


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
    items = read_items(text)
    return [item for item, facts in zip(items, index.proofs(items), strict=True) if facts is None]
