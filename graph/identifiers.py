"""Finds what a question names outright: e-mail addresses, phone numbers, client ids, record and entity ids.

By syntax and by library, never by guessing: a year, an amount, a date, a score or a span of time is no identifier, and
a name is left to the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import phonenumbers

REGION = "US"
"""The region of phone numbers that name none (ISO 3166-1)."""

NATIONAL_DIGITS = 10
"""Shorter runs of digits are taken for a phone number only when they begin with ``+``."""


class Kind(StrEnum):
    """What an identifier identifies; the first three are names of concepts."""

    EMAIL = "email"
    PHONE = "phone"
    CLIENT_ID = "client_id"
    RECORD_ID = "record_id"
    ENTITY_ID = "entity_id"


@dataclass(frozen=True, slots=True)
class Identifier:
    """``value`` as the question spells it, found at ``text[start:end]``."""

    kind: Kind
    value: str
    start: int
    end: int


# What every phone number that counts has, as phonenumbers writes them: a plus, or enough digits with at most four signs
# between two of them, or an extension. Its matcher is slow, and most figures are no phone numbers.
_LIKE_A_PHONE = re.compile(
    rf"\+|(?:\d[\WxX\u30fc]{{0,4}}){{{NATIONAL_DIGITS - 1}}}\d"
    r"|\d(?:[ \u00a0\t,]*(?:[eE]?[xX#\uff03~\uff5e]|(?i:int|anexo|\uff45?\uff58|\uff49\uff4e\uff54|\u0434\u043e\u0431))"
    r"|;(?i:ext)=|[- ]+\d{1,6}#)"
)

EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]+@(?:[\w](?:[\w-]*[\w])?\.)+[^\W\d_]{2,}(?![\w@-])")

# A word with at least one digit, which may hold the signs that ids are made with. A decimal point is none of them, so
# that "700.50" is no word; nor is "%".
_WORD = r"(?=[A-Za-z_-]*\d)[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?![\w%]|[.,/:@]\d|-\d)"
_NOUN = r"(?:client|customer|member|cust|clnt|costumer|cliant)s?(?:'s)?"
_ID = r"(?:ids?|i\.d\.?|identifiers?|numbers?|num|nos?\.?|nr\.?)"
_LINK = r"(?:\s*(?:#|:|=|\bis\b|-(?=\s))\s*|\s+)"
_KEYED = re.compile(
    rf"\b(?:{_NOUN}[\s_-]*{_ID}|{_NOUN}|(?<!record )(?<!entity )(?<!ticket )(?<!report )id){_LINK}#?(?P<id>{_WORD})"
    rf"|(?<!\w)#\s?(?P<hash>{_WORD})",
    re.IGNORECASE,
)
_MORE = re.compile(
    rf"\s*(?:,\s*(?:and|or|&)?|\band\b|\bor\b|&|\bvs\.?|\bversus\b|\bwith\b)\s*#?(?P<id>{_WORD})", re.IGNORECASE
)
_OWN = re.compile(
    rf"\b(?P<kind>record|entity)(?:[\s_-]*{_ID})?{_LINK}#?(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]*\d[A-Za-z0-9_-]*|[0-9a-f]{{8}}-[0-9a-f-]{{27}})",
    re.IGNORECASE,
)
_UUID = re.compile(r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])", re.IGNORECASE)

_ALONE = re.compile(rf"#?(?P<id>{_WORD})")
_FILLERS = """
    a about again also an and are at back can check client customer customers clients do find for get give go have how i
    id info information is it let lets look lookup me next no now number of ok okay on one please pls return search see
    show switch tell that the then there they this to try up us what whats who whos whose with you
