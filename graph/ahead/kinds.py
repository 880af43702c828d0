"""What kind of question it is: a signature that holds no personal data, so that questions alike can be told by it.

It is made of those words of the question that name a field's meaning (words of the concepts and of the instance's own
fields) or an intent ("late", "compare"), and of how it names people. Every other word is left out: a name, an
identifier or a value never gets in, except where it is a word of the vocabulary anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from tilores_x.graph.identifiers import Identifier
from tilores_x.tools.fields.concepts import NAMES, Concepts
from tilores_x.tools.fields.names import path_words, words

MOST_WORDS = 10
"""Words of a signature; a longer question is told by the first of its words, in the order of the alphabet."""

_STEM = 5
"""Words alike in so many letters are taken for one: "cancelled" and "cancellation", "payment" and "payments"."""

_INTENTS = """
    advice affect before behind better change changed changes compare compared comparing conflict conflicts
    consistent current debt delinquent differ difference due duplicate duplicates enroll enrolled ever factors first
    gained happened higher histories history hurt improve improvement increase joined last late lately latest lower
    many missed month newest next oldest open ordered overdue owe owes paid pattern pay paying pays plan point
    points previous raise rate rating reason recent records relate same score second since standing start started
    still time timeline tips trend versus vs when who whose why worse
"""
_ALIKE = {
    **dict.fromkeys(("experian", "equifax", "transunion"), "burea"),
    **dict.fromkeys(("pay", "pays", "paid", "paying", "payer"), "payme"),
    **dict.fromkeys(("vs", "versus", "comparison"), "compa"),
}
"""Words that mean the same to a kind, whatever their letters."""

_FILLERS = """
    a about actually all also am an and any anything are as at back be been being but by can could customer client
    clients customers did do does doing else feel for from get give going good got had has have he hello help her
    hers hey hi him his how i id identifier if in info information into is it its just know let lets like look lookup
    me member more much my no not now number of off ok okay on one or our out over person please pls profile quick
    record regarding right s say see she should show so some soon t tell thank thanks than that the their them then
    there these they thing things this those to too today up us want was we well were what whats which while will with
    would yes yet you your
"""
_FILLER = frozenset(_FILLERS.split())
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Kind:
    """``words`` are stems, ``named`` the kinds of identifiers; both in the order of the alphabet."""

    words: tuple[str, ...]
    named: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The stems that a signature may hold."""

    stems: frozenset[str]

    @classmethod
    def of(cls, concepts: Concepts) -> Vocabulary:
        names = [part for known in NAMES.values() for name in known for part in words(name)]
        paths = [part for found in concepts.values() for path in found for level in path_words(path) for part in level]
        own = {word for word in (*names, *paths, *_INTENTS.split()) if len(word) > 1 and not word.isdigit()}
        return cls(frozenset(_stem(word) for word in own - _FILLER))

    def kind(self, said: Said, named: Iterable[str]) -> Kind:
        return Kind(tuple(sorted({stem for stem in said.stems if stem in self.stems})[:MOST_WORDS]),
                    tuple(sorted(set(named))))  # fmt: skip

    def strange(self, said: Said) -> set[str]:
        """Words that are neither ours nor everybody's: perhaps a name."""
        return {word for word, stem in said.pairs if word not in _FILLER and stem not in self.stems}


@dataclass(frozen=True)
class Said:
    """The words of a question outside of what identifies somebody: each with its stem."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, text: str, identifiers: Iterable[Identifier] = ()) -> Said:
        for one in identifiers:
            text = text[: one.start] + " " * (one.end - one.start) + text[one.end :]
        return cls(_pairs(text))

    @property
    def stems(self) -> list[str]:
        return [stem for word, stem in self.pairs if word not in _FILLER]


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    plain = (word.lower().replace("’", "'").removesuffix("'s") for word in _WORD.findall(text[:2_000]))  # noqa: RUF001
    return tuple((word, _stem(word)) for word in plain)


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    if word in _ALIKE:
        return _ALIKE[word]
    return word[:_STEM] if len(word) > _STEM else word.removesuffix("s") if len(word) > 3 else word
