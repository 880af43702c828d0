"""Finds whom a question is about: e-mail addresses, phone numbers, ids, names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import phonenumbers

from tilores_x.llm.planner.lexicon import BEFORE, DETERMINERS, NAMES
from tilores_x.llm.planner.words import Vocabulary, Word

REGION = "US"
_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]+@(?:\w(?:[\w-]*\w)?\.)+[^\W\d_]{2,}(?![\w@-])")
_UUID = re.compile(r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])", re.IGNORECASE)
_ID = re.compile(r"(?<![\w$€£.,/@-])(?<!\d:)#?(?P<id>(?=[A-Za-z_-]*\d)[A-Za-z0-9][\w-]*)(?![\w%@]|[.,/:]\d)")
_NO_PHONE = re.compile(r"\bid[\s:#]*$|\$$", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_DATE = re.compile(r"\d{1,4}-\d{1,2}(?:-\d{1,4})?|\d+(?:st|nd|rd|th)|\d+(?:-[a-z]+)+", re.IGNORECASE)
_UNIT = re.compile(
    r"\s*-?\s*(?:percent|points?|pts?|usd|dollars?|bucks|days?|weeks?|months?|years?|hours?|minutes?|times)\b",
    re.IGNORECASE,
)
_NOUN = re.compile(
    r"(?:\b(?:the|a|one|with|whose|clients?|customers?|clnt|clinet|cust\w*|member|record|entity|account|acct|"
    r"ids?|i\.d\.?|identifier|number|num|nos?\.?|nr\.?|phone|tel|mobile|cell|e-?mail|mail|address|named?|called|is)\b"
    r"\.?[\s#:=_-]*)+$",
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
        long = sum(character.isdigit() for character in phone.raw_string) >= 10 or phone.raw_string.startswith("+")
        if long and not _NO_PHONE.search(text[: phone.start]):
            yield _one("phone number", "phone", phone.raw_string, text, phone.start, phone.end)
    for found in _ID.finditer(text):
        value, start, end = found["id"], found.start("id"), found.end("id")
        noun = _noun_before(text, start)
        keyed = found[0].startswith("#") or _KEY.search(text[noun:start]) is not None
        plain = value.isdigit()
        if _DATE.fullmatch(value) or (plain and _UNIT.match(text, end)):
            continue
        alone = text.strip(" ?!.#") == value
        if keyed or (len(value) > 2 and (alone or not _YEAR.fullmatch(value)) if plain else "-" in value):
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
    """Runs of words that are no words of ours. Capitals mark a name, so do two words together, or a preposition."""
    runs: list[list[int]] = []
    for at, word in enumerate(words):
        beside = word.proper and any(other.proper and not vocabulary.holds(other) for other in _next_to(words, at))
        if any(character.isdigit() for character in word.low) or (vocabulary.meant(word) is not None and not beside):
            continue
        if runs and runs[-1][-1] == at - 1 and _joined(text, words[at - 1], word):
            runs[-1].append(at)
        else:
            runs.append([at])
    proper = [run for run in runs if any(words[at].proper for at in run)]
    told = proper or [run for run in runs if run[0] == 0 or words[run[0] - 1].low not in DETERMINERS]
    told = proper or [run for run in told if 1 < len(run) < 5] or told
    introduced = [run for run in told if run[0] and words[run[0] - 1].low in BEFORE]
    if len(told) > 1 and not introduced and all(len(run) == 1 for run in told) and not proper:
        return  # words we don't know rather than names
    told = introduced or told
    for run in told[:4]:
        before, after = run[0] - 1, run[-1] + 1
        wide = [before, *run] if _may_join(text, words, before, run[0], vocabulary) else run
        wide = [*wide, after] if _may_join(text, words, after, run[-1], vocabulary) else wide
        ways = dict.fromkeys(way for part in (wide, run) for way in _name_ways(text, [words[at] for at in part]))
        start, end = words[run[0]].start, words[run[-1]].end
        yield Subject(_bare(text[start:end]), "name", tuple(ways), _noun_before(text, start), end)


def _next_to(words: Sequence[Word], at: int) -> list[Word]:
    return [words[other] for other in (at - 1, at + 1) if 0 <= other < len(words)]


def _joined(text: str, first: Word, second: Word) -> bool:
    return not first.possessive and not text[first.end : second.start].strip(" ,-.")


def _may_join(text: str, words: Sequence[Word], at: int, beside: int, vocabulary: Vocabulary) -> bool:
    """Whether the word at ``at``, though one of ours, may belong to the name beside it: "will smith", "tracy chung"."""
    if not 0 <= at < len(words):
        return False
    first, second = sorted((at, beside))
    a_name = words[at].low in NAMES or words[at].low.removesuffix("s") in NAMES or not vocabulary.holds(words[at])
    return a_name and _joined(text, words[first], words[second])


def _name_ways(text: str, run: Sequence[Word]) -> Iterator[tuple[tuple[str, str], ...]]:
    """First and last name as the run of words may mean them; the longer last name after the shorter."""
    said = _bare(text[run[0].start : run[-1].end])
    parts = [part for part in re.split(r"[\s,.]+", said) if part]
    if len(parts) == 2 and "," in said:
        parts.reverse()
    for last in dict.fromkeys((parts[-1], " ".join(parts[1:]))):
        for spelt in _without_s(last or parts[-1], run[-1]):
            if len(parts) > 1:
                yield (("first_name", parts[0]), ("last_name", spelt))
            elif last:
                yield (("first_name", spelt),)
                yield (("last_name", spelt),)


def _bare(name: str) -> str:
    return re.sub(r"['’][sS]?$", "", name)  # noqa: RUF001


def _without_s(name: str, word: Word) -> list[str]:
    """ "whats jane does score": the s may be a possessive without its apostrophe."""
    bare = name[:-1] if name[-1:] in "sS" and len(name) > 2 and not word.possessive else name
    return list(dict.fromkeys((name, bare)))