"""
_FILLER = frozenset(_FILLERS.split())
_UNITS = re.compile(
    r"\s*-?\s*(?:percent|points?|pts?|usd|dollars?|bucks|days?|weeks?|months?|years?|hours?|minutes?|times)\b",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}(?:[-/.]\d{1,4})?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_LEAST_DIGITS = 3


def find_identifiers(text: str, *, region: str = REGION) -> list[Identifier]:
    """Identifiers in the order of the text, each once; ``region`` is that of phone numbers without a country code."""
    return list(_found(text, region))


@lru_cache(maxsize=512)
def _found(text: str, region: str) -> tuple[Identifier, ...]:
    """Kept, since a question is read before the searches and again when its answer is checked."""
    found: list[Identifier] = []
    for identifier in _candidates(text, region):
        taken = any(identifier.start < other.end and other.start < identifier.end for other in found)
        known = any(
            identifier.kind == other.kind and identifier.value.casefold() == other.value.casefold() for other in found
        )
        if not taken and not known:
            found.append(identifier)
    if not found and (alone := _alone(text)):
        found.append(alone)
    return tuple(sorted(found, key=lambda identifier: identifier.start))


def _candidates(text: str, region: str) -> Iterator[Identifier]:
    """In the order of how sure they are: what comes first keeps its stretch of the text."""
    for match in EMAIL.finditer(text):
        yield _identifier(Kind.EMAIL, match, 0)
    for match in _OWN.finditer(text):
        yield _identifier(Kind.RECORD_ID if match["kind"].lower() == "record" else Kind.ENTITY_ID, match, "id")
    yield from _client_ids(text)
    yield from _phones(text, region)
    for match in _UUID.finditer(text):
        yield _identifier(Kind.ENTITY_ID, match, 0)


def _identifier(kind: Kind, match: re.Match[str], group: str | int) -> Identifier:
    return Identifier(kind, match[group], match.start(group), match.end(group))


def _client_ids(text: str) -> Iterator[Identifier]:
    for match in _KEYED.finditer(text):
        group = "id" if match["id"] else "hash"
        if not _an_id(text, match.start(group), match.end(group)) or _is_phone(match[group]):
            continue
        yield _identifier(Kind.CLIENT_ID, match, group)
        end = match.end()
        while more := _MORE.match(text, end):
            if not _an_id(text, more.start("id"), more.end("id")):
                break
            yield _identifier(Kind.CLIENT_ID, more, "id")
            end = more.end()


def _an_id(text: str, start: int, end: int) -> bool:
    """Whether the token there can be an id: not a date, not an amount with its unit behind it."""
    token = text[start:end]
    if text[start - 1 : start] == "@":
        return False
    return not _DATE.fullmatch(token) and not (token.isdigit() and _UNITS.match(text, end))


def _is_phone(token: str) -> bool:
    return re.fullmatch(r"(?:1-)?\d{3}-\d{3}-\d{4}", token) is not None


def _phones(text: str, region: str) -> Iterator[Identifier]:
    for match in phone_numbers(text, region):
        if text[match.start - 1 : match.start] != "$":
            yield Identifier(Kind.PHONE, match.raw_string, match.start, match.end)


def phone_numbers(text: str, region: str = REGION) -> list[phonenumbers.PhoneNumberMatch]:
    """The phone numbers in ``text``: of ``NATIONAL_DIGITS`` at least, or with a country code."""
    if not _LIKE_A_PHONE.search(text):
        return []
    matcher = phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.POSSIBLE)
    return [
        match
        for match in matcher
        if match.raw_string.startswith("+") or sum(map(str.isdigit, match.raw_string)) >= NATIONAL_DIGITS
    ]


def _alone(text: str) -> Identifier | None:
    """The id in a question that says nothing else: "4021", "who is 4021?", "and what about CL-4021"."""
    tokens = list(_ALONE.finditer(text))
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", _ALONE.sub(" ", text))
    if len(tokens) != 1 or any(word.lower().replace("'", "") not in _FILLER for word in words):
        return None
    match = tokens[0]
    before, token = text[: match.start()].rstrip(), match["id"]
    if sum(character.isdigit() for character in token) < _LEAST_DIGITS or before.endswith(("$", ".")):
        return None
    if not _an_id(text, match.start("id"), match.end("id")):
        return None
    in_time = words and not {"who", "whos", "back", "find", "search", "lookup", "id"} & {word.lower() for word in words}
    if _YEAR.fullmatch(token) and in_time:
        return None
    return _identifier(Kind.CLIENT_ID, match, "id")
