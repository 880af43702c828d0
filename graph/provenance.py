"""Which records prove an answer: the facts whose values the answer shows, and no others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from tilores_x.graph.figures import read_items
from tilores_x.graph.grounding import EvidenceIndex
from tilores_x.graph.state import Citation
from tilores_x.tools.records import Fact

PER_ITEM = 3
"""The most records that are cited for one value: more say nothing new."""

_SHORTEST_TEXT = 3


def cite(text: str, index: EvidenceIndex, about: Collection[str] = ()) -> list[Citation]:
    """The facts that ``text`` rests on, in the order in which it shows their values, each once.

    ``about`` are the entities that this question looked up. A value that theirs prove is cited from no one else's, and
    words of earlier questions' records are not cited at all: only figures may rest on what was found before.
    """
    spoken = frozenset(re.findall(r"[a-z]+", text.casefold()))
    items = [(item.start, index.proof(item) or []) for item in read_items(text)]
    found = [(start, _of(about, facts) or facts) for start, facts in items]
    found += [(start, _of(about, facts) if about else facts) for start, facts in _texts(text, index)]
    citations: dict[tuple[str, str], Citation] = {}
    for _, facts in sorted(found, key=lambda entry: entry[0]):
        for fact in _telling(facts, spoken):
            citations.setdefault((fact["record_id"], fact["field"]), _citation(fact))
    return list(citations.values())


def _of(about: Collection[str], facts: list[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact["entity_id"] in about]


def _texts(text: str, index: EvidenceIndex) -> Iterable[tuple[int, list[Fact]]]:
    folded = " ".join(text.split()).casefold()
    for value, facts in index.texts.items():
        if len(value) < _SHORTEST_TEXT or not facts or value not in folded:
            continue
        if match := re.search(rf"(?<!\w){re.escape(value)}(?!\w)", folded):
            yield match.start(), facts


def _telling(facts: list[Fact], spoken: frozenset[str]) -> list[Fact]:
    """The few to cite: facts of fields that the answer speaks of before others that hold the same value."""
    if len({fact["field"] for fact in facts}) > 1:
        named = [fact for fact in facts if _words(fact["field"]) & spoken]
        facts = named or facts
    each = {(fact["record_id"], fact["field"]): fact for fact in facts}
    return list(each.values())[:PER_ITEM]


def _words(field: str) -> frozenset[str]:
    last = [part for part in field.split(".") if part not in ("*",) and not part.isdigit()][-2:]
    return frozenset(
        word.casefold() for part in last for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", part) if len(word) > 2
    )


def _citation(fact: Fact) -> Citation:
    return Citation(record_id=fact["record_id"], entity_id=fact["entity_id"], field=fact["field"], value=fact["value"])
