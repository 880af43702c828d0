"""Finds whom a question is about: e-mail addresses, phone numbers, ids, names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import phonenumbers

from tilores_x.llm.planner.words import Vocabulary, Word

REGION = "US"
_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]+@(?:\w(?:[\w-]*\w)?\.)+[^\W\d_]{2,}(?![\w@-])")
_UUID = re.compile(r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])", re.IGNORECASE)
_ID = re.compile(r"(?<![\w$€£.,/:@-])#?(?P<id>(?=[A-Za-z_-]*\d)[A-Za-z0-9][\w-]*)(?![\w%@]|[.,/:]\d)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DATE = re.compile(r"\d{1,4}-\d{1,2}(?:-\d{1,4})?|\d+(?:st|nd|rd|th)|\d+(?:-[a-z]+)+", re.IGNORECASE)
_UNIT = re.compile(r"\s*-?\s*(?:percent|points?|pts?|usd|dollars?|bucks|days?|weeks?|months?|years?|hours?|minutes?|times)\b", re.IGNORECASE)
_NOUN = re.compile(
    r"(?:\b(?:the|a|one|with|whose|clients?|customers?|clnt|clinet|cust\w*|member|person|record|entity|account|acct|profile|user|"
    r"ids?|i\.d\.?|identifier|number|num|nos?\.?|nr\.?|phone|tel|mobile|cell|e-?mail|mail|address|named?|called|is)\b\.?[\s#:=_-]*)+$",
    re.IGNORECASE,
)
_KEY = re.compile(r"\b(?:c\w{2,6}t|cust\w*|member|ids?|number|num|no|nr|record|entity|account|acct)\b|#", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is meant, as the question spells it. ``searches`` are ways to find them, each concept -> value.

    The pseudo-concepts ``record_id`` and ``entity_id`` stand for a look-up by id.
    """

    said: str
    by: str
    searches: tuple[tuple[tuple[str, str], ...], ...]
    start: int = 0
    end: int = 0


def find_subjects(text: str, words: Sequence[Word], vocabulary: Vocabulary) -> list[Subject]:
    """In the order of the text. Names are looked for only where nothing else names anybody."""
    found: list[Subject] = []
    for subject in _identified(text):
        if not any(subject.start < other.end and other.start < subject.end for other in found):
            found.append(subject)
    if not found:
        found = list(_named(text, words, vocabulary))
    unique = {subject.searches: subject for subject in reversed(found)}
    return sorted(unique.values(), key=lambda subject: subject.start)


def _identified(text: str) -> Iterator[Subject]:
    for match in _EMAIL.finditer(text):
        yield _one("e-mail address", "email", match[0], text, *match.span())
    for match in _UUID.finditer(text):
        yield _one("entity id", "entity_id", match[0], text, *match.span())
    for phone in phonenumbers.PhoneNumberMatcher(text, REGION, leniency=phonenumbers.Leniency.POSSIBLE):
        digits = sum(character.isdigit() for character in phone.raw_string)
        keyed = re.search(r"\bid[\s:#]*$", text[: phone.start], re.IGNORECASE)
        if (digits >= 10 or phone.raw_string.startswith("+")) and text[phone.start - 1 : phone.start] != "$" and not keyed:
            yield _one("phone number", "phone", phone.raw_string, text, phone.start, phone.end)
    for match in _ID.finditer(text):
        value, start, end = match["id"], match.start("id"), match.end("id")
        noun = _noun_before(text, start)
        keyed = bool(_KEY.search(text[noun:start])) or match[0].startswith("#")
        plain = value.isdigit()
        if _DATE.fullmatch(value) or (plain and _UNIT.match(text, end)) or (not plain and "-" not in value and not keyed):
            continue
        if not keyed and plain and (len(value) < 3 or (_YEAR.fullmatch(value) and text.strip(" ?!.#") != value)):
            continue
        yield Subject(value, "client ID" if plain else "ID", _ways(value, plain), noun, end)


def _ways(value: str, plain: bool) -> tuple[tuple[tuple[str, str], ...], ...]:
    by_client = (("client_id", value),)
    return (by_client,) if plain else (by_client, (("record_id", value),))


def _noun_before(text: str, start: int) -> int:
    """Where the noun of an identifier begins: "client ID 4021", "the customer with email …"."""
    return noun.start() if (noun := _NOUN.search(text[:start])) else start


def _one(by: str, concept: str, value: str, text: str, start: int, end: int) -> Subject:
    return Subject(value, by, (((concept, value),),), _noun_before(text, start), end)


def _named(text: str, words: Sequence[Word], vocabulary: Vocabulary) -> Iterator[Subject]:
    """Runs of words that are no words of ours. What stands in capitals, or of two words, is surer than another."""
    runs: list[list[Word]] = [[]]
    for at, word in enumerate(words):
        free = not any(character.isdigit() for character in word.low) and vocabulary.meant(word) is None
        beside = word.proper and any(
            other.proper and not vocabulary.is_exact(other) and abs(at - words.index(other)) == 1 for other in words
        )
        gap = text[runs[-1][-1].end : word.start] if runs[-1] else ""
        if not (free or beside) or gap.strip(" ,") or (runs[-1] and runs[-1][-1].possessive):
            runs.append([])
        if free or beside:
            runs[-1].append(word)
    named = [run for run in runs if run]
    surest = [run for run in named if any(word.proper for word in run)] or [run for run in named if 2 <= len(run) <= 4] or named
    for run in surest[:4]:
        said = text[run[0].start : run[-1].end].removesuffix("'s").removesuffix("’s")  # noqa: RUF001
        yield Subject(said, "name", tuple(_name_ways(text, run)), _noun_before(text, run[0].start), run[-1].end)


def _name_ways(text: str, run: Sequence[Word]) -> Iterator[tuple[tuple[str, str], ...]]:
    parts = [word.text.removesuffix("'s").removesuffix("'S") for word in run]
    if len(parts) == 2 and "," in text[run[0].end : run[1].start]:
        parts.reverse()
    if len(parts) == 1:
        for spelt in _without_s(parts[0], run[-1]):
            yield (("first_name", spelt),)
            yield (("last_name", spelt),)
        return
    for last in dict.fromkeys((parts[-1], " ".join(parts[1:]))):
        for spelt in _without_s(last, run[-1]):
            yield (("first_name", parts[0]), ("last_name", spelt))


def _without_s(name: str, word: Word) -> list[str]:
    """"whats jane does score": the s may be a possessive without its apostrophe."""
    bare = name[:-1] if name[-1:] in "sS" and len(name) > 3 and not word.possessive else name
    return list(dict.fromkeys((name, bare)))

