"""Notations made comparable: transforms, dates, telephone numbers, sounds and likeness.

Each function takes one text out of a record and returns what two texts must share in order to match. They are pure
and cached, since the values of a field repeat: a name or a date is normalised once, not once per record.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Final, Literal

import jellyfish
from rapidfuzz.distance import JaroWinkler

CACHED: Final = 1 << 17
PREFIX: Final = 12
"""Characters of a text whose one-error neighbourhood is indexed; a later error leaves the prefix as it is."""

DateOrder = Literal["DMY", "MDY"]
PhoneticCode = Literal["metaphone", "soundex", "nysiis"]


def squeeze(text: str) -> str:
    """Without white space at the ends, each inner run of it one space."""
    return " ".join(text.split())


@lru_cache(CACHED)
def plain(text: str) -> str:
    """Without accents and other combining marks: ``é`` becomes ``e``."""
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


TRANSFORMS: Final[dict[str, Callable[[str], str]]] = {
    "lowercase": str.lower,
    "uppercase": str.upper,
    "trim": str.strip,
    "squeeze": squeeze,
    "ascii": plain,
    "digits": lambda text: "".join(filter(str.isdigit, text)),
    "letters": lambda text: "".join(filter(str.isalpha, text)),
    "alphanumeric": lambda text: "".join(filter(str.isalnum, text)),
}

# --- dates -----------------------------------------------------------------------------------------------------------

_TIME_OF_DAY = r"(?:[t ,]+\d{1,2}:\d{2}.*)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})[-/. ](\d{{1,2}})[-/. ](\d{{1,2}}){_TIME_OF_DAY}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/. ])(\d{{1,2}})\2(\d{{4}}|\d{{2}}){_TIME_OF_DAY}")
_COMPACT = re.compile(r"\d{8}")
_NUMBER = re.compile(r"(\d+)(?:st|nd|rd|th)?", re.ASCII)
_WORD = re.compile(r"[a-z]+")
_MONTH_NAMES = "january|february|march|april|may|june|july|august|september|october|november|december"
_MONTHS = {
    spelling: number
    for number, name in enumerate(_MONTH_NAMES.split("|"), 1)
    for spelling in (name, name[:3], "sept" if number == 9 else name)
}
_WEEKDAYS = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
_OTHER_WORDS = {"of", "the", "st", "nd", "rd", "th", "t", "z"} | _WEEKDAYS | {day[:3] for day in _WEEKDAYS}


@lru_cache(CACHED)
def dates(text: str, order: DateOrder | None = None) -> tuple[str, ...]:
    """The days that ``text`` may mean, as ISO dates; none where it is no date.

    Read are ISO 8601 (with or without a time of day, which is dropped), ``19800302``, day, month and year in any usual
    order with ``/``, ``-``, ``.`` or spaces between them, and months by their English names. ``03/02/1980`` means two
    days unless ``order`` says which; where ``order`` gives no valid day the other order is taken. With dots the day
    stands first. A year of two digits is kept for both centuries.
    """
    text = text.strip().lower()
    if match := _YEAR_FIRST.fullmatch(text):
        return _days([(int(match[1]), int(match[2]), int(match[3]))])
    if match := _YEAR_LAST.fullmatch(text):
        return _ordered(int(match[1]), int(match[3]), match[4], "DMY" if match[2] == "." else order)
    if _COMPACT.fullmatch(text):
        found = _days([(int(text[:4]), int(text[4:6]), int(text[6:]))])
        return found or _ordered(int(text[:2]), int(text[2:4]), text[4:], order)
    return _with_named_month(text)


def _ordered(first: int, second: int, year: str, order: DateOrder | None) -> tuple[str, ...]:
    day_first = _days([(y, second, first) for y in _years(year)])
    month_first = _days([(y, first, second) for y in _years(year)])
    if order == "DMY":
        return day_first or month_first
    if order == "MDY":
        return month_first or day_first
    return tuple(sorted({*day_first, *month_first}))


def _with_named_month(text: str) -> tuple[str, ...]:
    text = re.sub(r"[t ,]+\d{1,2}:\d{2}.*", "", text)
    words = _WORD.findall(text)
    months = {_MONTHS[word] for word in words if word in _MONTHS}
    numbers: list[str] = _NUMBER.findall(text)
    if len(months) != 1 or len(numbers) != 2 or any(w not in _MONTHS and w not in _OTHER_WORDS for w in words):
        return ()
    day, year = numbers if len(numbers[1]) > 2 or len(numbers[0]) <= 2 else reversed(numbers)
    (month,) = months
    return _days([(y, month, int(day)) for y in _years(year)])


def _years(text: str) -> list[int]:
    return [int(text)] if len(text) > 2 else [1900 + int(text), 2000 + int(text)]


def _days(candidates: list[tuple[int, int, int]]) -> tuple[str, ...]:
    found = []
    for year, month, day in candidates:
        if not 1800 <= year <= 2200:
            continue
        try:
            found.append(date(year, month, day).isoformat())
        except ValueError:
            continue
    return tuple(found)


# --- telephone numbers -----------------------------------------------------------------------------------------------


@lru_cache(CACHED)
def phone(text: str, region: str = "US") -> str | None:
    """The number in E.164 without its extension, or None where ``text`` is no complete number.

    ``region`` (ISO 3166 alpha-2) reads numbers without a country code. ``00`` before a country code counts as ``+``.
    A local number without its area code is not complete: it rings in many towns.
    """
    import phonenumbers  # costs 40 ms to import, and many searches hold no number

    text = text.strip()
    if text.startswith("00"):
        text = "+" + text[2:].lstrip("- .")
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    number.extension = None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


# --- sound and likeness ----------------------------------------------------------------------------------------------

_CODES: Final[dict[PhoneticCode, Callable[[str], str]]] = {
    "metaphone": jellyfish.metaphone,
    "soundex": jellyfish.soundex,
    "nysiis": jellyfish.nysiis,
}


@lru_cache(CACHED)
def sound(text: str, code: PhoneticCode = "metaphone") -> str:
    """How ``text`` sounds in English, word by word, in the named phonetic code; empty where it has no letters."""
    letters = "".join(char if char.isalpha() else " " for char in plain(text))
    return " ".join(filter(None, (_CODES[code](word) for word in letters.split() if word.isascii())))


@lru_cache(CACHED)
def comparable(text: str) -> str:
    """``text`` as likeness is measured on it: case, accents and repeated white space set aside."""
    return squeeze(plain(text).casefold())


def alike(a: str, b: str, least: float) -> bool:
    """Whether the Jaro-Winkler similarity of two comparable texts is ``least`` or more.

    Winkler, "String Comparator Metrics and Enhanced Decision Rules" (1990), prefix weight 0.1.
    """
    return a == b or JaroWinkler.similarity(a, b, score_cutoff=least) >= least


@lru_cache(CACHED)
def neighbourhood(text: str) -> tuple[str, ...]:
    """Keys that two comparable texts share if one typing error lies between them, or if they sound alike.

    One error is a character too many, too few, wrong, or swapped with its neighbour: both texts then have a deletion of
    one character in common (Garbe's symmetric delete). Only the first characters are indexed.
    """
    head = text[:PREFIX]
    keys = {head, *(head[:at] + head[at + 1 :] for at in range(len(head)))} - {""}
    if heard := sound(text):
        keys.add("~" + heard)
    return tuple(sorted(keys))
