"""Reads the words of a question: what they are after typing errors, and which topics their phrases speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from tilores_x.llm.planner.lexicon import BUREAUS, COURTESY, FIELDS, MIXED_UP, SKIPPED, SMALL, TOPICS

FIELD, BUREAU = "field:", "bureau:"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001
_SUFFIX = re.compile(r"(?<=...)(?:ations?|ings?|ed|es|s)$")
_LONGEST_PHRASE = 4


@dataclass(frozen=True, slots=True)
class Word:
    """``low`` is lower-case and without a possessive; ``proper`` says that its capital letter marks a name."""

    text: str
    low: str
    start: int
    end: int
    proper: bool = False
    possessive: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """A phrase that speaks of ``topic``, at ``text[start:end]``."""

    topic: str
    start: int
    end: int


def read_words(text: str) -> list[Word]:
    """The words of ``text``. Where most words begin with a capital letter, a capital says nothing."""
    found = [(match[0].replace("’", "'"), *match.span()) for match in _WORD.finditer(text)]  # noqa: RUF001
    plain = sum(word[0].islower() for word, *_ in found)
    telling = plain >= sum(word[0].isupper() for word, *_ in found) / 2
    words = []
    for at, (word, start, end) in enumerate(found):
        low = word.lower()
        bare = low.removesuffix("'s").removesuffix("'") if low not in SMALL else low
        first = at == 0 or text[:start].rstrip()[-1:] in {".", "?", "!", ":"}
        proper = telling and word[0].isupper() and not word.isupper() and not first
        words.append(Word(word, bare, start, end, proper, bare != low or text[end : end + 1] in {"'", "’"}))  # noqa: RUF001
    return words


@lru_cache(maxsize=10_000)
def stem(word: str) -> str:
    """A word without its ending, roughly: enough for "enrolled", "enrolling" and "enrol" to be one."""
    word = _SUFFIX.sub("", word)
    word = word[:-1] if len(word) > 3 and word[-1] == "e" else word
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeio" else word


class Vocabulary:
    """All phrases that are known of an instance whose ``concepts`` may be asked for by their names."""

    def __init__(self, concepts: Iterable[str]) -> None:
        self._phrases: dict[tuple[str, ...], list[str]] = {}
        self._literal = set(SMALL)
        self._add("", COURTESY, alone=True)
        for bureau, phrases in BUREAUS.items():
            self._add(BUREAU + bureau, phrases, alone=True)
        for topic, phrases in TOPICS.items():
            self._add(topic, phrases)
        for concept, phrases in FIELDS.items():
            self._add(FIELD + concept, phrases, alone=True)
        for concept in concepts:
            self._add(FIELD + concept, [concept.replace("_", " ")], alone=True)
        self._stems = sorted({part for phrase in self._phrases for part in phrase if part not in SMALL})
        self._known = frozenset(self._stems)

    def _add(self, topic: str, phrases: Iterable[str], *, alone: bool = False) -> None:
        """A phrase may speak of several topics, unless it speaks of one ``alone`` and is taken by another already."""
        for phrase in phrases:
            self._literal.update(phrase.split())
            parts = tuple(_plain(part) for part in phrase.split() if part not in SKIPPED)
            if len(parts) == 1 and parts[0] in SMALL and " " in phrase:
                continue  # what is left of it says nothing
            known = self._phrases.setdefault(parts, [])
            if topic not in known and not (alone and known):
                known.append(topic)

    def meant(self, word: Word) -> str | None:
        """The stem or small word that ``word`` is, typing errors forgiven; None where it is no known word."""
        exact = _plain(word.low)
        if exact in SMALL or exact in self._known:
            return exact
        return None if word.proper else self._misspelt(word.low)

    @lru_cache(maxsize=4096)  # noqa: B019  one vocabulary per instance lives as long as the process
    def _misspelt(self, low: str) -> str | None:
        if not low.isalpha() or len(low) < 3:
            return None
        bare = stem(low)
        near = process.extract(bare, self._stems, scorer=OSA.distance, score_cutoff=2 if len(bare) > 8 else 1, limit=5)
        known = next((str(known) for known, *_ in near if _is_slip(bare, str(known))), None)
        return known or next((small for small in MIXED_UP if sorted(small) == sorted(low) and small[0] == low[0]), None)

    def holds(self, word: Word) -> bool:
        """Whether ``word`` is literally one of ours, or an inflection; of others only the stem happens to be alike."""
        return word.low in self._literal or _SUFFIX.sub("", word.low) in self._literal

    def topics(self, words: Sequence[Word]) -> list[Spoken]:
        """What the phrases of ``words`` speak of, in their order; of overlapping phrases the longest counts."""
        content = [(word, meant) for word in words if (meant := self.meant(word)) not in SKIPPED]
        found: list[Spoken] = []
        at = 0
        while at < len(content):
            for length in range(min(_LONGEST_PHRASE, len(content) - at), 0, -1):
                parts = tuple(meant or "" for _, meant in content[at : at + length])
                if topics := self._phrases.get(parts):
                    span = content[at][0].start, content[at + length - 1][0].end
                    found += [Spoken(topic, *span) for topic in topics if topic]
                    at += length
                    break
            else:
                at += 1
        return found


def _plain(word: str) -> str:
    return word if word in SMALL else stem(word)


def _is_slip(typed: str, known: str) -> bool:
    """Whether ``typed``, about a letter away, is ``known`` mistyped rather than another word, or somebody's name."""
    if typed[0] != known[0]:
        return False
    if len(known) < 5:
        return len(typed) > 3 and sorted(typed) == sorted(known)
    return len(known) > 6 or len(typed) != len(known) or typed[:-1] != known[:-1]
