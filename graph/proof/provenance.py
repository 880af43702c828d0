"""Which records prove an answer: the facts whose values the answer shows, and no others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from tilores_x.graph.proof.figures import read_items
from tilores_x.graph.proof.grounding import EvidenceIndex
from tilores_x.graph.state import Citation
from tilores_x.tools.records import Fact

PER_ITEM = 3
"""The most records that are cited for one value: more say nothing new."""

_SHORTEST_TEXT = 3
_EMPTY = frozenset({"date", "id", "value", "name", "type", "response"})


def cite(text: str, index: EvidenceIndex, about: Collection[str] = (), question: str = "") -> list[Citation]:
    """The facts that ``text`` rests on, in the order in which it shows their values, each once.

    ``about`` are the entities that this question looked up: a value that theirs prove is cited from no one else's.
    A value may stand in several fields: those count that ``text`` and ``question`` speak of, and the records that prove
    what else is said.
    """
    spoken = frozenset(_stem(word) for word in re.findall(r"[a-z]+", f"{text}\n{question}".casefold()))
    items = read_items(text)
    found = [(item.start, facts or []) for item, facts in zip(items, index.proofs(items), strict=True)]
    found += _texts(text, index)
    found = [(at, [fact for fact in facts if fact["entity_id"] in about] or facts) for at, facts in found]
    sure = {fact["record_id"] for _, facts in found if _fields(facts) == 1 for fact in facts}
    citations: dict[tuple[str, str], Citation] = {}
    for _, facts in sorted(found, key=lambda entry: entry[0]):
        for fact in _telling(facts, spoken, sure):
            citations.setdefault((fact["record_id"], fact["field"]), _citation(fact))
    return list(citations.values())


def _texts(text: str, index: EvidenceIndex) -> Iterable[tuple[int, list[Fact]]]:
    folded = " ".join(text.split()).casefold()
    for value, facts in index.texts(folded).items():
        if len(value) >= _SHORTEST_TEXT and (at := _word_at(value, folded)) is not None:
            yield at, facts


def _word_at(value: str, text: str) -> int | None:
    """Where ``value`` stands in ``text`` with no letter or digit right before or behind it."""
    at = text.find(value)
    while at >= 0:
        if not (_in_word(text[at - 1 : at]) or _in_word(text[at + len(value) : at + len(value) + 1])):
            return at
        at = text.find(value, at + 1)
    return None


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _telling(facts: list[Fact], spoken: frozenset[str], sure: set[str]) -> list[Fact]:
    """The few to cite: facts of fields that are spoken of before others that hold the same value."""
    if _fields(facts) > 1:
        facts = [fact for fact in facts if _words(fact["field"]) & spoken] or facts
        facts = [fact for fact in facts if fact["record_id"] in sure] or facts
    each = {(fact["record_id"], fact["field"]): fact for fact in facts}
    return list(each.values())[:PER_ITEM]


def _fields(facts: Iterable[Fact]) -> int:
    return len({fact["field"] for fact in facts})


def _words(field: str) -> frozenset[str]:
    """The words of a path's last two names, but for those that say nothing (dates, ids)."""
    last = [part for part in field.split(".") if part != "*" and not part.isdigit()][-2:]
    words = {_stem(word.casefold()) for part in last for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", part)}
    return frozenset(words - _EMPTY)


def _stem(word: str) -> str:
    return word.removesuffix("s")


def _citation(fact: Fact) -> Citation:
    return Citation(record_id=fact["record_id"], entity_id=fact["entity_id"], field=fact["field"], value=fact["value"])
